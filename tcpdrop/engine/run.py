# SPDX-License-Identifier: BSD-2-Clause
"""Dropping many: select, spare, approve, then drop each one exactly, by its identity.

What concerns the whole run is raised before the first drop; afterwards each
connection has its own outcome.  A dry run goes the same way and stops short.
"""

from __future__ import annotations

import errno

from ..errors import DROPPED, GONE, LISTED, NOT_PERMITTED, WOULD_DROP, Error, NotFound, TooMany
from ..model.columns import picked
from ..model.rows import CLOSED, COOKIE, STATE, ends_of, spelled
from ..model.table import Connections
from ..system import platform
from ..system.netns import has_ended
from ..system.rights import lacks_right
from . import ended, methods
from .methods import AUTO, DESCRIPTOR, DESTROYED
from .outcome import Report, Round
from .pace import Pace
from .verify import present, still_present, survives, wait_until_gone

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import TypeVar, Union

    from ..model.rows import Row
    from ..model.table import Batch
    from ..safety.guard import Guard
    from .looks import Account
    from .methods import Chunk, Inability
    from .outcome import Outcomes

    T = TypeVar("T")
    #: the identity of each row that a round has seen -> where it stands if it was dropped
    Known = dict[object, Union[tuple[Outcomes, int], None]]
    #: asked with the victims before the first drop: the numbers of those that are meant, None for all; raises Refused to stop
    Approve = Callable[[Connections], Union[list[int], None]]


class Run:
    """One run over any number of rounds."""

    def __init__(
        self,
        guard: Guard,
        *,
        dry_run: bool = False,
        max_drops: int | None = None,
        rate: int | None = None,
        method: str = AUTO,
        stopped: Callable[[], bool] = lambda: False,
        progress: Callable[[int, int], None] = lambda done, of: None,
        tell: Callable[[Outcomes, Sequence[int]], None] = lambda outcomes, numbers: None,
    ) -> None:
        self.guard = guard
        self.max_drops = max_drops
        self.method = method
        #: asked between slices: has a signal come?
        self.stopped = stopped
        #: told of rows as they are dropped, where that is final
        self.tell = tell
        self.pace = Pace(rate, stopped, progress)
        self.report = Report(dry_run=dry_run)
        self.attempted = 0
        #: of a run that goes on: looks.py
        self.account: Account | None = None
        #: sockets whose drop the kernel has queued and was not seen to carry out: verify.py
        self._waiting: set[object] = set()

    def round(self, selection: Connections, approve: Approve | None = None) -> Round:
        """Spare, bound, approve, check rights, drop.  Raises Error with nothing of this round dropped."""
        this = Round(selection)
        reached = self._reached(this)
        for outcomes, spared in zip(reached, self.guard.protected(Connections([one.batch for one in reached]))):
            for number, why in spared.items():
                outcomes.note((number,), why)
        self._each([one for one in reached if one.batch.listed is None], self._mark_absent)
        self._check_rights_to_spared(this)
        able = self._refuse(this, approve) if this.count(WOULD_DROP) and self.report.refusal is None else ()
        self.report.rounds.append(this)
        for outcomes, unable in able:
            self._drop(outcomes, unable)
        return this

    def _check_rights_to_spared(self, this: Round) -> None:
        """Where nothing else is selected than what is spared and may not be dropped anyway, that is said once."""
        if self.attempted or not len(this) or this.count(NOT_PERMITTED) < len(this):
            return
        error = next(this.errors()).of("")
        if not self.report.dry_run:
            raise error
        self.report.refusal = error
        for outcomes in this.outcomes:  # the selection is shown all the same
            outcomes.show_as_selected()

    def _reached(self, this: Round) -> list[Outcomes]:
        """Those whose network namespace can be asked.  What was in one that has ended is gone, and the others are dropped."""
        return self._each(this.outcomes, lambda one: one.batch.scope)[0]

    def _each(self, some: Sequence[Outcomes], ask: Callable[[Outcomes], T]) -> tuple[list[Outcomes], list[T]]:
        """Ask for each; a failure is that namespace's own, and raised where it is everybody's."""
        asked, answers, failures = [], [], []
        for outcomes in some:
            try:
                answers.append(ask(outcomes))
                asked.append(outcomes)
            except Error as error:
                failures.append((outcomes, error))
        if failures and not any(len(one.batch) for one in asked) and not all(has_ended(error) for _, error in failures):
            raise failures[0][1]
        for outcomes, why in failures:
            numbers, batch = outcomes.numbers(WOULD_DROP), outcomes.batch
            for number, fate in zip(numbers, ended.fates([batch[number] for number in numbers], batch.namespace, why)):
                outcomes.note((number,), fate)
        return asked, answers

    def _refuse(self, this: Round, approve: Approve | None) -> Iterable[tuple[Outcomes, Inability | None]]:
        """Raise what this round is refused for as a whole; a dry run notes it, and nothing follows.

        Else what can be dropped from, and what was found out about the rights to it.
        """
        try:
            self._check_bound(self._new(this))
            able = self._check_rights(this)
            victims = this.chosen(WOULD_DROP)
            if approve is not None and not self.stopped():
                _leave_others(this, approve(victims))
        except Error as error:
            if not self.report.dry_run:
                raise
            self.report.refusal = error
            return ()
        if not self.report.dry_run:
            self.attempted += self._new(this)
        return able

    def _new(self, this: Round) -> int:
        """How many are to be dropped that no look before has tried: those were counted."""
        return this.count(WOULD_DROP) - (self.account.tried(this) if self.account is not None else 0)

    def _mark_absent(self, outcomes: Outcomes) -> None:
        """Of connections that were named one by one, those that are not there: in a dry run that is looked up, as the drop would."""
        batch = outcomes.batch
        numbers = outcomes.numbers(WOULD_DROP)
        there = [number for number in numbers if batch[number][STATE] != CLOSED]
        if self.report.dry_run and there:
            seen = present([batch[number] for number in there], batch.scope)
            there = [number for number, is_there in zip(there, seen) if is_there]
        for number in sorted({*numbers} - {*there}):
            what = spelled(batch[number])
            outcomes.note((number,), NotFound("not found", errno=errno.ENOENT, what=what, step="look-up"))

    def _check_bound(self, number: int) -> None:
        if self.max_drops is None or self.attempted + number <= self.max_drops:
            return
        if self.attempted:
            raise TooMany(f"{number} more match, beyond the bound of {self.max_drops}: they were left alone")
        raise TooMany(f"{number} connections match, and at most {self.max_drops} may be dropped: none was")

    def _check_rights(self, this: Round) -> Iterable[tuple[Outcomes, Inability | None]]:
        """A right that is missing for every connection stops the run before the first drop."""
        some = [one for one in this.outcomes if one.codes.count(WOULD_DROP)]
        return zip(*self._each(some, lambda one: self._inability(one.batch.choose(one.numbers(WOULD_DROP)))))

    def _inability(self, batch: Batch) -> Inability | None:
        failure = None if self.method == DESCRIPTOR else lacks_right(batch.scope)
        if failure is None and self.method != DESCRIPTOR:
            return None
        unable = methods.inability(batch, batch.scope, self.method, failure)
        # A run that goes on tries again what nobody has accepted yet, and what comes after others that could be dropped.
        if unable.refusal is not None and not (self.account is not None and (unable.passing or self.attempted)):
            raise unable.refusal
        return unable

    def _drop(self, outcomes: Outcomes, unable: Inability | None) -> None:
        dry_run = self.report.dry_run
        if platform.QUEUED and not dry_run:
            victims = outcomes.numbers(WOULD_DROP)
            outcomes.note([number for number in victims if _identity(outcomes.batch[number]) in self._waiting], DESTROYED)
        numbers = outcomes.numbers(WOULD_DROP)
        batch = outcomes.batch.choose(numbers)
        if not dry_run and self.pace.rate is None:  # with a rate the last ones are dropped long after
            outcomes.look_for_mirrors(numbers)
        try:
            try:
                for some, answer in self._chunks(batch, unable) if numbers else ():
                    if isinstance(answer, Error) or not dry_run:
                        done = picked(numbers, some)
                        outcomes.note(done, answer)
                        if not (isinstance(answer, Error) or platform.QUEUED):
                            self.tell(outcomes, done)
            finally:
                if platform.QUEUED:
                    self._wait_until_gone(outcomes)
        except Error as error:  # this namespace has gone: the others' outcomes must not be lost
            for number in outcomes.numbers(WOULD_DROP):
                outcomes.fail((number,), error.of(spelled(outcomes.batch[number])))
        if platform.TELLS_PEER:
            _settle_mirrors(outcomes)
        if not dry_run:  # a signal came first: untouched
            outcomes.codes = outcomes.codes.replace(bytes([WOULD_DROP]), bytes([LISTED]))

    def _chunks(self, batch: Batch, unable: Inability | None) -> Iterator[Chunk]:
        return methods.drop(batch, batch.scope, self.method, dry_run=self.report.dry_run, pace=self.pace, unable=unable)

    def _wait_until_gone(self, outcomes: Outcomes) -> None:
        """The kernel accepted them: that they are gone is seen, not believed."""
        numbers = outcomes.numbers(DROPPED)
        rows = list(outcomes.batch.choose(numbers))
        self._waiting.update(map(_identity, rows))
        try:
            left = wait_until_gone(rows, outcomes.batch.scope) if rows else []
        except Error as error:  # the outcomes so far must not be lost
            self.report.unverified = error
            return
        self._waiting.difference_update(map(_identity, rows))
        self._waiting.update(_identity(rows[number]) for number in left)
        for number in picked(numbers, left):
            outcomes.note((number,), still_present(outcomes.batch[number]))

    # ---- looking again

    def verify(self, look: Callable[[], Connections]) -> Connections:
        """Compare with what is there now: mark what did not die, return what is new."""
        try:
            again = look()
        except Error as error:  # the outcomes so far must not be lost
            self.report.unverified = error
            return Connections([])
        if not len(again):
            return again
        known: Known = {_identity(row): None for this in self.report.rounds for batch in this.connections.batches for row in batch}
        known.update(self._dropped())
        return Connections([batch.choose(self._compare(batch, known)) for batch in again.batches], again.undecidable)

    def _dropped(self) -> Iterator[tuple[object, tuple[Outcomes, int]]]:
        """The identity of each row that was dropped, and where it stands."""
        for outcomes in (one for this in self.report.rounds for one in this.outcomes):
            for number in outcomes.numbers(DROPPED):
                row = outcomes.batch[number]
                if row[COOKIE]:  # else it was never more than its ends
                    yield _identity(row), (outcomes, number)

    def _compare(self, batch: Batch, known: Known) -> list[int]:
        """The numbers of those that no round has seen."""
        new: list[int] = []
        for number, row in enumerate(batch):
            identity = _identity(row)
            if identity not in known:
                new.append(number)
            dropped = known.get(identity)
            if dropped is None:
                continue
            outcomes, at = dropped
            way = outcomes.way(at)
            if way is not None and way[0] == DESCRIPTOR and ends_of(outcomes.batch[at]) != ends_of(row):
                new.append(number)  # its program connected the same socket anew
            elif survives(row, batch.scope, again=self.method != DESCRIPTOR):
                outcomes.note((at,), still_present(row))
        return new


def still_there(report: Report) -> Connections:
    """Of the connections that a run dropped one by one, those whose very socket still exists."""
    alive: list[Batch] = []
    for outcomes in (one for this in report.rounds for one in this.outcomes):
        batch = outcomes.batch.choose(outcomes.numbers(DROPPED))
        there = present(list(batch), batch.scope) if len(batch) else []
        alive.append(batch.choose([number for number, is_there in enumerate(there) if is_there]))
    return Connections(alive)


def _leave_others(this: Round, chosen: list[int] | None) -> None:
    """Of the victims only these numbers are meant; None: all."""
    if chosen is None:
        return
    wanted, start = frozenset(chosen), 0
    for outcomes in this.outcomes:
        numbers = outcomes.numbers(WOULD_DROP)
        for number, victim in enumerate(numbers, start):
            if number not in wanted:
                outcomes.codes[victim] = LISTED
        start += len(numbers)


def _settle_mirrors(outcomes: Outcomes) -> None:
    """On loopback the reset takes the other end along: what is gone for that reason was dropped, also before its turn."""
    batch = outcomes.batch
    gone, untouched = outcomes.numbers(GONE), outcomes.numbers(WOULD_DROP)
    if not gone and not untouched:
        return
    dropped = {ends_of(batch[number]): number for number in outcomes.numbers(DROPPED)}
    if not dropped:
        return
    mirrors: dict[int, str] = {}
    for number in (*gone, *untouched):
        laddr, lport, raddr, rport = ends_of(batch[number])
        mirror = dropped.get((raddr, rport, laddr, lport))
        way = None if mirror is None else outcomes.way(mirror)
        if way is not None:
            mirrors[number] = way[0]
    for number in _still_there(batch, [number for number in untouched if number in mirrors]):
        del mirrors[number]
    for number, method in mirrors.items():
        outcomes.note((number,), (method, "ECONNRESET"))


def _still_there(batch: Batch, numbers: list[int]) -> list[int]:
    """Those of them that live, as far as can be told."""
    try:
        there = present([batch[number] for number in numbers], batch.scope) if numbers else []
    except Error:
        return numbers
    return [number for number, is_there in zip(numbers, there) if is_there]


def _identity(row: Row) -> object:
    return row[COOKIE] if platform.COOKIES_ARE_UNIQUE else (row[COOKIE], *ends_of(row))
