# SPDX-License-Identifier: BSD-2-Clause
"""tcpdrop top: look, choose, drop, on a whole terminal.

Loaded by no other form; curses is loaded here.
"""

from __future__ import annotations

import os
import sys
import time

from ...engine.audit import to_syslog
from ...engine.methods import AUTO, check_method
from ...engine.run import Run, still_there
from ...errors import Refused
from ...filters import all_of
from ...filters.selection import select
from ...model.connection import Connection, Owner
from ...safety.guard import Guard
from ...safety.rules import Rules
from ...system.netns import scopes_of
from ..exit_status import DONE, FAILED
from ..options import Parsed, UsageError
from ..selectors import check_zone, filter_of, protecting, seconds
from ..signals import AtOnce, Interrupted
from ..streams import Stop, Streams
from .look import Look
from .search import Search

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ...engine.outcome import Report
    from ...filters import Filter
    from ...model.table import Connections

#: seconds between two looks
INTERVAL = 2.0
#: seconds after which the operator's session is looked for again to be shown, or later where that takes long
AGAIN = 10.0


def run(parsed: Parsed, streams: Streams) -> int:
    interval = seconds(parsed, "interval", "--interval")  # before the filter, whose first word it may have taken
    if interval == 0:
        raise UsageError("--interval is longer than nothing")
    method = check_method(parsed.text("method") or AUTO)
    fixed = filter_of(parsed, [])  # -4, -6, --mine and literal selectors
    text = " ".join(parsed.operands)
    typed = filter_of(parsed, parsed.operands)  # a mistake is told before the screen is taken
    if typed is not None:
        typed.refuse_listeners()
    check_zone(parsed)
    protect = protecting(parsed)
    if not _terminal():
        raise UsageError("'top' needs a terminal on standard input and output; 'list' prints")
    try:
        import curses
    except ImportError:  # a Python built without it
        streams.note("tcpdrop: this Python has no curses module, which 'top' draws with; 'list' prints")
        return FAILED
    from .app import sit  # it draws with curses

    Rules(protect, lambda: scopes_of(parsed.text("netns")))  # a file that cannot be trusted stops here, as it would stop a drop
    sitting = Sitting(parsed, fixed, protect, method)
    try:
        with AtOnce():
            sit(sitting, text, interval or INTERVAL, dry_run=parsed.flag("dry_run"), colours=parsed.coloured(terminal=True))
    except Interrupted as signal:
        return 128 + signal.number
    except curses.error as error:
        streams.note(f"tcpdrop: this terminal cannot be drawn on: {error}")
        return FAILED
    finally:
        sitting.tell(streams)
    return sitting.status


def _terminal() -> bool:
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout)) and os.environ.get("TERM", "dumb") != "dumb"


def _whys(guard: Guard, connections: Connections) -> dict[int, str]:
    """The number of each that must live -> why."""
    found, start = {}, 0
    for batch, spared in zip(connections.batches, guard.protected(connections)):
        found.update({start + number: why.hint or why.message for number, why in spared.items()})
        start += len(batch)
    return found


class Sitting:
    """What the screen asks of the system."""

    def __init__(self, parsed: Parsed, fixed: Filter | None, protect: list[Filter], method: str) -> None:
        self._parsed = parsed
        self._fixed = fixed
        self._protect = protect
        self._method = method
        self._look: Look | None = None
        self.search = Search()
        self._session: Guard | None = None
        self._session_due = 0.0
        self._logins: dict[Connection, str] | None = None
        self._counts: dict[str, int] = {}
        self._unlogged = ""
        self.status = DONE

    def select(self, chosen: Filter | None) -> Look:
        """What is there now."""
        both = [one for one in (self._fixed, chosen) if one is not None]
        found = None
        if both:
            found = all_of(both)
        if time.monotonic() >= self._session_due:
            self._session = None
        connections = select(found, where=self._parsed.text("netns"), details=True, droppable=True)
        self._look = Look(connections, self._look)
        return self._look

    def holder(self, connection: Connection) -> Owner:
        """Who holds it, as far as that was found by now."""
        return self.search.of(connection.inode) or connection.owner

    def process(self, inode: int) -> str | None:
        return self.search.names.get(inode)

    def spared(self, connections: Connections) -> dict[int, str]:
        """Which of them carry the operator's own session, and by whom that is told."""
        if self._parsed.flag("include_self"):
            return {}
        if self._session is None:
            began = time.process_time()
            self._session, self._logins = Guard(), None
            # Where the login cannot be told each answer rests on a look at all that is there: it is asked for once.
            if self._session.warning and self._look is not None:
                everything = self._look.connections
                self._logins = {everything[number]: why for number, why in _whys(self._session, everything).items()}
            self._session_due = time.monotonic() + max(AGAIN, 20 * (time.process_time() - began))
        if self._logins is None:
            return _whys(self._session, connections)
        return {number: self._logins[one] for number, one in enumerate(connections) if one in self._logins}

    def protected(self, connections: Connections) -> dict[int, str]:
        """Which of them a drop would spare, and why: also by rules, each of which asks for all that is there."""
        return _whys(self._guard(), connections)

    def _guard(self) -> Guard:
        rules = Rules(self._protect, lambda: scopes_of(self._parsed.text("netns")))
        return Guard(include_self=self._parsed.flag("include_self"), rules=rules)

    def drop(self, victims: Connections, dry_run: bool, approve: Callable[[Connections], bool]) -> Report:
        """As `tcpdrop drop` does it.  Raises Error with nothing dropped."""

        def ask(connections: Connections) -> None:
            with AtOnce():  # whoever is asked may leave
                if not approve(connections):
                    raise Refused("not confirmed: nothing was dropped")

        with Stop() as stop:
            work = Run(self._guard(), dry_run=dry_run, method=self._method, stopped=stop)
            work.round(victims, None if dry_run else ask)
            if not dry_run:
                work.verify(lambda: still_there(work.report))
        if not dry_run:
            self._audit(work.report)
        if stop.number:
            raise Interrupted(stop.number)
        return work.report

    def _audit(self, report: Report) -> None:
        for outcome, number in report.counts.items():
            self._counts[outcome] = self._counts.get(outcome, 0) + number
        if self._parsed.audited:
            outcomes = ((str(result.connection), result.outcome) for result in report)
            reason, each = self._parsed.text("reason"), self._parsed.flag("syslog")
            self._unlogged = to_syslog(outcomes, report.counts, what="top", reason=reason, each=each) or self._unlogged

    def tell(self, streams: Streams) -> None:
        """Back on the shell's screen: what was done."""
        streams.logged(self._unlogged)
        if self._counts:
            streams.note("tcpdrop: " + ", ".join(f"{number} {outcome.replace('_', ' ')}" for outcome, number in self._counts.items()))
