# SPDX-License-Identifier: BSD-2-Clause
"""The keys of `tcpdrop top`, and what they do.  A drop goes through the same run, approval, protection and audit as `drop`."""

from __future__ import annotations

import curses
import os
import time

from ...errors import Error
from ...model.addresses import harmless
from ..exit_status import FAILED
from ..prompt import question
from .look import ORDERS
from .screen import HELP, Screen
from .view import View

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ...engine.outcome import Report
    from ...model.table import Connections
    from . import Sitting
    from .search import Search

    #: drops these; asks with the victims before the first one.  Raises Error with nothing dropped
    Drop = Callable[[Connections, bool, Callable[[Connections], bool]], Report]

ESCAPE, ENTER, BACKSPACE = "\x1b", ("\n", "\r", curses.KEY_ENTER), ("\x7f", "\b", curses.KEY_BACKSPACE)

#: seconds until it is asked again whether holders were found
SOON = 0.1

#: a key that comes back at once this often without a person: the terminal has died
DEAD = 20


#: in a text that is read
_STEPS: dict[str | int, int] = {curses.KEY_DOWN: 1, curses.KEY_UP: -1, curses.KEY_NPAGE: 10, curses.KEY_PPAGE: -10}


class TerminalGone(Exception):
    """Nobody can press a key any more."""


def sit(sitting: Sitting, text: str, interval: float, *, dry_run: bool, colours: bool) -> None:
    """One sitting, from the first look to q."""

    def work(window: curses.window) -> None:
        view = View(
            sitting.select,
            filter_text=text,
            holder=sitting.holder,
            process=sitting.process,
            spared=sitting.spared,
            protected=sitting.protected,
            dry_run=dry_run,
        )
        App(view, Screen(window, colours=colours), sitting.drop, interval=interval, search=sitting.search).run()

    try:
        _on_screen(work)
    except TerminalGone:
        sitting.status = FAILED


def _on_screen(work: Callable[[curses.window], None]) -> None:
    """With the terminal in curses' hands, and given back whatever comes: curses.wrapper(), which would turn colours on."""
    try:
        told = all(os.get_terminal_size(1))
    except OSError:
        told = False
    if told:  # a size of the environment's would hold whatever it is, and one that is absurd would end the process
        for name in ("LINES", "COLUMNS"):
            os.environ.pop(name, None)
    window = curses.initscr()
    try:
        curses.noecho()
        curses.cbreak()
        work(window)
    finally:
        for give_back in (curses.nocbreak, curses.echo, curses.endwin):
            try:
                give_back()
            except curses.error:
                pass  # a terminal that has died takes nothing back


class App:
    """One sitting."""

    def __init__(self, view: View, screen: Screen, drop: Drop, *, interval: float, search: Search) -> None:
        self.view = view
        self.screen = screen
        self._drop = drop
        self._interval = interval
        self._search = search
        self._searched = ""
        self._empty = 0
        self._moves: dict[object, Callable[[], None]] = {
            **dict.fromkeys((curses.KEY_UP, "k"), lambda: view.move(-1)),
            **dict.fromkeys((curses.KEY_DOWN, "j"), lambda: view.move(1)),
            curses.KEY_PPAGE: lambda: view.move(-view.page),
            curses.KEY_NPAGE: lambda: view.move(view.page),
            curses.KEY_HOME: lambda: view.go_to(0),
            curses.KEY_END: lambda: view.go_to(len(view) - 1),
            " ": view.mark,
            "a": view.mark_all,
            "s": lambda: view.sort_next(1),
            "S": lambda: view.sort_next(-1),
            "r": lambda: view.sort_by(view.order),
            **{str(number): lambda order=order: view.sort_by(order) for number, order in enumerate(ORDERS, 1)},  # type: ignore[misc]
            "N": self._look_on_for,
            "/": self._look_for,
            "f": self._edit_filter,
            "i": self._info,
            "o": lambda: self._read("what became of each", view.outcomes or ["nothing was dropped yet"], from_end=True),
            "?": lambda: self._read("the keys of tcpdrop top", HELP.splitlines()),
            "n": self._toggle_dry_run,
            "p": self._toggle_pause,
            **dict.fromkeys(("d", *ENTER), self._drop_marked),
        }

    def run(self) -> None:
        """Until q."""
        self._look()
        due = time.monotonic() + self._interval
        ahead: str | int | None = None
        while True:
            key, ahead = ahead, None
            if key is None:
                key = self._key(min(due - time.monotonic(), SOON if self._search.busy else self._interval))
            if key == "q":
                return
            if key is not None:
                self._press(key)
                ahead = self.screen.key(0)  # a key that is held comes faster than a slow terminal is drawn
            if time.monotonic() >= due:
                if self.view.paused:
                    self._draw()
                else:
                    self._look()
                due = time.monotonic() + self._interval
            elif (key is not None and ahead is None) or (key is None and self._search.go_on()):
                self._draw()

    def _press(self, key: str | int) -> None:
        if key == curses.KEY_RESIZE:
            curses.update_lines_cols()
        elif key in self._moves:
            self.view.message = ""
            try:
                self._moves[key]()
            except Error as error:  # a rule that cannot be followed by now, say
                self.view.message = str(error)

    def _key(self, seconds: float) -> str | int | None:
        """The next key.  Raises TerminalGone where there can be none."""
        began = time.monotonic()
        key = self.screen.key(max(0.0, seconds))
        if key is not None or time.monotonic() - began >= min(seconds, 0.05):
            self._empty = 0
            return key
        self._empty += 1
        if self._empty > DEAD:
            try:
                os.tcgetpgrp(0)  # EIO from a terminal that was hung up, ENOTTY from what is none
            except OSError:
                raise TerminalGone from None
            self._empty = 0
        return None

    def _look(self) -> None:
        self.view.resize(self.screen.page(self.view))
        try:
            self.view.refresh()
        except Error as error:
            if self.view.look is None:
                raise
            self.view.message = str(error)
        self._draw()
        if self._search.go_on():
            self._draw()

    def _draw(self, prompt: str | None = None, *, editing: bool = False) -> None:
        self.view.resize(self.screen.page(self.view))
        self.screen.draw(self.view, prompt=prompt, editing=editing)

    # ---- typing

    def _type(self, text: str, changed: Callable[[str], None], prompt: Callable[[str], str | None], *, editing: bool = False) -> str | None:
        """A line of text: told to `changed` at each key.  None when it was left by Escape."""
        while True:
            self._draw(prompt(text), editing=editing)
            key = self._key(3600)
            if key == ESCAPE:
                return None
            if key in ENTER:
                return text
            if key in BACKSPACE:
                text = text[:-1]
            elif key == "\x15":  # ^U
                text = ""
            elif key == "\x17":  # ^W
                text = text.rstrip().rpartition(" ")[0]
            elif isinstance(key, str) and key.isprintable():
                text += key
            else:
                continue
            changed(text)

    def _edit_filter(self) -> None:
        before = self.view.filter_text

        def changed(text: str) -> None:
            try:
                self.view.set_filter(text)
            except Error as error:
                self.view.filter_error = str(error)

        text = self._type(before, changed, lambda text: "Enter: keep   Escape: as it was   ^U: empty", editing=True)
        if text is None or self.view.filter_error:
            self.view.set_filter(before)

    def _look_for(self) -> None:
        text = self._type("", lambda text: None, lambda text: f"/{text}")
        if text:
            self._searched = text
            self._look_on_for()

    def _look_on_for(self) -> None:
        self.view.search(self._searched)

    # ---- reading

    def _info(self) -> None:
        look, identity = self.view.look, self.view.at_cursor()
        if look is None or identity is None:
            return
        line = next((line for line in self.view.lines() if line.identity == identity), None)
        if line is None:
            return
        facts: dict[str, object] = {"protected_by": self.view.why_protected(identity) or "nothing", **line.connection.as_dict()}
        if facts["pids"] is None:
            facts["pids"], facts["process"] = line.owner.pids, line.owner.process
        shown = [f"{name:<15} {_said(value)}" for name, value in facts.items()]
        self._read(str(line.connection), shown)

    def _read(self, title: str, lines: list[str], *, from_end: bool = False) -> None:
        """Text that is paged until another key."""
        first = max(0, len(lines) - (self.screen.size[0] - 2)) if from_end else 0
        while True:
            self.screen.text(title, lines, first)
            key = self._key(3600)
            step = 0 if key is None else _STEPS.get(key, 0)
            if step:
                first = max(0, min(first + step, len(lines) - (self.screen.size[0] - 2)))
            elif key == curses.KEY_RESIZE:
                curses.update_lines_cols()
            elif key is not None:
                return

    # ---- doing

    def _toggle_dry_run(self) -> None:
        self.view.dry_run = not self.view.dry_run

    def _toggle_pause(self) -> None:
        self.view.paused = not self.view.paused

    def _drop_marked(self) -> None:
        view = self.view
        if view.look is None:
            return
        victims = view.look.chosen(view.victims())
        if not len(victims):
            view.message = "nothing is marked, and no row is at the cursor"
            return
        try:
            report = self._drop(victims, view.dry_run, self._approve)
        except Error as error:
            view.message = str(error)
            return
        told = [f"{result.connection}: {_fate(result.outcome, result.error)}" for result in report]
        view.tell(told)
        if report.refusal is not None:
            view.message = f"the real run would be refused: {report.refusal}"
        self._look()

    def _approve(self, victims: Connections) -> bool:
        """Did the person say yes?"""
        self._draw(f"{question(victims)} [y/N] ")
        while True:
            key = self._key(3600)
            if key is not None and key != curses.KEY_RESIZE:
                return key in ("y", "Y")


def _said(value: object) -> str:
    """A fact, for people."""
    if value is None:
        return "unknown"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return harmless(", ".join(map(str, value)) if isinstance(value, (tuple, list)) else str(value))


def _fate(outcome: str, error: Error | None) -> str:
    if error is not None:
        return f"{error.message} ({error.hint})" if error.hint else error.message
    return outcome.replace("_", " ")
