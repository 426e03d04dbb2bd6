# SPDX-License-Identifier: BSD-2-Clause
"""Which sockets have a four-tuple, and which interfaces a name.

A socket bound to an interface is only found with that interface's index
(Linux), so where no interface is named each is asked for.  Where that makes
thousands of requests, one look through the kernel's table costs less.
"""

from __future__ import annotations

import os
from _struct import pack

from ..model.addresses import printable
from ..model.four_tuple import interface
from ..model.rows import CONNECTION_STATES, COOKIE, IFINDEX, LPORT, ROW, RPORT, ends_of
from . import kernel, platform

#: exact requests from which a look at the kernel's table costs less: for one tuple, where the kernel passes over other ports, and for many
REQUESTS_FOR_ONE, REQUESTS = 512, 8192

#: the index that stands for no interface, packed
UNBOUND = pack("I", 0)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Optional

    from ..model.four_tuple import FourTuple
    from ..model.rows import Row
    from .kernel import Ends, Where

    #: the namespaces that an interface may be in
    Scopes = Callable[[], Iterable[Optional[int]]]


class Lookups:
    """Look-ups in one scope, whose interfaces are asked for once at most."""

    def __init__(self, scope: int | None = None, where: Where = None) -> None:
        self.scope = scope
        #: the scope, or a conversation in it
        self._where = scope if where is None else where
        self._interfaces: dict[str, int] | None = None
        self._indices = b""
        self._lists = False

    def check_listing(self) -> None:
        """Raise what nothing can be found for: a kernel without tcp_diag answers every look-up as if there were no such socket."""
        if not (self._lists or platform.LOOKS_BY_WALK):
            kernel.list_connections(0, scope=self.scope)
            self._lists = True

    def interfaces(self, what: object = "") -> dict[str, int]:
        """Name -> index."""
        if self._interfaces is None:
            self._interfaces = names_in(self.scope, what=what)
        return self._interfaces

    def rows(self, quad: FourTuple) -> list[Row]:
        """Every socket that has this tuple, and is bound to its interface if it names one.  Raises ValueError, Error."""
        bound = self.bound_to(quad) if quad.devs else 0
        ends = quad.ends()
        return _those_bound(self._found([ends], bound, quad).get(ends, []), bound)

    def with_mirror(self, quad: FourTuple) -> tuple[list[Row], list[Row]]:
        """The sockets of a tuple, and of its mirror, whatever that is bound to."""
        if quad.devs or platform.LOOKS_BY_WALK or self._costs_more(1, self._all_indices(quad)):
            return self.rows(quad), self.rows(quad.mirror())
        ends, mirror = quad.ends(), quad.mirrored()
        found = self._found((ends, mirror), 0, quad)
        return found.get(ends, []), found.get(mirror, [])

    def rows_of_each(self, quads: list[FourTuple]) -> list[list[Row]]:
        """The rows of many tuples, in the time of one look at the table where that is less."""
        if len(quads) < 2:
            return [self.rows(quad) for quad in quads]
        bounds = [self.bound_to(quad) for quad in quads]
        if platform.LOOKS_BY_WALK:
            found = dict.fromkeys(bounds, self._in_table([quad.ends() for quad in quads]))
        else:
            found = {
                one: self._found([quad.ends() for quad, bound in zip(quads, bounds) if bound == one], one, quads[0]) for one in set(bounds)
            }
        return [_those_bound(found[bound].get(quad.ends(), []), bound) for quad, bound in zip(quads, bounds)]

    def name_of(self, index: int) -> str:
        """An interface's name."""
        return next((name for name, number in self.interfaces().items() if number == index), "no interface")

    def bound_to(self, quad: FourTuple) -> int:
        """The index of the interface that the tuple names, in one spelling or two; 0 for none.  Raises ValueError."""
        found = {interface(dev, self.interfaces(quad)) for dev in quad.devs}
        if len(found) > 1:
            raise ValueError(f"the ends name two interfaces, {' and '.join(f'%{printable(dev)}' for dev in quad.devs)}")
        return found.pop() if found else 0

    def _found(self, wanted: Sequence[Ends], bound: int, what: object) -> dict[Ends, list[Row]]:
        """The sockets by their ends: those that are found with this interface, 0 being any."""
        indices = pack("I", bound) if bound else self._all_indices(what)
        found: dict[Ends, list[Row]] = {}
        seen: set[int] = set()
        if self._costs_more(len(wanted), indices):
            found = self._in_table(wanted)
            seen = {row[COOKIE] for rows in found.values() for row in rows}
            indices = pack("I", bound)  # a look at the table is no snapshot: what it does not show is asked for
        for row in kernel.look_up_each(wanted, indices, scope=self._where, what=what):
            if row[COOKIE] not in seen:
                found.setdefault(ends_of(row), []).append(row)
        return found

    @staticmethod
    def _costs_more(tuples: int, indices: bytes) -> bool:
        """Than a look at the table?"""
        return tuples * len(indices) // len(UNBOUND) > (REQUESTS_FOR_ONE if tuples == 1 else REQUESTS)

    def _all_indices(self, what: object) -> bytes:
        """For a socket that is bound to any interface, or to none."""
        if not self._indices:
            self._indices = UNBOUND + kernel.ifindices(self.scope, what=what) if platform.TRIES_INTERFACES else UNBOUND
        return self._indices

    def _in_table(self, wanted: Sequence[Ends]) -> dict[Ends, list[Row]]:
        """What one look at the table shows of these tuples."""
        from ..model.columns import column  # not for the one tuple of the classic form

        lport, rport = wanted[0][1::2] if len(wanted) == 1 else (0, 0)
        data = kernel.list_connections(CONNECTION_STATES, b"", lport, rport, scope=self.scope).tobytes()
        ports = {ends[1::2] for ends in wanted}
        among = set(wanted)
        found: dict[Ends, list[Row]] = {}
        for place, pair in enumerate(zip(column(data, LPORT), column(data, RPORT))):
            if pair in ports:
                row = ROW.unpack_from(data, place * ROW.size)
                if ends_of(row) in among:
                    found.setdefault(ends_of(row), []).append(row)
        return found

    def namespace(self) -> int:
        """A number that no other network namespace has now; 0 for the caller's own."""
        return 0 if self.scope is None else os.fstat(self.scope).st_ino


def _those_bound(rows: list[Row], bound: int) -> list[Row]:
    """Those that are bound to this interface, 0 being any: the kernel also finds what is bound to none."""
    return [row for row in rows if row[IFINDEX] == bound] if bound and platform.TRIES_INTERFACES else rows


class InterfaceNames:
    """One mapping of names to indices for each network namespace: asked once, and only where a name is to be found.

    Iteration raises Error where one cannot be asked.
    """

    def __init__(self, scopes: Scopes) -> None:
        self._scopes = scopes
        self._found: list[dict[str, int]] = []
        self._is_all = False

    def __iter__(self) -> Iterator[dict[str, int]]:
        yield from self._found
        if self._is_all:
            return
        for number, scope in enumerate(self._scopes()):  # which may be open only until the next one is
            if number == len(self._found):
                self._found.append(names_in(scope))
                yield self._found[number]
        self._is_all = True


def names_in(scope: int | None, *, what: object = "") -> dict[str, int]:
    return {name.decode("utf-8", "surrogateescape"): index for name, index in kernel.interfaces(scope, what=what).items()}
