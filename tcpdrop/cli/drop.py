# SPDX-License-Identifier: BSD-2-Clause
"""tcpdrop drop: everything that matches, each one exactly."""

from __future__ import annotations

import time

from ..engine.audit import to_syslog
from ..engine.methods import AUTO, check_method
from ..engine.outcome import Report
from ..engine.run import Run, still_there
from ..errors import WOULD_DROP, Error, FilterError, Refused
from ..filters.breadth import is_broad
from ..filters.selection import select
from ..model.addresses import printable
from ..model.order import arrange
from ..model.table import Connections
from ..safety.guard import Guard
from ..safety.rules import Rules
from ..system.netns import Namespace, namespaces, scopes_of
from . import messages
from .as_json import report_as_json
from .exit_status import FAILED, NOTHING, REFUSED, status_of
from .hints import nothing_matched, undecided
from .options import Parsed, UsageError
from .prompt import Asker, breakdown
from .selectors import arrangement, check_zone, filter_of, number, protecting, selects
from .signals import Interrupted
from .streams import Stop, Streams, error_object
from .watch import Keeping, keep

#: rounds after the first that drop what came up meanwhile, with --yes
FURTHER_ROUNDS = 3

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..engine.outcome import Result
    from ..filters import Filter


def run(parsed: Parsed, streams: Streams) -> int:
    # An option that lacks its value has taken the first word of the filter: its own word comes before the filter's.
    bound = _bound(parsed)
    rate = number(parsed, "rate", "--rate")
    if rate == 0:
        raise UsageError("--rate is 1 or more a second")
    method = check_method(parsed.text("method") or AUTO)
    arranged, keeping = arrangement(parsed), Keeping(parsed)
    chosen = _selection_of(parsed)
    protect = protecting(parsed)
    job = Job(parsed, streams, chosen, arranged, keeping)
    check_zone(parsed)
    # Only now is anything opened: the command line was understood.
    job.given = _given(parsed)
    rules = Rules(protect, lambda: scopes_of(parsed.text("netns")))
    guard = Guard(include_self=parsed.flag("include_self"), rules=rules, spare_kernel=parsed.flag("all"))
    if guard.warning:
        streams.note(f"tcpdrop: {guard.warning}")
    with Stop(streams) as stop:
        work = Run(
            guard,
            dry_run=job.dry_run,
            max_drops=bound,
            rate=rate,
            method=method,
            stopped=stop,
            progress=Progress(streams),
            tell=job.teller.dropped,
        )
        try:
            status = job.run(work)
        except Interrupted as signal:
            return _interrupted(signal, parsed, streams)
        except MemoryError:  # what was dropped is told, in the log as well
            job.teller.rest(work.report)
            said = _known(work.report)
            streams.note(f"tcpdrop: {said}")
            if parsed.machine:
                streams.data(error_object(said))
            status = FAILED
        if stop.number:
            status = 128 + stop.number
    if not work.report.dry_run:
        job.log(work.report, work.report.counts)
    return status


def _known(report: Report) -> str:
    """Of a run that memory ended; what it had not come to may have gone with its other end, or in the last batch."""
    counts = report.counts
    unknown = 0 if report.dry_run else counts.pop("would_drop", 0) + counts.pop("listed", 0)
    words = ", ".join(f"{number} {outcome.replace('_', ' ')}" for outcome, number in counts.items()) or "nothing was dropped"
    return f"out of memory: {words}" + (f"; what became of {unknown} is not known: look again" if unknown else "")


def _interrupted(signal: Interrupted, parsed: Parsed, streams: Streams) -> int:
    """Somebody left at the question."""
    streams.note(f"\ntcpdrop: {signal}")
    if parsed.machine:
        streams.data(error_object(str(signal)))
    return 128 + signal.number


def _selection_of(parsed: Parsed) -> Filter | None:
    """The filter; None for everything, which must be typed."""
    _refuse_separate_duration(parsed, parsed.operands[:1])
    try:
        chosen = filter_of(parsed, parsed.operands)
    except FilterError:
        _refuse_separate_duration(parsed, parsed.operands[-1:])
        raise
    # -4, -6 and --mine narrow a selection: `drop -4 $UNSET` must not be the whole host.
    sources = selects(parsed) + parsed.flag("all") + (parsed.text("from") is not None)
    if sources == 0:
        mine = "; --mine only narrows one, and as a filter it is: drop mine" if parsed.flag("mine") else ""
        raise UsageError(f"nothing is selected: 'drop' needs a filter or a selector, or --all for every connection{mine}")
    if sources > 1:
        raise UsageError("--all, --from and a selection exclude each other")
    if (parsed.family or parsed.flag("mine")) and parsed.text("from") is not None:
        raise UsageError("--from names its connections: -4, -6 and --mine do not go with it")
    if chosen is not None:
        chosen.refuse_listeners()
    return chosen


def _refuse_separate_duration(parsed: Parsed, words: list[str]) -> None:
    """--until-gone 3s: the filter has no such word there."""
    for word in words if parsed.given.get("until_gone") is True else ():
        if word[:1].isdigit() and word.rstrip("smhd").isdigit():
            raise UsageError(f"--until-gone takes its time behind '=': --until-gone={printable(word)}")


def _bound(parsed: Parsed) -> int | None:
    return None if parsed.text("max_drops") == "none" else number(parsed, "max_drops", "--max-drops")


def _given(parsed: Parsed) -> Connections | None:
    source = parsed.text("from")
    if source is None:
        return None
    from .saved import read  # json, and only for --from

    return read(source, parsed.text("netns"))


class Progress:
    """On a terminal, how far a run is that takes longer than a second."""

    def __init__(self, streams: Streams) -> None:
        self._streams = streams
        self._began = time.monotonic()

    def __call__(self, done: int, of: int) -> None:
        if time.monotonic() - self._began > 1 and self._streams.interactive:
            self._streams.progress("" if done >= of else f"{done} of {of}")


class Job:
    """One command: its rounds, and what they say."""

    def __init__(
        self, parsed: Parsed, streams: Streams, chosen: Filter | None, arranged: tuple[str | None, int | None], keeping: Keeping
    ) -> None:
        self.parsed = parsed
        self.streams = streams
        self.chosen = chosen
        #: the connections of --from, once they are read
        self.given: Connections | None = None
        #: where to select, once that was looked up
        self.namespaces: list[Namespace] | None = None
        self.order, self.limit = arranged
        if self.order is not None and parsed.text("from") is not None:
            raise UsageError("--order needs what is measured now, and --from has its own order")
        self.dry_run = parsed.flag("dry_run") or parsed.flag("as_commands")
        self.keeping = keeping
        self.goes_on = self.keeping.wanted and not self.dry_run
        self.teller = messages.Teller(parsed, streams, goes_on=self.goes_on)
        exact = parsed.text("from") is not None
        self.asker = Asker(parsed, streams, broad=not exact and (chosen is None or is_broad(chosen)), exact=exact)

    def select(self) -> Connections:
        if self.given is not None:
            return arrange(self.given, None, self.limit)
        if self.namespaces is None or self.keeping.wanted:  # what comes back may come in another one of that name
            self.namespaces = namespaces(self.parsed.text("netns"))
        found = select(self.chosen, where=self.namespaces, details=self.order is not None, droppable=True)
        return arrange(found, self.order, self.limit)

    def run(self, work: Run) -> int:
        report, parsed = work.report, self.parsed
        if self.goes_on:
            status = keep(work, self.keeping, self.select, self.asker, self.teller, self.streams, self.log)
            self._say_end(report, stopped=work.stopped())
            return self._allowed(status)
        selection = self.select()
        report.undecidable, report.unread = selection.undecidable, selection.unread
        # Commands are approved by who runs them.
        this = work.round(selection, None if parsed.flag("as_commands") else self.asker.approve)
        if parsed.flag("as_commands"):
            messages.say_commands(this, self.streams)
        else:
            self.teller.round(this, stopped=work.stopped())
        if not self.dry_run and len(selection):
            self._verify(work)
        status = self._finish(report, stopped=work.stopped())
        if parsed.flag("dry_run") and not (parsed.machine or parsed.flag("as_commands")) and this.count(WOULD_DROP) > 1:
            self._say_what(this.chosen(WOULD_DROP))
        return status

    def _say_what(self, victims: Connections) -> None:
        """A preview shows what the question shows."""
        try:
            self.streams.note(f"tcpdrop: they are {breakdown(victims)}")
        except Error as error:  # of a namespace that has ended by now: the lines are out
            self.streams.note(f"tcpdrop: {error}")

    def log(self, results: Iterable[Result], counts: dict[str, int] | None = None) -> None:
        """Tell the log what became of these, as far as it is to hear of each, and with counts the whole run."""
        parsed, each = self.parsed, self.parsed.flag("syslog")
        if parsed.audited and (each or counts is not None):
            what = "--from" if self.given is not None else "--all" if parsed.flag("all") else str(self.chosen)
            outcomes = ((str(result.connection), result.outcome) for result in results)
            self.streams.flush()
            self.streams.logged(to_syslog(outcomes, counts, what=what, reason=parsed.text("reason"), each=each))

    def _verify(self, work: Run) -> None:
        """Look again; with --yes what came up meanwhile is dropped too, a bounded number of times."""
        if self.given is not None:
            work.verify(lambda: still_there(work.report))
            return
        for _ in range(FURTHER_ROUNDS):
            if work.stopped():
                return
            new = work.verify(self.select)
            if not len(new):
                return
            if self.limit is not None:
                return  # more matched from the start
            if not self.parsed.flag("yes"):
                work.report.later = len(new)
                return
            try:
                self.teller.round(work.round(new), stopped=work.stopped())
            except Error as error:  # the outcomes so far must not be lost
                self.streams.note(f"tcpdrop: {error}")
                work.report.later = len(new)
                return
        work.report.later = len(work.verify(self.select))

    def _finish(self, report: Report, *, stopped: bool) -> int:
        self._say_end(report, stopped=stopped)
        if report.refusal is not None:
            return self._refused(report.refusal)
        return self._allowed(status_of(report.counts, undecidable=report.undecidable, unread=report.unread))

    def _allowed(self, status: int) -> int:
        return 0 if status == NOTHING and self.parsed.flag("allow_none") else status

    def _say_end(self, report: Report, *, stopped: bool) -> None:
        parsed = self.parsed
        if parsed.flag("jsonl") or (parsed.machine and self.goes_on):
            self.teller.end(report.summary())
        elif parsed.machine:
            report_as_json(report, parsed, self.streams, stopped=stopped)
        elif parsed.flag("count"):
            counts = report.counts
            self.streams.data(str(counts.get("dropped", 0) + counts.get("would_drop", 0)))
        if not len(report) and not report.undecidable:
            self.streams.note(f"tcpdrop: {nothing_matched(parsed, self.chosen)}")
        why = undecided(report.undecidable, parsed, self.chosen) if report.undecidable else ""
        messages.say_summary(report, self.streams, stopped=stopped, undecided=why)
        if self.given is None and not self.keeping.wanted and not parsed.flag("quiet"):
            messages.say_hint(report, self.streams)

    def _refused(self, refusal: Error) -> int:
        """A dry run ends as the real one would."""
        self.streams.note(f"tcpdrop: the real run would be refused: {refusal}")
        return REFUSED if isinstance(refusal, Refused) else FAILED
