# SPDX-License-Identifier: BSD-2-Clause
"""--for and --until-gone: drop what matches whenever it comes back."""

from __future__ import annotations

import signal

from ..engine.looks import Account, looks
from ..errors import DROPPED, Error, Refused
from ..model.addresses import unpack
from ..model.rows import RADDR, packed_addr
from ..model.table import Connections
from .exit_status import DONE, FAILED, NOTHING, REFUSED, status_of
from .options import Parsed, UsageError
from .selectors import seconds
from .signals import Interrupted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ..engine.outcome import Result, Round
    from ..engine.run import Run
    from .messages import Teller
    from .prompt import Asker
    from .streams import Streams

DEFAULT_UNTIL_GONE = 60.0
DEFAULT_INTERVAL = 0.5
#: whose returns are counted
MOST_PEERS = 10000


class Keeping:
    """How long and how often; None of it was asked for when .wanted is False."""

    def __init__(self, parsed: Parsed) -> None:
        self.duration = seconds(parsed, "duration", "--for")
        self.until_gone = "until_gone" in parsed.given
        if self.until_gone:
            if self.duration is not None:
                raise UsageError("--for and --until-gone exclude each other")
            given = seconds(parsed, "until_gone", "--until-gone")
            self.duration = DEFAULT_UNTIL_GONE if given is None else given
        interval = seconds(parsed, "interval", "--interval")
        if interval == 0:
            raise UsageError("--interval is longer than nothing")
        self.interval = interval or DEFAULT_INTERVAL
        self.wanted = self.duration is not None
        #: what a look leaves is met by the next: it has not come back
        self.leaves_some = "limit" in parsed.given
        if not self.wanted and "interval" in parsed.given:
            raise UsageError("--interval goes with --for or --until-gone")
        if self.wanted and parsed.text("from") is not None:
            raise UsageError("--from names connections that never come back: --for and --until-gone need a selection")


class Returns:
    """Which peers came back, and how often; of more peers than are kept those that did not are forgotten first."""

    def __init__(self) -> None:
        self._times: dict[bytes, int] = {}

    def note(self, this: Round) -> None:
        """A look dropped these."""
        addrs = {packed_addr(one.batch[number], RADDR) for one in this.outcomes for number in one.numbers(DROPPED)}
        for addr in addrs:
            self._times[addr] = self._times.get(addr, -1) + 1
        if len(self._times) > MOST_PEERS:
            newest_first = reversed(tuple(self._times.items()))
            self._times = dict(sorted(newest_first, key=lambda item: -item[1])[: MOST_PEERS // 2])

    def often(self) -> list[tuple[str, int]]:
        """The twenty that came back most often."""
        found = sorted(((times, unpack(addr)) for addr, times in self._times.items() if times), reverse=True)
        return [(addr, times) for times, addr in found[:20]]


def keep(
    work: Run,
    keeping: Keeping,
    select: Callable[[], Connections],
    asker: Asker,
    teller: Teller,
    streams: Streams,
    log: Callable[[Iterator[Result]], None],
) -> int:
    """Returns the exit status.  log: told what became of each, once."""
    returns = Returns()
    found, gone = Connections([]), False

    def look() -> Connections:
        nonlocal found
        found = select()
        work.report.undecidable, work.report.unread = found.undecidable, found.unread
        return found

    account = Account(work.report)
    each = looks(
        work, account, look, duration=keeping.duration, interval=keeping.interval, until_gone=keeping.until_gone, approve=asker.approve
    )
    ended: Error | None = None
    try:
        for this in each:
            gone = this is None and found.is_all
            teller.look(this, account, stopped=work.stopped())
            log(account.settled())
            if this is not None and not keeping.leaves_some:
                returns.note(this)
    except Error as error:
        if not len(work.report):
            raise
        ended = error  # the outcomes so far must not be lost
        streams.note(f"tcpdrop: {error}")
    except Interrupted as left:  # at the question of a later look
        if not len(work.report):
            raise
        signal.raise_signal(left.number)  # for the handler of the whole run
    teller.left(account)
    log(account.left())
    for addr, times in returns.often():
        streams.note(f"tcpdrop: {addr} came back {times} time{'s' if times > 1 else ''}")
    counts = work.report.counts
    status = status_of(counts, undecidable=work.report.undecidable, unread=work.report.unread)
    if ended is not None and status != FAILED:
        if not isinstance(ended, Refused):
            return FAILED
        return REFUSED if keeping.until_gone or status == NOTHING else status
    if not keeping.until_gone or status == FAILED:
        return status
    if gone:
        return DONE if counts else NOTHING
    certain = "nothing matched any more" if found.is_all else "it was certain that nothing matched any more"
    streams.note(f"tcpdrop: time ran out before {certain}")
    return FAILED
