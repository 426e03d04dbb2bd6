# SPDX-License-Identifier: BSD-2-Clause
"""Dropping again and again: keep a peer away for a while, or until nothing is left."""

from __future__ import annotations

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from .dropping import Approve, Run
    from .filters import Filter
    from .report import Result, Round
    from .table import Connections


def rounds(
    run: Run,
    select: Callable[[], Connections],
    *,
    duration: float | None,
    interval: float,
    until_gone: bool,
    approve: Approve | None = None,
) -> Iterator[Round | None]:
    """Select and drop until the time is over; None for a look that found nothing.

    until_gone: end at the first such look.  duration: seconds, None is without end.
    """
    deadline = None if duration is None else time.monotonic() + duration
    while not run.stopped():
        found = select()
        yield run.round(found, approve) if len(found) else None
        if not len(found) and until_gone:
            return
        wait(interval if deadline is None else min(interval, deadline - time.monotonic()), run.stopped)
        if deadline is not None and time.monotonic() >= deadline:
            return


def wait(seconds: float, stopped: Callable[[], bool]) -> None:
    """Sleep, and wake for a signal."""
    end = time.monotonic() + seconds
    while not stopped():
        left = end - time.monotonic()
        if left <= 0:
            return
        time.sleep(min(left, 0.1))


def keep_dropping(
    filter: Filter | str | None = None,
    *,
    duration: float | str,
    interval: float = 0.5,
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
    **selectors: object,
) -> Iterator[Result]:
    """Drop what matches, now and whenever it comes back, for `duration` (seconds, or text like '10m').

    Yields a Result for each connection that was tried, as it happens; looks
    every `interval` seconds.  max_drops bounds the whole call.  A protected
    connection is yielded once.  all, rate, reason and syslog are those of drop().
    Raises as drop() does, at each look; wrong arguments at once.
    """
    from .core import check_zone, selection_of
    from .dropping import Run
    from .safety import guard_for
    from .selection import select
    from .ways import check_method

    check_zone(zone)
    chosen = selection_of(filter, selectors, everything=all)
    seconds = _seconds(duration)
    guard = guard_for(include_self=include_self, protect=protect, spare_kernel=all)
    run = Run(guard, max_drops=max_drops, rate=check_rate(rate), method=check_method(method))
    looks = rounds(run, lambda: select(chosen, where=netns, droppable=True), duration=seconds, interval=interval, until_gone=False)
    results = _results(run, looks, reason)
    return _told(results, "--all" if chosen is None else str(chosen), reason) if syslog else results


def _told(results: Iterator[Result], what: str, reason: str | None) -> Iterator[Result]:
    """The same, and a line to syslog at the end, however it comes."""
    from .audit import to_syslog

    counts: dict[str, int] = {}
    try:
        for result in results:
            counts[result.outcome] = counts.get(result.outcome, 0) + 1
            yield result
    finally:
        to_syslog((), counts, what=what, reason=reason, each=False)


def _results(run: Run, looks: Iterator[Round | None], reason: str | None) -> Iterator[Result]:
    from .audit import to_logging

    spared = set()
    for this in looks:
        run.report.rounds.clear()  # a long watch must not grow
        for result in this.results() if this is not None else ():
            if result.outcome == "protected":
                if result.connection in spared:
                    continue
                spared.add(result.connection)
            to_logging([result], reason)
            yield result


def _seconds(duration: float | str) -> float:
    if not isinstance(duration, str):
        return duration
    from .filters.units import parse_duration

    return parse_duration(duration) / 1000


def check_rate(rate: int | None) -> int | None:
    """Raise ValueError unless it is None or drops a second."""
    if rate is not None and rate < 1:
        raise ValueError("rate is 1 or more a second")
    return rate
