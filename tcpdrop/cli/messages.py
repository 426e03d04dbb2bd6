# SPDX-License-Identifier: BSD-2-Clause
"""What a run over many connections says: lines of data, why some live, a summary."""

from __future__ import annotations

from ..engine.outcome import Outcomes, Report, Result, Round
from ..errors import DROPPED, LISTED, OUTCOMES, WOULD_DROP, StillPresent
from ..model.addresses import unpack
from ..model.columns import codes_of
from ..model.table import Connections
from ..system.routes import DOWN, NO_ADDRESS, NO_ROUTE
from .as_json import Document
from .options import Parsed
from .output import classic_lines, heading, painter
from .streams import Streams

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ..engine.looks import Account

#: what is said of each on standard output
_ENDINGS = {DROPPED: "dropped", WOULD_DROP: "would drop"}
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
#: rows that are told at a time where memory is short
_FEW = 256
#: no outcome: nothing was said yet
_UNSAID = 255
#: why a reset could not leave; in the place of %s the first address, and how many more
_NOT_TOLD = {
    NO_ADDRESS: "this host has no address %s any more",
    NO_ROUTE: "there is no route to %s",
    DOWN: "the device to %s is down",
}


def _plain(text: str, _: str) -> str:
    return text


class Teller:
    """Says of each connection what became of it, when it happened; --json waits for the end of the run."""

    def __init__(self, parsed: Parsed, streams: Streams, *, goes_on: bool) -> None:
        self._streams = streams
        #: --json of a run that goes on: each connection once, as soon as it is known what became of it
        self._flowing = Document(parsed, streams, flowing=True) if goes_on and parsed.flag("json") else None
        self._silent = parsed.flag("quiet") or parsed.flag("count") or parsed.flag("json")
        self._as_lines = not self._silent and not parsed.flag("jsonl")
        #: may there be several namespaces, and below which one's name do we write?
        self._named = parsed.text("netns") in (None, "all") or parsed.text("from") is not None
        self._where: str | None = None
        #: with --jsonl: the document, and of the rows that were told the codes as they were
        self._document: Document | None = None
        paint = painter(parsed, streams) or _plain
        self._endings = {code: f": {paint(word, OUTCOMES[code])}" for code, word in _ENDINGS.items()}
        self._paint = paint if parsed.text("color") == "always" or streams.interactive else _plain
        self._said: dict[Outcomes, bytearray] = {}
        if parsed.flag("jsonl"):
            self._silent = False
            self._document = Document(parsed, streams)

    def dropped(self, outcomes: Outcomes, numbers: Sequence[int]) -> None:
        """These were dropped just now, which is final."""
        if not self._silent:
            self._tell(outcomes, numbers)
            self._streams.flush()

    def _tell(self, outcomes: Outcomes, numbers: Sequence[int]) -> None:
        """Of rows that have one outcome, or with --jsonl any."""
        said = self._said.setdefault(outcomes, codes_of(_UNSAID, len(outcomes.codes)))
        if self._document is not None:
            self._document.add_rows(outcomes, numbers)
        elif len(numbers):
            where = outcomes.batch.netns
            if self._named and where is not None and where != self._where:
                self._streams.data(heading(outcomes.batch))
                self._where = where
            self._streams.data(classic_lines(Connections([outcomes.batch.choose(numbers)]), self._endings[outcomes.codes[numbers[0]]]))
        # Only now: memory may have been too short for it.
        if isinstance(numbers, range):  # of a great many
            said[numbers.start : numbers.stop] = outcomes.codes[numbers.start : numbers.stop]
        else:
            for number in numbers:
                said[number] = outcomes.codes[number]

    def round(self, this: Round, *, stopped: bool = False) -> None:
        """All of this round that was not told yet.  stopped: a signal came, and what it left untouched is but counted."""
        for error in this.errors():
            self._streams.note(self._paint(str(error), error.outcome))
        if self._silent:
            return
        for code in _ENDINGS if self._as_lines else (None,):
            for outcomes in this.outcomes:
                numbers = range(len(outcomes.codes)) if code is None else outcomes.numbers(code)
                said = self._said.get(outcomes)
                if outcomes.told:
                    numbers = [number for number in numbers if number not in outcomes.told]
                if said is not None:
                    numbers = [number for number in numbers if said[number] == _UNSAID] if _UNSAID in said else []
                if code is None and stopped:
                    numbers = [number for number in numbers if outcomes.codes[number] != LISTED]
                self._tell(outcomes, numbers)
        if self._as_lines:  # all of it is said, whatever comes later
            self._said.update((outcomes, outcomes.codes) for outcomes in this.outcomes)
        self._streams.flush()

    def rest(self, report: Report) -> None:
        """What was dropped and not told, in small pieces, as memory is short."""
        if not self._as_lines:
            return
        for outcomes in (one for this in report.rounds for one in this.outcomes):
            said = self._said.setdefault(outcomes, codes_of(_UNSAID, len(outcomes.codes)))
            for start in range(0, len(said), _FEW):
                some = range(start, min(len(said), start + _FEW))
                self._tell(outcomes, [number for number in some if said[number] == _UNSAID and outcomes.codes[number] == DROPPED])
        self._streams.flush()

    def look(self, this: Round | None, account: Account, *, stopped: bool) -> None:
        """One look of a run that goes on."""
        if this is not None:
            self.round(this, stopped=stopped)
        self._said.clear()
        if self._flowing is not None:
            for outcomes, numbers in account.ended:
                self._flowing.add_rows(outcomes, numbers)
        self._flow(account.departed)

    def left(self, account: Account) -> None:
        """The last look left these."""
        self._flow(account.left())

    def _flow(self, results: Iterable[Result]) -> None:
        if self._flowing is not None:
            for result in results:
                self._flowing.add(result.as_dict())
            self._streams.flush()

    def end(self, summary: dict[str, object]) -> None:
        """JSON: those whose outcome is another by the last look, and the summary."""
        if self._flowing is not None:
            self._flowing.close(summary)
        if self._document is None:
            return
        for outcomes, said in self._said.items():
            changed = [number for number, code in enumerate(outcomes.codes) if said[number] not in (code, _UNSAID)]
            self._document.add_rows(outcomes, changed)
        self._document.close(summary)


def say_commands(this: Round, streams: Streams) -> None:
    """FreeBSD's -l: lines that sh can run; what is protected stands there as a comment."""
    from shlex import quote  # seldom needed

    for outcomes in this.outcomes:
        where = outcomes.batch.where
        if not str(where).isprintable():  # a line is a command
            where = outcomes.batch.netns
        # The same tuple may be another connection in our own namespace.
        command = "tcpdrop " if where is None else f"tcpdrop --netns={quote(str(where))} "
        for number, line in enumerate(classic_lines(Connections([outcomes.batch])).splitlines()):
            error = outcomes.errors.get(number)
            why = "" if error is None else ": ".join(filter(None, (error.message, error.hint)))
            streams.data(f"# {command}{line}  # {why}" if why else f"{command}{line}")


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
    sampled = False
    for this in report.rounds:
        for outcomes in this.outcomes:
            sampled |= outcomes.peers.is_sample
            for why, address in outcomes.peers.untold():
                reasons.setdefault(why, {})[address] = None
    for why, addresses in reasons.items():
        first, more = unpack(next(iter(addresses))), len(addresses) - 1
        words = _NOT_TOLD[why] % (f"{first} and {'others' if sampled else f'{more} more'}" if more else first)
        streams.note(f"tcpdrop: {words}: those peers were not told")
    if streams.interactive and report.counts.get("dropped"):
        streams.note("tcpdrop: clients may reconnect: block them first, or use --for")
