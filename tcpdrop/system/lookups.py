# SPDX-License-Identifier: BSD-2-Clause
"""Which sockets have a four-tuple.

A socket bound to an interface is only found with that interface's index
(Linux), so where no interface is named each is asked for.  Where there are
thousands, their names alone take longer than a look through the kernel's table.
"""

from __future__ import annotations

import os
from time import monotonic

from ..model.addresses import printable
from ..model.four_tuple import interface
from ..model.rows import CONNECTION_STATES, COOKIE, IFINDEX, LPORT, ROW, RPORT, ends_of
from . import kernel, platform

#: interfaces from which the two ports are looked for in the kernel's table instead
MANY = 512
#: exact requests for a batch of tuples from which one look at the whole table costs less
REQUESTS = 8192
#: seconds; so long a namespace is believed to have many interfaces (only the time depends on it)
BELIEVED = 60.0

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..model.four_tuple import FourTuple
    from ..model.rows import Row

#: namespace -> when its interfaces were counted and were many
_crowded: dict[int, float] = {}


class Lookups:
    """Look-ups in one scope, whose interfaces are asked for once at most."""

    def __init__(self, scope: int | None = None) -> None:
        self.scope = scope
        self._interfaces: dict[str, int] | None = None
        self._lists = False

    def check_listing(self) -> None:
        """Raise what nothing can be found for: a kernel without tcp_diag answers every look-up as if there were no such socket."""
        if not (self._lists or platform.LOOKS_BY_WALK):
            kernel.list_connections(0, scope=self.scope)
            self._lists = True

    def interfaces(self, what: object = "") -> dict[str, int]:
        """Name -> index."""
        if self._interfaces is None:
            found = kernel.interfaces(self.scope, what=what)
            self._interfaces = {name.decode("utf-8", "surrogateescape"): index for name, index in found.items()}
            if len(found) > MANY:
                _crowded[self.namespace()] = monotonic()
        return self._interfaces

    def rows(self, quad: FourTuple) -> list[Row]:
        """Every socket that has this tuple, and is bound to its interface if it names one.  Raises ValueError, Error."""
        bound = self.bound_to(quad)
        if bound or not platform.TRIES_INTERFACES:
            return _those_bound(self._each(quad, [bound]), bound)
        if not self._are_many():
            indices = set(self.interfaces(quad).values())
            if len(indices) <= MANY:
                return self._each(quad, [0, *indices])
        return self._with_missed(quad, self._in_table([quad], quad.lport, quad.rport).get(quad.ends(), []), 0)

    def rows_of_each(self, quads: list[FourTuple]) -> list[list[Row]]:
        """The same for many tuples, in the time of one look at the table where that is less."""
        if len(quads) < 2 or not (platform.LOOKS_BY_WALK or len(quads) * (1 + len(self.interfaces())) > REQUESTS):
            return [self.rows(quad) for quad in quads]
        table = self._in_table(quads)
        found = []
        for quad in quads:
            rows, bound = table.get(quad.ends(), []), self.bound_to(quad)
            found.append(_those_bound(rows if platform.LOOKS_BY_WALK else self._with_missed(quad, rows, bound), bound))
        return found

    def name_of(self, index: int) -> str:
        """An interface's name."""
        return next((name for name, number in self.interfaces().items() if number == index), "no interface")

    def bound_to(self, quad: FourTuple) -> int:
        """The index of the interface that the tuple names, in one spelling or two; 0 for none.  Raises ValueError."""
        found = {interface(dev, self.interfaces(quad)) for dev in quad.devs}
        if len(found) > 1:
            raise ValueError(f"the ends name two interfaces, {' and '.join(f'%{printable(dev)}' for dev in quad.devs)}")
        return found.pop() if found else 0

    def _each(self, quad: FourTuple, indices: list[int]) -> list[Row]:
        return kernel.look_up_each(quad.ends(), indices, scope=self.scope, what=quad)

    def _in_table(self, quads: Iterable[FourTuple], lport: int = 0, rport: int = 0) -> dict[object, list[Row]]:
        """What one look at the table shows of these tuples, by their ends."""
        from ..model.columns import column  # not for the one tuple of the classic form

        data = kernel.list_connections(CONNECTION_STATES, b"", lport, rport, scope=self.scope).tobytes()
        wanted = {quad.ends() for quad in quads}
        ports = {(lport, rport) for _, lport, _, rport in wanted}
        found: dict[object, list[Row]] = {}
        for place, pair in enumerate(zip(column(data, LPORT), column(data, RPORT))):
            if pair in ports:
                row = ROW.unpack_from(data, place * ROW.size)
                if ends_of(row) in wanted:
                    found.setdefault(ends_of(row), []).append(row)
        return found

    def _with_missed(self, quad: FourTuple, rows: list[Row], bound: int) -> list[Row]:
        """A look at the table is no snapshot: what it does not show is asked for."""
        seen = {row[COOKIE] for row in rows}
        return rows + [row for row in self._each(quad, [bound]) if row[COOKIE] not in seen]

    def _are_many(self) -> bool:
        return self._interfaces is None and monotonic() - _crowded.get(self.namespace(), -BELIEVED) < BELIEVED

    def namespace(self) -> int:
        """A number that no other network namespace has now; 0 for the caller's own."""
        return 0 if self.scope is None else os.fstat(self.scope).st_ino


def _those_bound(rows: list[Row], bound: int) -> list[Row]:
    """Those that are bound to this interface, 0 being any: the kernel also finds what is bound to none."""
    return [row for row in rows if row[IFINDEX] == bound] if bound and platform.TRIES_INTERFACES else rows
