# SPDX-License-Identifier: BSD-2-Clause
"""Sockets that are not found where they were, and live: bound to another interface since (SO_BINDTODEVICE), with the same cookie.

The kernel finds a bound socket only with its interface's index (Linux), so one
that a program binds after it was listed seems to be gone.  socket(7).
"""

from __future__ import annotations

from ..model.four_tuple import FourTuple
from ..model.rows import CONNECTION_STATES, COOKIE, ROW, ends_of
from ..system import kernel, platform
from ..system.lookups import Lookups

#: sockets for which one look at all that are bound costs less than to ask for each with each interface
MANY = 64

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..model.rows import Row


def rebound(rows: Sequence[Row], scope: int | None) -> dict[int, Row]:
    """Of these, which were not found: the number of each that lives, and what it is now.  Raises Error."""
    if not rows or not platform.TRIES_INTERFACES:
        return {}
    now = {row[COOKIE]: row for row in (_bound(scope) if len(rows) > MANY else _found(rows, scope))}
    same = ((number, now.get(row[COOKIE])) for number, row in enumerate(rows))
    return {number: one for number, one in same if one is not None and ends_of(one) == ends_of(rows[number])}


def _found(rows: Sequence[Row], scope: int | None) -> list[Row]:
    quads = []
    for row in rows:
        try:
            quads.append(FourTuple(*ends_of(row)))
        except ValueError:
            continue  # a row that no kernel made
    return [one for found in Lookups(scope).rows_of_each(quads) for one in found]


def _bound(scope: int | None) -> list[Row]:
    """Every connection that is bound to an interface: few, so that the kernel's walk is one, and misses none."""
    from ..filters import bytecode  # for many: a drop of one loads no filters

    program = bytecode.assemble(bytecode.Inverse(bytecode.bound_to(0)))
    return list(ROW.iter_unpack(kernel.list_connections(CONNECTION_STATES, program, scope=scope).tobytes()))
