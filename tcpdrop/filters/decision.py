# SPDX-License-Identifier: BSD-2-Clause
"""The decision on every row, with owners looked up only for what the rows leave open."""

from __future__ import annotations

from ..model.rows import INFO, INODE, ROW
from ..system import netns, platform
from .facts import Facts, gather
from .nodes import INTERFACES, LISTENERS, OWNERS, PIDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Optional, Protocol

    from ..model.connection import Connection
    from ..model.rows import Info, Row
    from .filter import Filter

    class Records(Protocol):
        """Packed records: a Table, or a list of bytes."""

        def __len__(self) -> int: ...
        def __getitem__(self, index: int, /) -> bytes: ...
        def __iter__(self) -> Iterator[bytes]: ...

    #: index in the table, row, info
    Hit = tuple[int, Row, Optional[Info]]


class Selection:
    """indices: of the records that match, ascending.  open: of those that may match or not."""

    __slots__ = ("indices", "open", "records")

    def __init__(self, records: Records, indices: list[int], undecided: list[int]) -> None:
        self.records = records
        self.indices = indices
        self.open = undecided

    @property
    def undecided(self) -> int:
        return len(self.open)

    @property
    def hits(self) -> list[Hit]:
        """(index, row, info) of what matches, unpacked anew."""
        return [(index, *unpacked(self.records[index])) for index in self.indices]


def unpacked(raw: bytes) -> tuple[Row, Info | None]:
    return ROW.unpack_from(raw), INFO.unpack_from(raw, ROW.size) if len(raw) > ROW.size else None


def select(chosen: Filter, records: Records, facts: Facts) -> Selection:
    """Decide on packed records.

    First with what is known without owners; only rows which that leaves open
    have their holders looked up, and facts.owners keeps them.
    """
    found: list[int] = []
    undecided: list[int] = []
    test, unpack, details, size = chosen.test, ROW.unpack_from, INFO.unpack_from, ROW.size
    for index, raw in enumerate(records):
        answer = test(unpack(raw), details(raw, size) if len(raw) > size else None, facts)
        if answer:
            found.append(index)
        elif answer is None:
            undecided.append(index)
    if not undecided or facts.owners is not None or not chosen.needs() & {OWNERS, PIDS}:
        return Selection(records, found, undecided)
    _look_up_owners(chosen, records, undecided, facts)
    still_open = []
    for index in undecided:
        answer = test(*unpacked(records[index]), facts)
        if answer:
            found.append(index)
        elif answer is None:
            still_open.append(index)
    return Selection(records, sorted(found), still_open)


def _look_up_owners(chosen: Filter, records: Records, undecided: list[int], facts: Facts) -> None:
    from ..system.holders import scan, scan_named

    inodes = {ROW.unpack_from(records[index])[INODE] for index in undecided}
    facts.owners = scan(inodes) if OWNERS in chosen.needs() else scan_named(chosen.wanted_pids, inodes)


def facts_of(connection: Connection, chosen: Filter, facts: Facts | None) -> Facts:
    """The facts about one connection: its own owner, and what else the filter needs."""
    needs = chosen.needs()
    if facts is None:
        # Another namespace has other listeners, and its interfaces other numbers.
        facts = gather(needs if _is_here(connection) else needs - {LISTENERS, INTERFACES})
    if platform.HELD_BY_ENDS and PIDS in needs and facts.owners is None:  # a row shows its creator, and no holder
        from ..system.holders import scan_named

        facts.owners = scan_named(chosen.wanted_pids)
    pids, inode = connection.owner.pids, connection._row[INODE]
    if not needs & {OWNERS, PIDS} or facts.owners is not None or pids is None or not inode:
        return facts
    from ..system.holders import Owners

    known = Owners({inode: list(pids)} if pids else {}, set(pids), (), hidden=False, everyone=True)
    if pids and connection.process is not None:
        known.processes.remember(pids[0], connection.process)
    return Facts(
        listeners=facts.listeners,
        ephemeral=facts.ephemeral,
        interfaces=facts.interfaces,
        owners=known,
        cgroups=facts.cgroups,
        now=facts.now,
    )


def _is_here(connection: Connection) -> bool:
    """Is it in the network namespace, and the zone, of the caller?"""
    return connection.zone is None and connection.netns in (None, netns.identity())
