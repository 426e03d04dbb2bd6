# SPDX-License-Identifier: BSD-2-Clause
"""A run that goes on: it looks again and again, in memory that does not grow with what it has dropped.

What cannot be dropped at one look, since nobody has accepted it yet, say, is
tried again at the next.
"""

from __future__ import annotations

import time

from ..errors import DROPPED, FAILURES, GONE, OUTCOMES, PROTECTED, WOULD_DROP
from ..model.rows import COOKIE, ends_of
from .pace import wait

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ..model.table import Batch, Connections
    from .outcome import Outcomes, Report, Result, Round
    from .run import Approve, Run

    Key = tuple[object, ...]

_FAILED = [OUTCOMES[code] for code in FAILURES]


def looks(
    run: Run,
    account: Account,
    select: Callable[[], Connections],
    *,
    duration: float | None,
    interval: float,
    until_gone: bool,
    approve: Approve | None = None,
) -> Iterator[Round | None]:
    """Select and drop until the time is over; None for a look that found nothing.

    until_gone: end at the first such look at which nothing was left undecided.  duration: seconds, None is without end.
    """
    deadline = None if duration is None else time.monotonic() + duration
    run.account, run.pace.deadline = account, deadline
    while not run.stopped():
        run.guard.look_again()
        found = select()
        this = run.round(found, approve) if len(found) else None
        account.take(this)
        yield this
        for batch in found.batches:
            batch.close()
        if this is None and until_gone and found.is_all:
            return
        wait(interval if deadline is None else min(interval, deadline - time.monotonic()), run.stopped)
        if deadline is not None and time.monotonic() >= deadline:
            return


class Account:
    """What became of everything that a run has met.

    What is settled, dropped or gone, is counted and forgotten.  What was spared
    or could not be dropped is met again at the next look: it is counted once and
    told once, and the last that became of it holds.
    """

    def __init__(self, report: Report) -> None:
        self._report = report
        #: what the last look left where it was, and why
        self._left: dict[Key, Result] = {}
        #: what the last look has settled: dropped or gone in it, or not met in it any more
        self.ended: list[tuple[Outcomes, list[int]]] = []
        self.departed: list[Result] = []
        #: what it spared for the first time
        self._spared: list[Result] = []

    def take(self, this: Round | None) -> None:
        """Count by outcome what this look met; what is as it was is marked in there as told."""
        before, self._left = self._left, {}
        self.ended, self._spared = [], []
        for outcomes in this.outcomes if this is not None else ():
            ended = []
            for number, code in enumerate(outcomes.codes):
                if code not in (DROPPED, GONE):
                    self._leave(outcomes, number, before)
                    continue
                ended.append(number)
                self._count(OUTCOMES[code])
                if before:
                    self._replace(before.pop(_key(outcomes.batch, number), None))
            self.ended.append((outcomes, ended))
        self.departed = list(before.values())
        self._report.rounds.clear()

    def _leave(self, outcomes: Outcomes, number: int, before: dict[Key, Result]) -> None:
        key, outcome = _key(outcomes.batch, number), OUTCOMES[outcomes.codes[number]]
        result = before.pop(key, None)
        if result is not None and result.outcome == outcome:
            outcomes.told.add(number)
        else:
            self._replace(result)
            self._count(outcome)
            (result,) = outcomes.results_of((number,))
            if outcome == OUTCOMES[PROTECTED]:
                self._spared.append(result)
        self._left[key] = result

    def _replace(self, result: Result | None) -> None:
        """Something else became of it since."""
        if result is not None:
            self._count(result.outcome, -1)

    def _count(self, outcome: str, number: int = 1) -> None:
        self._report.earlier[outcome] = self._report.earlier.get(outcome, 0) + number

    def tried(self, this: Round) -> int:
        """How many of those that are to be dropped could not be at the last look: they count in no bound again."""
        failed = {key for key, result in self._left.items() if result.outcome in _FAILED}
        return sum(_key(one.batch, number) in failed for one in this.outcomes for number in one.numbers(WOULD_DROP)) if failed else 0

    # ---- each connection once, by what became of it in the end

    def settled(self) -> Iterator[Result]:
        """By the last look."""
        for outcomes, numbers in self.ended:
            yield from outcomes.results_of(numbers)
        yield from self.departed

    def spared(self) -> Iterator[Result]:
        """For the first time by the last look."""
        return iter(self._spared)

    def left(self) -> Iterator[Result]:
        """At the end of the run."""
        return iter(self._left.values())


def _key(batch: Batch, number: int) -> Key:
    row = batch[number]
    return (row[COOKIE], *ends_of(row), batch.netns)
