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
    duration: float,
    interval: float = 0.5,
    max_drops: int | None = None,
    include_self: bool = False,
    protect: Filter | str | Iterable[Filter | str] | None = None,
    netns: str | int | None = None,
    zone: str | int | None = None,
    **selectors: object,
) -> Iterator[Result]:
    """Drop what matches, now and whenever it comes back, for `duration` seconds.

    Yields a Result for each connection that was tried, as it happens; looks
    every `interval` seconds.  max_drops bounds the whole call.  A protected
    connection is yielded once.  Raises as drop() does, at each look.
    """
    from .audit import to_logging
    from .core import check_zone, selection_of
    from .dropping import Run
    from .safety import guard_for
    from .selection import select

    check_zone(zone)
    chosen = selection_of(filter, selectors)
    run = Run(guard_for(include_self=include_self, protect=protect), max_drops=max_drops)
    spared = set()
    looks = rounds(run, lambda: select(chosen, where=netns, droppable=True), duration=duration, interval=interval, until_gone=False)
    for this in looks:
        run.report.rounds.clear()  # a long watch must not grow
        for result in this.results() if this is not None else ():
            if result.outcome == "protected":
                if result.connection in spared:
                    continue
                spared.add(result.connection)
            to_logging([result])
            yield result
