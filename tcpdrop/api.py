# SPDX-License-Identifier: BSD-2-Clause
"""The public functions that touch many connections; drop_one() is in engine/drop_one.py, and loads less."""

from __future__ import annotations

from .engine import arguments, audit
from .engine.looks import Account, looks
from .engine.methods import check_method
from .engine.run import Run, still_there
from .errors import OUTCOMES, PROTECTED, Error, FilterError
from .filters import Filter, absent, all_of, breadth, from_selectors
from .filters.selection import select
from .model.addresses import printable
from .model.connection import Connection
from .model.order import arrange, check
from .model.table import Connections, batch_of
from .safety.guard import guard_for
from .system.lookups import InterfaceNames
from .system.netns import Namespace, check_where, identity, namespaces, scopes_of
from .system.sunos_zones import check_visible

SPARED = OUTCOMES[PROTECTED]
NO_CONNECTION = "LISTEN is no connection: a listening socket is never dropped"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Union

    from .engine.outcome import Report, Result, Round
    from .model.table import Batch

    Target = Union[Connection, Connections, Iterable[Connection], Filter, str, None]


def connections(
    filter: Filter | str | None = None,
    *,
    details: bool = False,
    owners: bool = False,
    netns: str | int | None = None,
    zone: str | int | None = None,
    **selectors: object,
) -> Connections:
    """The TCP connections that match, as a lazy and immutable sequence.

    filter: a Filter or its text; with selectors (local_addr, local_port,
    remote_addr, remote_port, states, pid, process, user: each a value or an
    iterable of them) both must match.  Without a state named anywhere, LISTEN,
    CLOSED and TIME_WAIT are left out.
    details: fetch idle_ms, rtt_us, bytes_sent and the like as well.
    owners: find pids and process of each (needs rights for others' processes).
    netns: a network namespace by name, PID or path, or "all" (Linux).
    zone: the caller's own zone, by id or name (illumos): another one's do not show.

    Raises FilterError, TypeError for a selector that is None, NotPermitted,
    NotSupported, Error.  Linux: sock_diag(7); illumos: the MIB2 walk.
    """
    check_where(netns)
    check_visible(zone)
    return select(_filter(filter, selectors), where=netns, details=details, owners=owners)


def _filter(chosen: Filter | str | None, selectors: dict[str, object]) -> Filter | None:
    """The filter and the selectors, and-ed; None when neither was given."""
    if chosen is None and not selectors:
        return None
    both = []
    if isinstance(chosen, str):
        both.append(Filter(chosen))
    elif isinstance(chosen, Filter):
        both.append(chosen)
    elif chosen is not None:
        raise TypeError(f"a Filter or its text is needed, not {type(chosen).__name__}")
    literal = from_selectors(**selectors)
    if literal is not None:
        both.append(literal)
    return all_of(both)


def drop(
    target: Target = None,
    *,
    dry_run: bool = False,
    all: bool = False,
    max_drops: int | None = None,
    include_self: bool = False,
    protect: Filter | str | Iterable[Filter | str] | None = None,
    verify: bool = True,
    netns: str | int | None = None,
    zone: str | int | None = None,
    limit: int | None = None,
    order: str | None = None,
    rate: int | None = None,
    reason: str | None = None,
    method: str = "auto",
    syslog: bool = False,
    stopped: Callable[[], bool] = lambda: False,
    **selectors: object,
) -> Report:
    """Drop every connection that is meant, each one exactly; tell what became of each.

    target: a Connection, Connections or other iterable of Connection (dropped by
    their identity), a Filter or its text, or keyword selectors as connections()
    takes them.  Nothing selected is a ValueError; everything is all=True.  So is
    a selection that is as broad as that (is_broad()), unless max_drops bounds it.
    dry_run: the same selection and checks, and nothing is dropped; what the real
    run would be refused for is in Report.refusal.
    max_drops: if more match, TooMany is raised and nothing is dropped.
    limit, order: only the first of them, by "oldest", "newest", "idlest", "largest".
    protect: more connections that must live.  verify: look again afterwards.
    method: "destroy" asks the kernel for it, "descriptor" disconnects through a
    descriptor of the process that holds it (Linux), "auto" the second where the
    first cannot; Result.method tells.
    rate: at most so many drops a second.  reason: goes with each log record.
    zone: the caller's own zone (illumos); drop_one() reaches into another.
    syslog: tell syslog(3) too, one line a run, as the command does for root.
    stopped: asked again and again; where it says true nothing more is dropped, and
    what the run has not come to is "listed".  For a signal's handler to set.

    Raises before the first drop what concerns the whole call: FilterError,
    TooMany, NotPermitted, NotSupported, Refused (an untrustworthy
    /etc/tcpdrop.conf), Error.  What concerns one connection stays in the Report.
    """
    arguments.check(netns, max_drops=max_drops, rate=rate, dry_run=dry_run, all=all, include_self=include_self, verify=verify)
    arguments.check_stopped(stopped)
    check_visible(zone)
    given = _given(target, netns)
    chosen = None
    if given is None:
        chosen = _selection_of(target, selectors, everything=all, max_drops=max_drops)  # type: ignore[arg-type]
    elif selectors or all:
        raise TypeError("connections were given: selectors and all=True do not go with them")
    elif given.has_listener():
        raise FilterError(NO_CONNECTION)
    check_method(method)
    check(order, limit)
    guard = guard_for(include_self=include_self, protect=protect, spare_kernel=all, netns=netns)
    run = Run(guard, dry_run=dry_run, max_drops=max_drops, rate=rate, method=method, stopped=stopped)
    run.report.warning = guard.warning
    spaces = namespaces(netns) if given is None else []
    try:
        selection = given if given is not None else select(chosen, where=spaces, details=order is not None, droppable=True)
        run.report.undecidable, run.report.unread = selection.undecidable, selection.unread
        run.round(arrange(selection, order, limit))
        if verify and not dry_run:
            run.verify(lambda: still_there(run.report) if given is not None else select(chosen, where=spaces, droppable=True))
    finally:
        for one in spaces if given is None else given.batches:
            one.close()  # a Report that is kept keeps no descriptors
    audit.to_logging(run.report, reason)
    if syslog and not dry_run:
        what = "given connections" if given is not None else "--all" if chosen is None else str(chosen)
        unlogged = audit.to_syslog((), run.report.counts, what=what, reason=reason, each=False)
        run.report.warning = "; ".join(filter(None, (run.report.warning, unlogged)))
    return run.report


def _given(target: object, netns: str | int | None) -> Connections | None:
    """Connections that were named one by one; None when the target is a selection."""
    if isinstance(target, Connections):
        return Connections([batch.again() for batch in target.batches], target.undecidable, target.unread)
    if isinstance(target, Connection):
        return Connections(batches_of([target], netns))
    if target is None or isinstance(target, str) or not hasattr(target, "__iter__"):
        return None
    listed = list(target)
    for one in listed:
        if not isinstance(one, Connection):
            raise TypeError(f"a Connection is needed, not {type(one).__name__}")
    return Connections(batches_of(listed, netns))


def batches_of(connections: list[Connection], where: str | int | None = None) -> list[Batch]:
    """Given connections, a batch for each network namespace they name; `where` is for those that name none."""
    own = identity()
    groups: dict[str | None, list[Connection]] = {}
    for connection in connections:
        groups.setdefault(connection.netns, []).append(connection)
    return [
        batch_of(some, Namespace(where) if label is None else Namespace(None if label == own else label, label))
        for label, some in groups.items()
    ]


def is_broad(filter: Filter | str | None = None, **selectors: object) -> bool:
    """Does this selection name nothing but states, or what every connection has, like "port ge 1" or "in"?

    Then drop() and keep_dropping() need all=True, or max_drops.  Nothing selected is broad.
    """
    chosen = _filter(filter, selectors)
    return chosen is None or breadth.is_broad(chosen)


def absent_names(filter: Filter | str | None = None, *, netns: str | int | None = None, **selectors: object) -> list[str]:
    """What this selection names and is not there: a clause for each interface, unit, cgroup and process.

    It matches nothing then, or less than was meant, and only this tells a slip from
    a connection that is gone.  netns: as connections() takes it.
    """
    check_where(netns)
    chosen = _filter(filter, selectors)
    return [] if chosen is None else absent.absent_names(chosen, InterfaceNames(lambda: scopes_of(netns)))


def _selection_of(given: Filter | str | None, selectors: dict[str, object], *, everything: bool, max_drops: int | None) -> Filter | None:
    """What a drop means; None is every connection.  Breadth must be typed."""
    chosen = _filter(given, selectors)
    if chosen is None and not everything:
        raise ValueError("nothing is selected; to drop every connection say all=True")
    if chosen is None:
        return None
    chosen.refuse_listeners()
    if breadth.is_broad(chosen):
        if not everything and max_drops is None:
            raise ValueError(f"'{printable(str(chosen))}' is as broad as all=True: say that too, or bound it by max_drops")
    elif everything:
        raise ValueError("all=True does not go with a selection")
    return chosen


def keep_dropping(
    filter: Filter | str | None = None,
    *,
    duration: float | str,
    interval: float | str = 0.5,
    all: bool = False,
    max_drops: int | None = None,
    include_self: bool = False,
    protect: Filter | str | Iterable[Filter | str] | None = None,
    netns: str | int | None = None,
    zone: str | int | None = None,
    rate: int | None = None,
    reason: str | None = None,
    method: str = "auto",
    syslog: bool = False,
    stopped: Callable[[], bool] = lambda: False,
    **selectors: object,
) -> Iterator[Result]:
    """Drop what matches, now and whenever it comes back, for `duration` (seconds, or text like '10m').

    Yields a Result for each connection that was met, as it happens; looks every
    `interval`, likewise.  max_drops bounds the whole call.  A protected connection
    is yielded once.  What cannot be dropped yet, since no process has accepted it,
    say, is tried at each look, and yielded when it was dropped or is not there any
    more, else at the end.  all, rate, reason, syslog and stopped are those of drop().
    Raises as drop() does, at each look; wrong arguments at once.
    """
    arguments.check(netns, max_drops=max_drops, rate=rate, all=all, include_self=include_self)
    arguments.check_stopped(stopped)
    duration, interval = arguments.seconds("duration", duration), arguments.pause(interval)
    check_visible(zone)
    chosen = _selection_of(filter, selectors, everything=all, max_drops=max_drops)
    check_method(method)
    guard = guard_for(include_self=include_self, protect=protect, spare_kernel=all, netns=netns)
    run = Run(guard, max_drops=max_drops, rate=rate, method=method, stopped=stopped)
    account = Account(run.report)
    # Each look finds out anew what the name leads to.
    each = looks(
        run,
        account,
        lambda: select(chosen, where=namespaces(netns), droppable=True),
        duration=duration,
        interval=interval,
        until_gone=False,
    )
    results = _results(each, account, reason)
    return _told(results, "--all" if chosen is None else str(chosen), reason) if syslog else results


def _told(results: Iterator[Result], what: str, reason: str | None) -> Iterator[Result]:
    """The same, and a line to syslog at the end, however it comes."""
    counts: dict[str, int] = {}
    try:
        for result in results:
            counts[result.outcome] = counts.get(result.outcome, 0) + 1
            yield result
    finally:
        audit.to_syslog((), counts, what=what, reason=reason, each=False)


def _results(each: Iterator[Round | None], account: Account, reason: str | None) -> Iterator[Result]:
    """Each connection once."""
    failure = None
    try:
        for _ in each:
            yield from account.spared()
            for result in account.settled():
                audit.to_logging([result], reason)
                if result.outcome != SPARED:  # that was told when it was met
                    yield result
    except Error as error:  # what became of the others is told before it
        failure = error
    yield from (result for result in account.left() if result.outcome != SPARED)
    if failure is not None:
        raise failure
