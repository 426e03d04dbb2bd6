# SPDX-License-Identifier: BSD-2-Clause
"""The decision on rows: by columns where those are enough, else row by row; owners only for what the rows leave open."""

from __future__ import annotations

from itertools import repeat

from ..model.columns import column
from ..model.rows import INFO, INODE, ROW, ROW_FIELDS
from ..system import netns, platform
from .facts import UNKNOWN, Facts, gather
from .nodes import INTERFACES, LISTENERS, OWNERS, PIDS, And

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from types import ModuleType
    from typing import Optional

    from ..model.connection import Connection
    from ..model.rows import Info, Row
    from ..model.table import Batch
    from ..system.holders import Owners
    from .filter import Filter
    from .nodes import Node

    Record = tuple[Row, Optional[Info]]


def decide(chosen: Filter, batch: Batch, facts: Facts) -> tuple[Sequence[int], int]:
    """The numbers of the rows that match, ascending, of a whole table, and how many rows may match or not.

    Decided first by what is known without owners: only for what that leaves
    open are the holders looked up, and facts.owners keeps them.
    """
    table = batch.table
    if table.stride > ROW.size:
        records: Iterable[Record] = map(unpacked, map(table.__getitem__, batch.indices))
    else:
        found = by_columns(chosen.node, batch.data(), len(table))
        if found is not None:
            return found, 0
        records = zip(batch, repeat(None))
    matching, unsure = _row_by_row(chosen, enumerate(records), facts)
    if unsure and facts.owners is None and chosen.needs() & {OWNERS, PIDS}:
        facts.owners = _holders(chosen, {ROW.unpack_from(table[number])[INODE] for number in unsure})
        more, unsure = _row_by_row(chosen, [(number, unpacked(table[number])) for number in unsure], facts)
        matching = sorted(matching + more)
    return matching, len(unsure)


def unpacked(raw: bytes) -> Record:
    return ROW.unpack_from(raw), INFO.unpack_from(raw, ROW.size) if len(raw) > ROW.size else None


def _row_by_row(chosen: Filter, numbered: Iterable[tuple[int, Record]], facts: Facts) -> tuple[list[int], list[int]]:
    """The numbers of what matches, and of what may match or not."""
    matching: list[int] = []
    unsure: list[int] = []
    test = chosen.test
    for number, (row, info) in numbered:
        answer = test(row, info, facts)
        if answer:
            matching.append(number)
        elif answer is None:
            unsure.append(number)
    return matching, unsure


def _holders(chosen: Filter, inodes: set[int] | None) -> Owners:
    """Who holds these sockets (None: all), as far as the filter asks for it."""
    holders = _system_holders()
    return holders.scan(inodes) if OWNERS in chosen.needs() else holders.scan_named(chosen.wanted_pids, inodes)  # type: ignore[no-any-return]


def _system_holders() -> ModuleType:
    """Most filters do not ask who holds what."""
    from ..system import holders

    return holders


# ---- one connection, for Filter.matches()


def facts_of(connection: Connection, chosen: Filter, facts: Facts | None) -> Facts:
    """The facts about one connection: its own owner, and what else the filter needs."""
    needs = chosen.needs()
    if facts is None:
        # Another namespace has other listeners, and its interfaces other numbers.
        facts = gather(needs if _is_here(connection) else needs - {LISTENERS, INTERFACES})
    if platform.HELD_BY_ENDS and PIDS in needs and facts.owners is None:  # a row shows its creator, and no holder
        facts.owners = _holders(chosen, None)
    owner, inode = connection.owner, connection._row[INODE]
    pids, unread = owner.pids, owner.unread
    if not needs & {OWNERS, PIDS} or facts.owners is not None or pids is None or not inode:
        return facts
    # As complete as the look was that found them: whom it could not read may hold the socket, too.
    hidden = not pids or unread is None
    known = _system_holders().Owners({inode: list(pids)} if pids else {}, set(pids), unread or (), hidden=hidden, everyone=True)
    if pids and owner.process is not None:
        known.processes.remember(pids[0], owner.process)
    return Facts(
        listeners=facts.listeners,
        interfaces=facts.interfaces,
        owners=known,
        cgroups=facts.cgroups,
        now=facts.now,
    )


def _is_here(connection: Connection) -> bool:
    """Is it in the network namespace, and the zone, of the caller?"""
    return connection.zone is None and connection.netns in (None, netns.identity())


# ---- many rows where each predicate looks at one end, port or state


def by_columns(node: Node, data: bytes, number: int) -> Sequence[int] | None:
    """The numbers of the rows that match, of so many packed rows; None where columns alone do not decide.

    Columns repeat themselves: a hundred thousand clients of one port have one
    local port and a few states.  So a predicate is asked once for each distinct value.
    """
    parts = node.args if isinstance(node, And) else (node,)
    if not all(part.reads for part in parts):
        return None
    found: Sequence[int] = range(number)
    for part in parts:
        columns = [column(data, field) for field in part.reads]
        values = columns[0] if len(columns) == 1 else list(zip(*columns))
        distinct = set(values)
        right = _those_that_match(part, distinct)
        if len(right) < len(distinct):
            found = [row for row in found if values[row] in right]
    return found


def _those_that_match(part: Node, values: set[object]) -> set[object]:
    """Of the values of the fields that the part reads, those for which it is True."""
    test, fields, right = part.compiled(), part.reads, set()
    row: list[object] = [None] * len(ROW_FIELDS)
    for value in values:
        for field, one in zip(fields, (value,) if len(fields) == 1 else value):  # type: ignore[call-overload]
            row[field] = one
        if test(row, None, UNKNOWN) is True:  # type: ignore[arg-type]
            right.add(value)
    return right
