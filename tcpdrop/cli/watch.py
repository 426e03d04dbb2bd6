# SPDX-License-Identifier: BSD-2-Clause
"""--for and --until-gone: drop what matches whenever it comes back."""

from __future__ import annotations

import signal

from ..engine.run import rounds
from ..errors import Error, Refused
from .exit_status import DONE, FAILED, NOTHING, REFUSED, status_of
from .options import Parsed, UsageError
from .selectors import seconds
from .signals import Interrupted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..engine.run import Run
    from ..model.table import Connections
    from .messages import Teller
    from .prompt import Asker
    from .streams import Streams

DEFAULT_UNTIL_GONE = 60.0
DEFAULT_INTERVAL = 0.5


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
        if not self.wanted and "interval" in parsed.given:
            raise UsageError("--interval goes with --for or --until-gone")
        if self.wanted and parsed.text("from") is not None:
            raise UsageError("--from names connections that never come back: --for and --until-gone need a selection")


def keep(work: Run, keeping: Keeping, select: Callable[[], Connections], asker: Asker, teller: Teller, streams: Streams) -> int:
    """Returns the exit status."""
    returns: dict[str, int] = {}
    gone = False

    def look() -> Connections:
        found = select()
        work.report.undecidable, work.report.unread = found.undecidable, found.unread
        return found

    looks = rounds(work, look, duration=keeping.duration, interval=keeping.interval, until_gone=keeping.until_gone, approve=asker.approve)
    ended: Error | None = None
    try:
        for this in looks:
            gone = this is None
            if this is not None:
                teller.round(this, stopped=work.stopped())
                for addr in {result.connection.remote.addr for result in this.results() if result.outcome == "dropped"}:
                    returns[addr] = returns.get(addr, -1) + 1
    except Error as error:
        if not work.report.rounds:
            raise
        ended = error  # the outcomes so far must not be lost
        streams.note(f"tcpdrop: {error}")
    except Interrupted as left:  # at the question of a later look
        if not work.report.rounds:
            raise
        signal.raise_signal(left.number)  # for the handler of the whole run
    often = sorted(((times, addr) for addr, times in returns.items() if times), reverse=True)
    for times, addr in often[:20]:
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
    streams.note("tcpdrop: time ran out before nothing matched any more")
    return FAILED
