# SPDX-License-Identifier: BSD-2-Clause
"""From a filter to Connections: ask the kernel for a little too much, decide on each row."""

from __future__ import annotations

from itertools import chain

from ..errors import Error
from ..model.columns import column
from ..model.connection import Owner
from ..model.four_tuple import FourTuple
from ..model.rows import ALL_STATES, CONNECTION_STATES, COOKIE, IFINDEX, INODE, LPORT, PID, ROW, RPORT, STATE, USUAL_STATES, ends_of
from ..model.table import Batch, Connections
from ..system import kernel, netns, platform
from ..system.lookups import Lookups
from .decision import decide, unpacked
from .facts import gather
from .nodes import DETAILS, LISTENERS, OWNERS, PIDS
from .plan import plan_for

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from ..model.rows import Info, Row
    from ..system.holders import Owners
    from ..system.netns import Namespace
    from .facts import Facts
    from .filter import Filter


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
    Raises Error when the table cannot be read or a namespace not entered; of "all" those
    that have ended are not there, and those that cannot be read stand in Connections.unread.
    """
    batches: list[Batch] = []
    undecidable = 0
    unread: list[Error] = []
    namespaces = where if isinstance(where, list) else netns.namespaces(where)
    for namespace in namespaces:
        states = CONNECTION_STATES if droppable else ALL_STATES
        try:
            batch, unsure = _select_in(chosen, namespace, states=states, details=details, threads=threads)
        except Error as error:
            if not namespace.found or namespace.where is None:
                raise
            if not netns.has_ended(error):
                error.what = f"network namespace '{namespace.label}'" if error.step != "open" else ""
                unread.append(error)
            continue
        if owners:
            _find_owners(batch)
        if namespaces is not where or not len(batch):
            namespace.close()  # who keeps connections keeps no descriptors
        batches.append(batch)
        undecidable += unsure
    if any(namespace.found for namespace in namespaces):
        unread += netns.unseen()
    return Connections(batches, undecidable, unread)


def _select_in(chosen: Filter | None, namespace: Namespace, *, states: int, details: bool, threads: int) -> tuple[Batch, int]:
    scope = namespace.scope
    if chosen is None:
        every = kernel.list_connections(USUAL_STATES, details=int(details), threads=threads, scope=scope)
        return Batch(every, None, namespace=namespace), 0
    facts = gather(chosen.needs(), scope)
    plan = plan_for(chosen, facts=facts)
    request = (plan.states & states, plan.program, plan.sport, plan.dport)
    wanted = max(int(details), _details_for(chosen.needs()))
    batch = Batch(kernel.list_connections(*request, details=wanted, threads=threads, scope=scope), None, namespace=namespace)
    matching, unsure = decide(chosen, batch, facts)
    if len(matching) < len(batch):
        batch = Batch(batch.table, matching, namespace=namespace)
    batch.owner_of = _owner_of(facts.owners)
    return batch, unsure


def _owner_of(owners: Owners | None) -> Callable[[Row], Owner] | None:
    """Where a row tells its creator, the creator's name; else who holds it."""
    if owners is None:
        return None
    comm, of = owners.processes.comm, owners.of
    return lambda row: Owner(None, comm(row[PID])) if row[PID] else of(row[INODE]) or Owner()


def _find_owners(batch: Batch) -> None:
    """Look for the holders of every selected socket."""
    inodes = {row[INODE] for row in ROW.iter_unpack(batch.data()) if row[INODE] and not row[PID]}
    batch.owner_of = _owner_of(_holders(None, inodes))


def answers(rules: Sequence[Filter], *, scope: int | None, among: list[Row]) -> Iterator[tuple[int, Row, bool | None]]:
    """The number of each rule, and every connection of a namespace that it matches (True) or may match (None), in any state.

    For protecting rules: what is unknown is handed out too.  The kernel and /proc are asked once for all of them.
    among: rows of a selection.  A dump is not a snapshot: those that it missed
    are looked up one by one.
    """
    needs = frozenset().union(*(rule.needs() for rule in rules))
    facts = gather(needs, scope)
    facts.protecting = True
    details = _details_for(needs)
    table = kernel.list_connections(CONNECTION_STATES, details=details, scope=scope)
    behind = [(row, _info(row, details, scope)) for row in missed(table, among, scope)]
    if needs & {OWNERS, PIDS}:
        facts.owners = _holders(_named_by(rules), None)
        inodes = column(table.tobytes(), INODE, table.stride)
        facts.owners.look_again([*inodes, *(row[INODE] for row, _ in behind)])
    for number, rule in enumerate(rules):
        test = rule.test
        for row, info in chain(map(unpacked, table), behind):
            answer = test(row, info, facts)
            if answer is not False:
                yield number, row, answer


def missed(table: kernel.Table, among: Iterable[Row], scope: int | None) -> Iterator[Row]:
    """Those of `among`, and of their mirrors on this host, that exist and that the dump did not show."""
    seen = {ends_of(ROW.unpack_from(raw)) for raw in table}
    here = {laddr for laddr, _, _, _ in seen}
    wanted: set[tuple[tuple[bytes, int, bytes, int], int | None]] = set()
    for row in among:
        laddr, lport, raddr, rport = ends = ends_of(row)
        wanted.add((ends, row[IFINDEX]))
        if raddr in here or raddr == laddr or raddr[:1] == b"\x7f":
            wanted.add(((raddr, rport, laddr, lport), None))  # it may be bound to any interface
    missing = [(ends, ifindex) for ends, ifindex in wanted if ends not in seen]
    if platform.LOOKS_BY_WALK and missing:
        names = {ends for ends, _ in missing}
        rows = map(ROW.unpack_from, kernel.list_connections(CONNECTION_STATES, scope=scope))
        yield from (row for row in rows if ends_of(row) in names)
        return
    lookups = Lookups(scope)
    for ends, ifindex in missing:
        try:
            if ifindex is None:
                yield from lookups.rows(FourTuple(*ends))
                continue
            found = kernel.look_up(ends, ifindex=ifindex, scope=scope)
        except ValueError:
            continue  # a wildcard: that is dropped by nobody
        if found is not None:
            yield found


def answers_for(rules: Sequence[Filter], rows: list[Row], scope: int | None) -> Iterator[list[bool | None]]:
    """The same for a few sockets that were looked up: what each rule says of each, as long as it is asked."""
    gathered: dict[frozenset[str], Facts] = {}
    owners = None
    for rule in rules:
        needs = rule.needs()
        if needs not in gathered:
            gathered[needs] = gather(needs, scope)
            gathered[needs].protecting = True
            if needs & {OWNERS, PIDS}:
                owners = owners or _holders(_named_by(rules), {row[INODE] for row in rows if row[INODE]})
                gathered[needs].owners = owners
        yield [rule.test(row, _info(row, _details_for(needs), scope), gathered[needs]) for row in rows]


def _named_by(rules: Sequence[Filter]) -> frozenset[int]:
    return frozenset().union(*(rule.wanted_pids for rule in rules))


def _holders(pids: frozenset[int] | None, inodes: set[int] | None) -> Owners:
    """Who holds these sockets (None: all); where that is told by process, what those hold that rules name."""
    from ..system.holders import scan, scan_named  # few selections and rules ask who holds what

    return scan(inodes) if pids is None or not platform.HELD_BY_ENDS else scan_named(pids)


def _details_for(needs: frozenset[str]) -> int:
    """What the kernel must tell of each connection."""
    return kernel.WITH_OPENERS if LISTENERS in needs else kernel.WITH_INFO if DETAILS in needs else 0


def _info(row: Row, details: int, scope: int | None) -> Info | None:
    """A look-up fetches none: a dump of these two ports does."""
    for raw in kernel.list_connections(1 << row[STATE], b"", row[LPORT], row[RPORT], details=details, scope=scope) if details else ():
        now, info = unpacked(raw)
        if now[COOKIE] == row[COOKIE]:
            return info
    return None
