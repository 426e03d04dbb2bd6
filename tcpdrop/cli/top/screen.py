# SPDX-License-Identifier: BSD-2-Clause
"""The picture of a View on a terminal, by curses.  curses(3).

Every text goes through width.fit(): it fills its columns and cannot leave them.
Meaning never rests on colour alone: marks, "you" and "ended" are words and signs too.
"""

from __future__ import annotations

import curses
import time
from signal import SIG_BLOCK, SIG_SETMASK, SIGTSTP, pthread_sigmask

from ...model.addresses import harmless
from ..width import cut, fit, squeezed, width

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .view import Line, View

    #: title, width, right-aligned, text of a line
    Column = tuple[str, int, bool, Callable[[Line], str]]

#: lines above and below the rows
ABOVE, BELOW = 4, 2
#: outcomes that stay in sight at most
OUTCOMES = 4

HELP = """\
 arrows, PgUp, PgDn, Home, End  move      space    mark the row
 f   edit the filter, live                a        mark all that match; or none
 /   search in the rows                   d, Enter drop the marked rows, or this
 N   the next that was searched for       i        all that is known of the row
 s S sort by the next or previous column  o        what became of each
 r   the other way round                  n        dry run on and off
 p   pause                                q        quit
 1-9 sort by rate state local remote process recvq sendq idle age

 *  marked     +  new since the last look     -  ended since
 you: it carries your own session (--include-self)

 A drop is asked about first, goes by the connection's identity, and its
 outcome stays below the rows."""

KEYS = "space mark  a all  d drop  f filter  / search  i info  n dry run  ? keys  q"


class Screen:
    """Draws; and reads keys."""

    def __init__(self, window: curses.window, *, colours: bool) -> None:
        self.window = window
        window.keypad(True)
        curses.set_escdelay(25)  # milliseconds that Escape waits for the rest of a key
        self._colours = self._start_colours(wanted=colours)
        #: the widest local and remote end so far: columns do not jump at each look
        self._ends = [15, 15]

    @staticmethod
    def _start_colours(*, wanted: bool) -> dict[str, int]:
        """meaning -> attribute; legible without any colour."""
        plain = {"you": curses.A_UNDERLINE, "new": curses.A_BOLD, "ended": curses.A_DIM, "marked": curses.A_BOLD, "bad": curses.A_BOLD}
        if not (wanted and curses.has_colors()):
            return plain
        curses.start_color()
        try:
            curses.use_default_colors()
        except curses.error:  # a terminal that has no way back to its own
            return plain
        colours = {"you": curses.COLOR_CYAN, "new": curses.COLOR_GREEN, "marked": curses.COLOR_YELLOW, "bad": curses.COLOR_RED}
        for number, (meaning, colour) in enumerate(colours.items(), 1):
            curses.init_pair(number, colour, -1)
            plain[meaning] |= curses.color_pair(number)
        return plain

    # ---- size

    @property
    def size(self) -> tuple[int, int]:
        return self.window.getmaxyx()

    def page(self, view: View) -> int:
        """How many rows fit."""
        return max(1, self.size[0] - ABOVE - BELOW - min(len(view.outcomes), OUTCOMES))

    # ---- drawing

    def draw(self, view: View, *, prompt: str | None = None, editing: bool = False) -> None:
        self.window.erase()
        lines = view.lines()
        view.drawn(lines)
        self._put(0, _title(view), curses.A_BOLD)
        typed = _end_of(view.filter_text, self.size[1] - 10) if editing else view.filter_text
        self._put(1, f"filter: {typed}" if view.filter_text or editing else "filter: (f to type one)")
        self._put(2, view.filter_error, self._colours["bad"])
        columns = self._columns(lines)
        self._put(3, "  " + " ".join(fit(title, size, right=right) for title, size, right, _ in columns), curses.A_REVERSE)
        at = view.at_cursor()
        for height, line in enumerate(lines[: self.page(view)]):
            text = _flag(line) + " " + " ".join(fit(read(line), size, right=right) for _, size, right, read in columns)
            self._put(ABOVE + height, text, self._attribute(line) | (curses.A_REVERSE if line.identity == at and not line.ended else 0))
        self._draw_foot(view, prompt, next((view.reason(line) for line in lines if line.identity == at), ""))
        if editing:
            self._move(1, min(self.size[1] - 1, len("filter: ") + width(typed)))
        self._refresh()

    def _columns(self, lines: list[Line]) -> list[Column]:
        for line in lines:
            ends = line.connection.local, line.connection.remote
            self._ends = [max(size, len(str(end))) for size, end in zip(self._ends, ends)]
        return _columns_for(self.size[1], self._ends, netns=any(line.connection.netns is not None for line in lines))

    def _draw_foot(self, view: View, prompt: str | None, why: str) -> None:
        """What became of the last ones; a message, or why the row at the cursor must live; the prompt, or the keys."""
        bottom, columns = self.size[0] - 1, self.size[1] - 1
        kept = view.outcomes[-min(OUTCOMES, len(view.outcomes)) :] if view.outcomes else []
        for number, text in enumerate(reversed(kept)):
            self._put(bottom - BELOW + 1 - number - 1, text, 0 if text.endswith((": dropped", ": would drop")) else self._colours["bad"])
        # What must be read to its end covers the rows above, half of them at most; of a question the end.
        most = max(1, bottom // 2)
        foot = [KEYS] if prompt is None else _wrapped(prompt, columns)[-most:]
        message = _wrapped(view.message or why, columns)[:most]
        looks = [self._colours["bad" if view.message else "you"]] * len(message) + [0] * len(foot)
        for number, (text, look) in enumerate(zip(reversed([*message, *foot]), reversed(looks))):
            self._put(bottom - number, fit(text, columns), look)

    def _attribute(self, line: Line) -> int:
        if line.ended:
            return self._colours["ended"]
        meaning = "you" if line.spared else "marked" if line.marked else "new" if line.new else ""
        return self._colours[meaning] if meaning else 0

    def text(self, title: str, lines: list[str], first: int = 0) -> None:
        """A page of text in the place of the rows."""
        self.window.erase()
        self._put(0, title, curses.A_BOLD)
        room = self.size[0] - 2
        for height, line in enumerate(lines[first : first + room]):
            self._put(1 + height, line)
        more = f"  {first + 1}-{min(len(lines), first + room)} of {len(lines)}" if len(lines) > room else ""
        self._put(self.size[0] - 1, f"any key: back{more}", curses.A_REVERSE)
        self._refresh()

    def _refresh(self) -> None:
        """curses ignores SIGTSTP while it writes, and a ^Z of that moment would be lost: what is held back is not."""
        held = pthread_sigmask(SIG_BLOCK, {SIGTSTP})
        try:
            self.window.refresh()
        finally:
            pthread_sigmask(SIG_SETMASK, held)

    def _put(self, height: int, text: str, attribute: int = 0) -> None:
        rows, columns = self.size
        if not 0 <= height < rows:
            return
        text = cut(harmless(text), columns - 1)
        encoding = self.window.encoding
        text = text.encode(encoding, "replace").decode(encoding)
        try:
            self.window.addstr(height, 0, text, attribute)
        except curses.error:
            pass  # the terminal shrank between the question for its size and now: the next draw fits

    def _move(self, height: int, column: int) -> None:
        try:
            self.window.move(height, column)
        except curses.error:
            pass  # as above

    # ---- keys

    def key(self, seconds: float) -> str | int | None:
        """A character, or a curses.KEY_ number; None when the time was over."""
        self.window.timeout(max(0, int(seconds * 1000)))
        try:
            return self.window.get_wch()
        except curses.error:
            return None


def _end_of(text: str, columns: int) -> str:
    """What is being typed, as it prints: its end must be seen."""
    text = harmless(text)
    if width(text) <= columns:
        return text
    while text and width(text) > columns - 1:
        text = text[1:]
    return f"~{text}"


def _wrapped(text: str, columns: int) -> list[str]:
    """The lines of a text that must be read to its end."""
    lines = [""]
    for word in harmless(text).split():
        if lines[-1] and width(lines[-1]) + 1 + width(word) > columns:
            lines.append(word)
        else:
            lines[-1] += f" {word}" if lines[-1] else word
    return lines


def _title(view: View) -> str:
    number = len(view)
    words = [f"tcpdrop top  {time.strftime('%H:%M:%S')}  {number} connection{'' if number == 1 else 's'}"]
    if view.look is not None and view.look.connections.undecidable:
        words.append(f"{view.look.connections.undecidable} undecided")
    if view.marks:
        words.append(f"{len(view.marks)} marked")
    words.append(f"by {view.order}{' (reversed)' if view.reversed else ''}")
    words += [word for word, on in (("DRY RUN", view.dry_run), ("PAUSED", view.paused)) if on]
    return "  ".join(words)


def _flag(line: Line) -> str:
    return "-" if line.ended else "*" if line.marked else "+" if line.new else " "


def _columns_for(columns: int, ends: list[int], *, netns: bool) -> list[Column]:
    """Each column that fits, the most wanted first.  ends: what the local and the remote end would take."""
    room = columns - 3  # the flag, a blank, and the last column, which no terminal likes to be written
    wanted: list[Column] = [("IN/s", 5, True, _received), ("OUT/s", 5, True, _sent)]
    further: list[Column] = [
        ("RECVQ", 6, True, lambda line: _number(line.connection.recvq)),
        ("SENDQ", 6, True, lambda line: _number(line.connection.sendq)),
        ("IDLE", 5, True, lambda line: _duration(line.connection.idle_ms)),
        ("AGE", 5, True, lambda line: _duration(line.connection.age_ms)),
    ]
    if netns:
        further.insert(0, ("NETNS", 12, False, lambda line: line.connection.netns or ""))
    fixed = 11 + 1 + sum(size + 1 for _, size, _, _ in wanted)
    for_ends = max(20, room - fixed - 1 - 11)
    sizes = _share(for_ends, ends)
    left = room - fixed - sum(sizes) - 2
    process = max(8, min(22, left - 1))
    left -= process + 1
    chosen: list[Column] = [
        ("STATE", 11, False, lambda line: line.connection.state_name),
        ("LOCAL", sizes[0], False, lambda line: squeezed(str(line.connection.local), sizes[0])),
        ("REMOTE", sizes[1], False, lambda line: squeezed(str(line.connection.remote), sizes[1])),
        ("PROCESS", process, False, _process),
        *wanted,
    ]
    for column in further:
        if left >= column[1] + 1:
            chosen.append(column)
            left -= column[1] + 1
    return chosen


def _share(room: int, wanted: list[int]) -> list[int]:
    """What two columns get of a room: what they want, or no more than is fair."""
    if sum(wanted) <= room:
        return wanted
    half = room // 2
    smaller = min(wanted)
    if smaller <= half:
        return [smaller if size == smaller else room - smaller for size in wanted] if wanted[0] != wanted[1] else [half, room - half]
    return [half, room - half]


def _process(line: Line) -> str:
    if line.spared:
        return "you"
    pids = line.connection.pids if line.connection.pids is not None else line.owner.pids
    if pids is None:
        return "?"
    if not pids:
        return "-"
    name = line.owner.process or line.connection.process or ""
    return f"{pids[0]}{f'+{len(pids) - 1}' if len(pids) > 1 else ''} {name}"


def _received(line: Line) -> str:
    return _number(line.rates[0])


def _sent(line: Line) -> str:
    return _number(line.rates[1])


def _number(value: float | None) -> str:
    """At most five characters: 0, 999, 1.2k, 123M; nothing for what is unknown."""
    if value is None:
        return ""
    for unit in ("", "k", "M", "G"):
        if value < 999.5:
            return f"{value:.1f}{unit}" if unit and value < 9.95 else f"{value:.0f}{unit}"
        value /= 1000
    return f"{value:.0f}T"


def _duration(milliseconds: int | None) -> str:
    if milliseconds is None:
        return ""
    seconds = milliseconds // 1000
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"
