# SPDX-License-Identifier: BSD-2-Clause
"""From a filter to Connections: ask the kernel for a little too much, decide on each row."""

from __future__ import annotations

from ..model.connection import Owner
from ..model.rows import (
    ALL_STATES,
    CLOSED,
    COOKIE,
    IFINDEX,
    INFO,
    INODE,
    LISTEN,
    LPORT,
    PID,
    ROW,
    RPORT,
    STATE,
    USUAL_STATES,
    ends_of,
)
from ..model.table import Batch, Connections
from ..system import kernel, netns, platform

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ..filters import Facts, Filter
    from ..model.rows import Info, Row
    from ..system.holders import Owners
    from ..system.netns import Namespace

#: every state a connection can be in
CONNECTION_STATES = ALL_STATES & ~(1 << LISTEN | 1 << CLOSED)


def select(
    chosen: Filter | None,
    *,
    where: str | int | list[Namespace] | None = None,
    details: bool = False,
    owners: bool = False,
    droppable: bool = False,
    threads: int = 0,
) -> Connections:
    """What the filter certainly matches; without one, every connection in a usual state.

    droppable: never a socket in LISTEN or CLOSED, whatever the filter says.

    where: None, a network namespace for netns.path_of(), or "all" of them; those that
    a run has open stay open where something was found.
    details: fetch tcp_info as well.  owners: find who holds each one.
    Raises Error when the table cannot be read or a namespace not entered.
    """
    batches, undecidable = [], 0
    namespaces = where if isinstance(where, list) else netns.namespaces(where)
    for namespace in namespaces:
        states = CONNECTION_STATES if droppable else ALL_STATES
        batch, unsure = _select_in(chosen, namespace, states=states, details=details, threads=threads)
        if owners:
            _find_owners(batch)
        if namespaces is not where or not len(batch):
            namespace.close()  # who keeps connections keeps no descriptors
        batches.append(batch)
        undecidable += unsure
    return Connections(batches, undecidable)


def _select_in(chosen: Filter | None, namespace: Namespace, *, states: int, details: bool, threads: int) -> tuple[Batch, int]:
    scope = namespace.scope
    if chosen is None:
        return Batch(kernel.list_connections(USUAL_STATES, details=details, threads=threads, scope=scope), None, namespace=namespace), 0
    from ..filters import plan_for

    needs = chosen.needs()
    facts = _gather(chosen, scope)
    plan = plan_for(chosen, facts=facts)
    table = kernel.list_connections(
        plan.states & states,
        plan.program,
        plan.sport,
        plan.dport,
        details=details or "details" in needs,
        threads=threads,
        scope=scope,
    )
    indices, undecided = _decide(chosen, table, facts, simple=plan.exact)
    every = len(indices) == len(table)
    return Batch(table, None if every else indices, namespace=namespace, owner_of=_owner_of(facts.owners)), undecided


def _decide(chosen: Filter, table: kernel.Table, facts: Facts, *, simple: bool) -> tuple[Sequence[int], int]:
    """The numbers of the rows that match: the predicate decides, whatever the kernel filtered before."""
    if table.stride == ROW.size:
        from .columnwise import matching

        data = table.tobytes()
        found = matching(chosen.node, data, len(table))
        if found is not None:
            return found, 0
        if simple:  # nothing beside the row is needed, nothing is unknown
            test = chosen.test
            return [number for number, row in enumerate(ROW.iter_unpack(data)) if test(row, None, facts)], 0
    from ..filters import select as decide

    decided = decide(chosen, table, facts)
    return list(decided.indices), decided.undecided


def _gather(chosen: Filter, scope: int | None) -> Facts:
    from ..filters import gather

    return gather(chosen.needs(), scope)


def _owner_of(owners: Owners | None) -> Callable[[Row], Owner] | None:
    """Where a row tells its creator, the creator's name; else who holds it."""
    if owners is None:
        return None
    comm, of = owners.processes.comm, owners.of
    return lambda row: Owner(None, comm(row[PID])) if row[PID] else of(row[INODE]) or Owner()


def _find_owners(batch: Batch) -> None:
    """Look for the holders of every selected socket."""
    from ..system.holders import scan

    batch.owner_of = _owner_of(scan({row[INODE] for row in ROW.iter_unpack(batch.data()) if row[INODE] and not row[PID]}))


def answers(rule: Filter, *, scope: int | None, among: list[Row]) -> Iterator[tuple[Row, bool | None]]:
    """Every connection of a namespace that the rule matches (True) or may match (None), in any state.

    For protecting rules: what is unknown is handed out too.
    among: rows of a selection.  A dump is not a snapshot: those that it missed
    are looked up one by one.
    """
    facts = _gather(rule, scope)
    details = "details" in rule.needs()
    table = kernel.list_connections(CONNECTION_STATES, details=details, scope=scope)
    missed = [(row, _details(row, scope) if details else None) for row in _missed(table, among, scope)]
    if rule.needs() & {"owners", "pids"}:
        facts.owners = _holders(rule, None)
    test = rule.test
    for raw in table:
        row = ROW.unpack_from(raw)
        answer = test(row, _info(raw), facts)
        if answer is not False:
            yield row, answer
    for row, info in missed:
        answer = test(row, info, facts)
        if answer is not False:
            yield row, answer


def _missed(table: kernel.Table, among: list[Row], scope: int | None) -> Iterator[Row]:
    """Those of `among`, and of their mirrors on this host, that exist and that the dump did not show."""
    seen = {ends_of(ROW.unpack_from(raw)) for raw in table}
    here = {laddr for laddr, _, _, _ in seen}
    wanted = set()
    for row in among:
        laddr, lport, raddr, rport = ends = ends_of(row)
        wanted.add((ends, row[IFINDEX]))
        if raddr in here or raddr == laddr or raddr[:1] == b"\x7f":
            wanted.add(((raddr, rport, laddr, lport), 0))
    missing = [(ends, ifindex) for ends, ifindex in wanted if ends not in seen]
    if platform.LOOKS_BY_WALK and missing:
        names = {ends for ends, _ in missing}
        rows = map(ROW.unpack_from, kernel.list_connections(CONNECTION_STATES, scope=scope))
        yield from (row for row in rows if ends_of(row) in names)
        return
    for ends, ifindex in missing:
        try:
            found = kernel.look_up(ends, ifindex=ifindex, scope=scope)
        except ValueError:
            continue  # a wildcard: that is dropped by nobody
        if found is not None:
            yield found


def answers_for(rule: Filter, rows: list[Row], scope: int | None) -> list[bool | None]:
    """The same for a few sockets that were looked up: what the rule says of each."""
    facts, needs = _gather(rule, scope), rule.needs()
    if needs & {"owners", "pids"}:
        facts.owners = _holders(rule, {row[INODE] for row in rows if row[INODE]})
    return [rule.test(row, _details(row, scope) if "details" in needs else None, facts) for row in rows]


def _holders(rule: Filter, inodes: set[int] | None) -> Owners:
    from ..system.holders import scan, scan_named

    return scan_named(rule.wanted_pids) if platform.HELD_BY_ENDS else scan(inodes)


def _details(row: Row, scope: int | None) -> Info | None:
    """A look-up fetches none: a dump of these two ports does."""
    for raw in kernel.list_connections(1 << row[STATE], b"", row[LPORT], row[RPORT], details=True, scope=scope):
        if ROW.unpack_from(raw)[COOKIE] == row[COOKIE]:
            return _info(raw)
    return None


def _info(raw: bytes) -> Info | None:
    return INFO.unpack_from(raw, ROW.size) if len(raw) > ROW.size else None
