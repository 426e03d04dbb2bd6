# SPDX-License-Identifier: BSD-2-Clause
"""The decision on every row, with owners looked up only for what the rows leave open."""

from __future__ import annotations

from ..model import INFO, INODE, ROW
from .facts import Facts, gather
from .nodes import OWNERS, PIDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Optional

    from ..model import Connection, Info, Row
    from .filter import Filter

    #: index in the table, row, info
    Hit = tuple[int, Row, Optional[Info]]


class Selection:
    """hits: (index, row, info) of what matches, in the table's order.  undecided: how many may match or not."""

    __slots__ = ("hits", "undecided")

    def __init__(self, hits: list[Hit], undecided: int) -> None:
        self.hits = hits
        self.undecided = undecided


def select(chosen: Filter, records: Iterable[bytes], facts: Facts) -> Selection:
    """Decide on packed records, as a Table gives them.

    First with what is known without owners; only rows which that leaves open
    have their holders looked up, and facts.owners keeps them.
    """
    hits: list[Hit] = []
    open_rows: list[Hit] = []
    test, unpack, details = chosen.test, ROW.unpack_from, INFO.unpack_from
    size = ROW.size
    for index, raw in enumerate(records):
        row = unpack(raw)
        info = details(raw, size) if len(raw) > size else None
        answer = test(row, info, facts)
        if answer:
            hits.append((index, row, info))
        elif answer is None:
            open_rows.append((index, row, info))
    if open_rows and facts.owners is None and chosen.needs() & {OWNERS, PIDS}:
        _look_up_owners(chosen, open_rows, facts)
        still_open = []
        for hit in open_rows:
            answer = test(hit[1], hit[2], facts)
            if answer:
                hits.append(hit)
            elif answer is None:
                still_open.append(hit)
        hits.sort(key=lambda hit: hit[0])
        open_rows = still_open
    return Selection(hits, len(open_rows))


def _look_up_owners(chosen: Filter, rows: list[Hit], facts: Facts) -> None:
    from ..owners import scan

    named = None if OWNERS in chosen.needs() else chosen.wanted_pids
    facts.owners = scan((row[INODE] for _, row, _ in rows), named)


def facts_of(connection: Connection, needs: frozenset[str], facts: Facts | None) -> Facts:
    """The facts about one connection: its own owner, and what else the filter needs."""
    if facts is None:
        facts = gather(needs)
    pids, inode = connection.owner.pids, connection._row[INODE]
    if not needs & {OWNERS, PIDS} or facts.owners is not None or pids is None or not inode:
        return facts
    from ..owners import Owners

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
        per_ms=facts.per_ms,
    )
