# SPDX-License-Identifier: BSD-2-Clause
"""Dropping many: select, spare, approve, then drop each one exactly, by cookie.

What concerns the whole run is raised before the first drop; afterwards each
connection has its own outcome.  A dry run goes the same way and stops short.
"""

from __future__ import annotations

import errno
import os
import time
from struct import pack, unpack

from .. import _tcpdrop
from ..errors import Error, NotFound, TooMany
from ..model.columns import column, picked, places_of
from ..model.rows import CLOSED, COOKIE, IFINDEX, LADDR, LISTEN, LPORT, RADDR, ROW, RPORT, STATE, packed_addr
from ..model.table import Connections, Rows
from ..system import platform
from ..system.kernel import from_os_error
from ..system.rights import explained, lacks_right
from .outcome import DROPPED, FAILED, GONE, LISTED, NOT_PERMITTED, NOT_SUPPORTED, PROTECTED, WOULD_DROP, Report, Round
from .pace import wait

#: rows a call: above the number from which threads are worth it, and less than
#: a tenth of a second, so that a signal is answered
SLICE = 16384

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ..model.rows import Row
    from ..model.table import Batch
    from ..safety.guard import Guard
    from .methods import Lacking

    #: asked with the victims before the first drop; raises Refused to stop
    Approve = Callable[[Connections], None]


class Run:
    """One run over any number of rounds."""

    def __init__(
        self,
        guard: Guard,
        *,
        dry_run: bool = False,
        max_drops: int | None = None,
        threads: int = 0,
        rate: int | None = None,
        method: str = "auto",
        stopped: Callable[[], bool] = lambda: False,
        progress: Callable[[int, int], None] = lambda done, of: None,
    ) -> None:
        self.guard = guard
        self.max_drops = max_drops
        self.threads = threads
        #: drops a second at most
        self.rate = rate
        #: "auto", "destroy" or "descriptor": see ways.py
        self.method = method
        #: number of a batch of this round -> why SOCK_DESTROY can do nothing there, where descriptors can
        self._lacking: dict[int, Lacking] = {}
        #: told between slices how far a round is
        self.progress = progress
        #: asked between slices: has a signal come?
        self.stopped = stopped
        self.report = Report(dry_run=dry_run)
        self.attempted = 0
        #: sockets whose drop the kernel has queued and was not seen to carry out: queued.py
        self._waiting: set[object] = set()

    def round(self, selection: Connections, approve: Approve | None = None) -> Round:
        """Spare, bound, approve, check rights, drop.  Raises Error with nothing of this round dropped."""
        this = Round(selection)
        this.codes[:] = bytes([WOULD_DROP]) * len(selection)
        spared = self.guard.protected(selection)
        if self.guard.rules:
            from ..safety.guard import protected_through

            spared.update(protected_through(self.guard, selection))
        for place, why in spared.items():
            this.codes[place] = PROTECTED
            this.errors[place] = why
        self._mark_absent(this)
        victims = this.codes.count(WOULD_DROP)
        self.report.rounds.append(this)
        try:
            self._check_bound(victims)
            if victims:
                self._check_rights(selection)
            if victims and approve is not None and not self.stopped():
                approve(selection if victims == len(selection) else selection.choose(places_of(this.codes, WOULD_DROP)))
        except Error as error:
            if not self.report.dry_run:
                self.report.rounds.pop()
                raise
            self.report.refusal = error
        except BaseException:  # somebody left at the question
            self.report.rounds.pop()
            raise
        if self.report.dry_run and victims and self.report.refusal is None:
            self._drop(this)  # as far as it can be tried without doing it
        if not self.report.dry_run and victims:
            self._drop(this)
            self.attempted += victims
            # A signal came first: untouched.
            this.codes = this.codes.replace(bytes([WOULD_DROP]), bytes([LISTED]))
        return this

    def _mark_absent(self, this: Round) -> None:
        """Of connections that were named one by one, those that are not there: in a dry run that is looked up, as the drop would."""
        start = 0
        for batch in this.connections.batches:
            if isinstance(batch.table, Rows):
                places = [place for place in range(len(batch)) if this.codes[start + place] == WOULD_DROP]
                there = [place for place in places if batch.row(place)[STATE] != CLOSED]
                if self.report.dry_run and there:
                    there = _existing(batch, there, batch.scope)
                for place in sorted({*places} - {*there}):
                    this.codes[start + place] = GONE
                    what = str(batch.connection(place))
                    this.errors[start + place] = NotFound("not found", errno=errno.ENOENT, what=what, step="look-up")
            start += len(batch)

    def _check_bound(self, number: int) -> None:
        if self.max_drops is None or self.attempted + number <= self.max_drops:
            return
        if self.attempted:
            raise TooMany(f"{number} more match, beyond the bound of {self.max_drops}: they were left alone")
        raise TooMany(f"{number} connections match, and at most {self.max_drops} may be dropped: none was")

    def _check_rights(self, selection: Connections) -> None:
        """A right that is missing for every connection stops the run before the first drop."""
        self._lacking = {}
        start = 0
        for number, batch in enumerate(selection.batches):
            if len(batch):
                failure = None if self.method == "descriptor" else lacks_right(batch.scope)
                if failure is not None or self.method == "descriptor":
                    from .methods import lacking

                    self._lacking[number] = lacking(self.method, failure, self._victims(batch, start), batch.scope)
            start += len(batch)

    def _victims(self, batch: Batch, start: int) -> list[Row]:
        codes = self.report.rounds[-1].codes
        return [batch.row(place) for place in range(len(batch)) if codes[start + place] == WOULD_DROP]

    def verify(self, look: Callable[[], Connections]) -> Connections:
        """Compare with what is there now: mark what did not die, return what is new."""
        try:
            again = look()
        except Error as error:  # the outcomes so far must not be lost
            self.report.unverified = error
            return Connections([])
        if not len(again):
            return again
        alive = self._dropped_cookies()
        seen = {_identity(row) for this in self.report.rounds for row in _rows(this.connections)}
        new: list[int] = []
        for place, row in enumerate(_rows(again)):
            if _identity(row) in alive:
                this, at = alive[_identity(row)]
                if this.ways.get(at, ("",))[0] == "descriptor" and _ends_of(this.connections[at]._row) != _ends_of(row):
                    new.append(place)  # its program connected the same socket anew
                elif _survives(again.choose([place]), self.method):
                    this.codes[at] = FAILED
                    this.errors[at] = Error("still present", what=str(again[place]), errno=errno.EBUSY)
            elif _identity(row) not in seen:
                new.append(place)
        return again.choose(new)

    def _dropped_cookies(self) -> dict[object, tuple[Round, int]]:
        found = {}
        for this in self.report.rounds:
            for place, row in enumerate(_rows(this.connections)):
                if this.codes[place] == DROPPED and row[COOKIE]:
                    found[_identity(row)] = (this, place)
        return found

    # ---- the drop itself

    def _drop(self, this: Round) -> None:
        start = 0
        for number, batch in enumerate(this.connections.batches):
            places = places_of(this.codes[start : start + len(batch)], WOULD_DROP)
            try:
                self._drop_batch(batch, this, start, places, self._lacking.get(number))
            except Error as error:  # this namespace has gone: the others' outcomes must not be lost
                self._all_failed(places, this, start, error)
            start += len(batch)

    def _drop_batch(self, batch: Batch, this: Round, start: int, places: Sequence[int], lacking: Lacking | None) -> None:
        scope = batch.scope
        # SOCK_DESTROY first, but not where it cannot, or would only say so.
        other = places if lacking is not None else _subflows(batch, places, scope)
        skip = set(other)
        direct = [place for place in places if place not in skip] if skip else places
        if not self.report.dry_run:
            try:
                self._drop_slices(batch, this, start, direct, scope)
            finally:
                if platform.QUEUED:
                    self._wait_until_gone(batch, this, start, places, scope)
        if other or this.errors:
            from .otherway import drop_by_descriptor

            drop_by_descriptor(self, batch, this, start, other, scope, lacking)
        self._settle_mirrors(batch, this, start, places)

    def _drop_slices(self, batch: Batch, this: Round, start: int, places: Sequence[int], scope: int | None) -> None:
        began = time.monotonic()
        step = SLICE if self.rate is None else max(1, self.rate // 10)
        for first in range(0, len(places), step):
            if self.rate is not None:
                wait(began + first / self.rate - time.monotonic(), self.stopped)
            if self.stopped():
                return
            self.progress(first, len(places))
            some = places[first : first + step]
            try:
                answers = self._abort_once(batch, some, scope) if platform.QUEUED else self._abort(batch, some, scope)
            except OSError as error:
                raise from_os_error(error) from None
            self._note(batch, this, start, some, answers, scope)
        self.progress(len(places), len(places))

    def _wait_until_gone(self, batch: Batch, this: Round, start: int, places: Sequence[int], scope: int | None) -> None:
        """The kernel accepted them: that they are gone is seen, not believed."""
        from .queued import still_present, wait_until_gone

        accepted = [place for place in places if this.codes[start + place] == DROPPED]
        rows = [batch.row(place) for place in accepted]
        try:
            left = wait_until_gone(rows, scope)
        except Error as error:  # the outcomes so far must not be lost
            self.report.unverified = error
            return
        self._waiting.difference_update(map(_identity, rows))
        self._waiting.update(_identity(rows[number]) for number in left)
        for place in (accepted[number] for number in left):
            this.codes[start + place] = FAILED
            this.errors[start + place] = still_present(str(batch.connection(place)))

    def _abort_once(self, batch: Batch, places: Sequence[int], scope: int | None) -> Sequence[int]:
        """The same where drops are queued: what waits there already is not asked for again."""
        fresh = [place for place in places if _identity(batch.row(place)) not in self._waiting]
        answers = dict(zip(fresh, self._abort(batch, fresh, scope) if fresh else ()))
        self._waiting.update(_identity(batch.row(place)) for place, answer in answers.items() if answer == 0)
        return [answers.get(place, 0) for place in places]

    def _abort(self, batch: Batch, places: Sequence[int], scope: int | None) -> Sequence[int]:
        """One errno a place, 0 for dropped."""
        if isinstance(batch.table, Rows):
            if platform.LOOKS_BY_WALK:
                from .queued import abort_given

                return abort_given([ROW.unpack(batch.table[batch.indices[place]]) for place in places], scope)
            return [abort_row(ROW.unpack(batch.table[batch.indices[place]]), scope) for place in places]
        indices = picked(batch.indices, places)
        now_listening = _listening(scope)
        if now_listening and not now_listening.isdisjoint(picked(batch.cookies(), places)):
            return [abort_row(ROW.unpack_from(batch.table[index]), scope) for index in indices]
        numbers = pack(f"{len(places)}I", *indices)
        return unpack(f"{len(places)}i", _tcpdrop.abort_rows(batch.table, numbers, threads=self.threads, scope=scope))

    def _all_failed(self, places: Sequence[int], this: Round, start: int, error: Error) -> None:
        for place in places:
            if this.codes[start + place] == WOULD_DROP:
                this.codes[start + place] = FAILED
                this.errors[start + place] = error

    def _note(self, batch: Batch, this: Round, start: int, places: Sequence[int], answers: Sequence[int], scope: int | None) -> None:
        codes = this.codes
        if not any(answers) and isinstance(places, range):
            codes[start + places.start : start + places.stop] = bytes([DROPPED]) * len(places)
            return
        for place, answer in zip(places, answers):
            if answer == 0:
                codes[start + place] = DROPPED
                continue
            connection = batch.connection(place)
            number = look_again(connection._row, scope) if answer == errno.ENOBUFS else answer
            codes[start + place], error = outcome_of(number, str(connection))
            if error is not None:
                this.errors[start + place] = error

    def _settle_mirrors(self, batch: Batch, this: Round, start: int, places: Sequence[int]) -> None:
        """On loopback the reset takes the other end along: what is gone for that reason was dropped."""
        gone = [place for place in places if this.codes[start + place] == GONE] if platform.TELLS_PEER else []
        if not gone:
            return
        dropped = {_ends(batch, place): place for place in places if this.codes[start + place] == DROPPED}
        for place in gone:
            laddr, lport, raddr, rport = _ends(batch, place)
            mirror = dropped.get((raddr, rport, laddr, lport))
            if mirror is not None:
                this.codes[start + place] = DROPPED
                this.errors.pop(start + place, None)
                this.ways[start + place] = (this.ways.get(start + mirror, ("destroy",))[0], "ECONNRESET")


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
        for batch in found.batches:
            batch.close()
        if not len(found) and until_gone:
            return
        wait(interval if deadline is None else min(interval, deadline - time.monotonic()), run.stopped)
        if deadline is not None and time.monotonic() >= deadline:
            return


def _subflows(batch: Batch, places: Sequence[int], scope: int | None) -> Sequence[int]:
    """Those of MPTCP connections, which SOCK_DESTROY does not end.  Mostly there is none on the whole host."""
    try:
        if not platform.DESCRIPTORS or not len(_tcpdrop.mptcp_sockets(scope)):
            return ()
    except OSError:
        pass  # they cannot be listed: there are other ways to tell
    from ..system.mptcp import subflows

    return subflows(batch, places, scope)


def _identity(row: Row) -> object:
    return row[COOKIE] if platform.COOKIES_ARE_UNIQUE else (row[COOKIE], *_ends_of(row))


def _listening(scope: int | None) -> set[object]:
    """The cookies of all listeners: a socket that was connected may listen by now, and keeps its cookie.

    The kernel would take it for the connection.  A look-up sees the difference.
    """
    if not platform.LISTENER_KEEPS_COOKIE:
        return set()
    return set(column(_tcpdrop.list_connections(1 << LISTEN, scope=scope).tobytes(), COOKIE))


def _rows(connections: Connections) -> Iterator[Row]:
    for batch in connections.batches:
        yield from ROW.iter_unpack(batch.data())


def still_there(report: Report) -> Connections:
    """Of the connections that a run dropped one by one, those whose very socket still exists."""
    alive: list[Batch] = []
    for this in report.rounds:
        start = 0
        for batch in this.connections.batches:
            places = places_of(this.codes[start : start + len(batch)], DROPPED)
            alive.append(batch.choose(_existing(batch, places, batch.scope)))
            start += len(batch)
    return Connections(alive)


def _existing(batch: Batch, places: Sequence[int], scope: int | None) -> list[int]:
    if platform.LOOKS_BY_WALK and places:
        from .queued import present

        there = present([ROW.unpack_from(batch.table[batch.indices[place]]) for place in places], scope)
        return [place for place, is_there in zip(places, there) if is_there]
    return [place for place in places if _exists(batch, place, scope)]


def _survives(one: Connections, method: str) -> bool:
    """Drop this very socket once more: is it there even so?

    A half-open connection that was dropped may become a full one at that very
    moment, with the same cookie (inet_csk_clone_lock(), Linux).
    """
    if platform.QUEUED:
        return True  # it was looked for until patience ended
    batch = next(batch for batch in one.batches if len(batch))
    scope = batch.scope
    number = errno.EOPNOTSUPP if method == "descriptor" else abort_row(batch.row(0), scope)
    try:
        return number not in (0, errno.ENOENT) or (number == 0 and _exists(batch, 0, scope))
    except Error:
        return True  # as far as can be told


def _exists(batch: Batch, place: int, scope: int | None) -> bool:
    row = ROW.unpack_from(batch.table[batch.indices[place]])
    try:
        found = _tcpdrop.lookup(*_ends(batch, place), ifindex=row[IFINDEX], scope=scope)
    except OSError as error:
        if error.errno != errno.ENOENT:  # what cannot be looked up is not gone
            raise from_os_error(error, str(batch.connection(place))) from None
        return False
    return bool(ROW.unpack(found)[COOKIE] == row[COOKIE])


def _ends(batch: Batch, place: int) -> tuple[bytes, int, bytes, int]:
    return _ends_of(batch.row(place))


def _ends_of(row: Row) -> tuple[bytes, int, bytes, int]:
    return packed_addr(row, LADDR), row[LPORT], packed_addr(row, RADDR), row[RPORT]


def outcome_of(number: int, what: str) -> tuple[int, Error | None]:
    """The outcome of an errno."""
    if number == 0:
        return DROPPED, None
    error = explained(from_os_error(OSError(number, os.strerror(number)), what))
    codes = {"gone": GONE, "not_permitted": NOT_PERMITTED, "not_supported": NOT_SUPPORTED, "protected": PROTECTED}
    return codes.get(error.outcome, FAILED), error


def abort_row(row: Row, scope: int | None) -> int:
    """Look up, compare, drop this one socket: its errno, 0 for dropped."""
    try:
        _tcpdrop.abort(*_ends_of(row), ifindex=row[IFINDEX], cookie=row[COOKIE], scope=scope)
    except OSError as error:
        return error.errno or errno.EIO
    except ValueError:  # a wildcard, in a row that no kernel made
        return errno.EINVAL
    return 0


def look_again(row: Row, scope: int | None) -> int:
    """The answer was lost, the request was not: what is gone by now was dropped."""
    number = abort_row(row, scope)
    return 0 if number == errno.ENOENT else number
