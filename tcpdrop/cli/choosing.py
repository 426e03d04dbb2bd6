# SPDX-License-Identifier: BSD-2-Clause
"""At the question: the rows that are meant, by the page, and the choice among them one by one.

Loaded where the question is asked.
"""

from __future__ import annotations

from ..model.addresses import harmless
from ..system.holders import scan
from .width import cut, terminal_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..model.connection import Connection
    from ..model.table import Connections
    from .prompt import Terminal


def show(victims: Connections, terminal: Terminal) -> None:
    """All of them, stopping when the screen is full; q leaves it."""
    size = terminal_size(terminal.descriptor)
    page = max(1, size.lines - 1)  # the last line asks
    for start in range(0, len(victims), page):
        numbers = range(start, min(len(victims), start + page))
        for line in _lines(victims, numbers, size.columns):
            terminal.write(line + "\n")
        if numbers.stop < len(victims):
            answer = terminal.ask(f"{numbers.stop} of {len(victims)}; Enter: more, q: enough ")
            if not answer or answer.strip().lower().startswith("q"):
                return


def one_by_one(victims: Connections, terminal: Terminal) -> list[int]:
    """The numbers of those that were answered with y.  a: this and all that follow; q, or the end of input: none from here on."""
    kept: list[int] = []
    columns = terminal_size(terminal.descriptor).columns
    for number in range(len(victims)):
        (line,) = _lines(victims, range(number, number + 1), columns)
        answer = terminal.ask(f"{line}\n  {number + 1} of {len(victims)}, drop it? y, n, a: all from here, q: no more [y/N] ")
        word = answer.strip().lower()
        if word in ("y", "yes"):
            kept.append(number)
        elif word == "a":
            return [*kept, *range(number, len(victims))]
        elif word == "q" or not answer:
            return kept
    return kept


def _lines(victims: Connections, numbers: range, columns: int) -> list[str]:
    """STATE LOCAL REMOTE PID PROCESS of these; who holds them is looked for here only."""
    some = [victims[number] for number in numbers]
    inodes = {connection.inode for connection in some if connection.inode}
    owners = scan(inodes, every_holder=False) if inodes else None
    lines = []
    for connection in some:
        owner = owners.of(connection.inode) if owners is not None and connection.inode else None
        holder = "" if owner is None or not owner.pids else f"  {owner.pids[0]} {harmless(owner.process or '')}"
        lines.append(cut(_row(connection) + holder, columns - 1))
    return lines


def _row(connection: Connection) -> str:
    place = "" if connection.netns is None else f"{harmless(connection.netns)} "
    return f"{place}{connection.state_name:<11} {connection.local!s:<21} {connection.remote!s:<21}".rstrip()
