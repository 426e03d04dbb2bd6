# SPDX-License-Identifier: BSD-2-Clause
"""What a run over many connections says: lines of data, why some live, a summary."""

from __future__ import annotations

from ..engine.outcome import Report, Round
from ..errors import DROPPED, WOULD_DROP, StillPresent
from ..model.addresses import unpack
from ..model.table import Connections
from ..system.routes import DOWN, NO_ADDRESS, NO_ROUTE
from .options import Parsed
from .output import classic_lines
from .streams import Streams

_ENDINGS = {DROPPED: ": dropped", WOULD_DROP: ": would drop"}
_WORDS = {
    "dropped": "dropped",
    "would_drop": "would be dropped",
    "gone": "already gone",
    "protected": "protected",
    "not_permitted": "not permitted",
    "not_supported": "not supported",
    "failed": "failed",
    "listed": "not attempted",
}
#: why a reset could not leave; in the place of %s the first address, and how many more
_NOT_TOLD = {
    NO_ADDRESS: "this host has no address %s any more",
    NO_ROUTE: "there is no route to %s",
    DOWN: "the device to %s is down",
}


def say_round(this: Round, parsed: Parsed, streams: Streams) -> None:
    """The lines of one round; JSON waits for the end of the run."""
    for error in this.errors():
        streams.note(str(error))
    if parsed.machine or parsed.flag("quiet") or parsed.flag("count"):
        return
    for code, ending in _ENDINGS.items():
        some = this.chosen(code)
        if len(some):
            streams.data(classic_lines(some, ending))


def say_commands(this: Round, streams: Streams) -> None:
    """FreeBSD's -l: lines that sh can run; what is protected stands there as a comment."""
    from shlex import quote  # seldom needed

    for outcomes in this.outcomes:
        where = outcomes.batch.where
        # The same tuple may be another connection in our own namespace.
        command = "tcpdrop " if where is None else f"tcpdrop --netns={quote(str(where))} "
        for number, line in enumerate(classic_lines(Connections([outcomes.batch])).splitlines()):
            error = outcomes.errors.get(number)
            streams.data(f"# {command}{line}  # {error.message}: {error.hint}" if error is not None else f"{command}{line}")


def say_summary(report: Report, streams: Streams, *, stopped: bool, undecided: str = "") -> None:
    """One line on stderr, where more than a single connection was concerned."""
    counts = report.counts
    for this in report.rounds:
        for error in this.errors():
            if isinstance(error, StillPresent):  # its line said "dropped": the second look found it
                streams.note(str(error))
    if len(report) > 1 or stopped:
        words = ", ".join(f"{number} {_WORDS[outcome]}" for outcome, number in counts.items())
        left = " (stopped by a signal)" if stopped else ""
        streams.note(f"tcpdrop: {words or 'nothing was dropped'}{left}")
    if undecided:
        streams.note(f"tcpdrop: {undecided}; none was touched")
    for unread in report.unread:
        streams.note(f"tcpdrop: {unread}")
    if report.unverified is not None:
        streams.note(f"tcpdrop: cannot look again whether all are gone: {report.unverified}")
    if report.later:
        streams.note(f"tcpdrop: {report.later} more match now")


def say_hint(report: Report, streams: Streams) -> None:
    """What people run into next, once, where a person reads it."""
    reasons: dict[str, dict[bytes, None]] = {}
    for this in report.rounds:
        for outcomes in this.outcomes:
            for why, address in outcomes.peers.untold():
                reasons.setdefault(why, {})[address] = None
    for why, addresses in reasons.items():
        first, more = unpack(next(iter(addresses))), len(addresses) - 1
        words = _NOT_TOLD[why] % (f"{first} and {more} more" if more else first)
        streams.note(f"tcpdrop: {words}: those peers were not told")
    if streams.interactive and report.counts.get("dropped"):
        streams.note("tcpdrop: clients may reconnect: block them first, or use --for")
