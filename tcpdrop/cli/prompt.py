# SPDX-License-Identifier: BSD-2-Clause
"""The question before more than one connection is dropped, and when it is asked at all."""

from __future__ import annotations

import os
import sys

from ..errors import Refused, TooMany
from ..model.addresses import printable, unmapped
from ..model.columns import column
from ..model.rows import FAMILY, INODE, LPORT, RADDR, RPORT, reader
from ..model.table import Connections
from ..system import kernel
from .options import Parsed
from .signals import AtOnce
from .streams import Streams

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import ModuleType
    from typing import TextIO, TypeVar

    T = TypeVar("T")

DEFAULT_MAX = 100


class NotConfirmed(Refused):
    """The question was not answered with yes."""


class Terminal:
    """Where a person is asked, and answers."""

    def __init__(self, reader: TextIO, writer: TextIO) -> None:
        self._reader = reader
        self._writer = writer
        self.descriptor = writer.fileno()

    def write(self, text: str) -> None:
        self._writer.write(text)
        self._writer.flush()

    def ask(self, text: str) -> str:
        """The line that was typed; "" at the end of input."""
        self.write(text)
        return self._reader.readline()


def _of_this_command() -> Terminal | None:
    """Standard input and standard error, if both are a terminal."""
    if sys.stdin is not None and sys.stdin.isatty() and sys.stderr is not None and sys.stderr.isatty():
        return Terminal(sys.stdin, sys.stderr)
    return None


def _controlling() -> Terminal:
    """That of the session, for --ask: standard input may carry --from.  Raises Refused."""
    try:
        reader = open("/dev/tty", encoding="utf-8", errors="replace")  # noqa: SIM115 - both live as long as the command
        return Terminal(reader, open("/dev/tty", "w", encoding="utf-8"))
    except OSError as error:
        raise Refused(f"--ask: there is no terminal to ask at ({error.strerror}): nothing was dropped") from None


class Asker:
    """Decides about the victims of each round that is not approved yet."""

    def __init__(self, parsed: Parsed, streams: Streams, *, broad: bool, exact: bool) -> None:
        self._parsed = parsed
        self._streams = streams
        #: the whole host, or all of a state, a family or a direction: always asked
        self._broad = broad
        #: named one by one: never asked
        self._exact = exact
        self._approved = False
        #: " more" after the first look
        self._more = ""

    def approve(self, victims: Connections) -> list[int] | None:
        """Return to go on: with the numbers of those that were chosen, None for all.  Raises Refused.

        A run that repeats itself is asked about once.  What nobody was asked
        about approves nothing further: --for may find one connection now and
        hundreds at its next look.  Nor does a choice among them.
        """
        chosen = None
        if not (self._approved or (self._exact and not self._parsed.flag("ask")) or self._parsed.flag("yes")):
            chosen = self._decide(victims)
        self._more = " more"
        return chosen

    def _decide(self, victims: Connections) -> list[int] | None:
        """What a person chose, None for all of it."""
        asks = self._parsed.flag("ask")
        terminal = _of_this_command() or (_controlling() if asks else None)
        if terminal is not None:
            # A dry run meets the refusals, and has nothing to ask for.
            if (len(victims) > 1 or self._broad or asks) and not self._parsed.flag("dry_run"):
                chosen = self._ask(victims, terminal)
                self._approved = chosen is None
                return chosen
        elif self._broad:
            broad = "" if self._parsed.flag("all") else ", being as broad as --all"
            raise Refused(f"without a terminal this needs --yes{broad}: nothing was dropped")
        elif len(victims) > DEFAULT_MAX and self._parsed.text("max_drops") is None:
            raise TooMany(
                f"{len(victims)} connections match, and without a terminal at most {DEFAULT_MAX} are dropped: none was",
                hint="--yes, or --max-drops N",
            )
        return None

    def _ask(self, victims: Connections, terminal: Terminal) -> list[int] | None:
        text = question(victims)
        try:
            with AtOnce():
                terminal.write(f"{_KEYS}\n")
                while True:
                    answer = terminal.ask(f"{text} [y/N] ")
                    word = answer.strip().lower()
                    if word in ("y", "yes"):
                        return None
                    if word not in ("l", "i"):
                        break
                    if word == "l":
                        _choosing().show(victims, terminal)
                    else:
                        chosen: list[int] = _choosing().one_by_one(victims, terminal)
                        if chosen:
                            return chosen
                        break
        except (OSError, UnicodeError):  # a terminal that is gone, or not ours to read
            answer = ""
        raise NotConfirmed(f"not confirmed: nothing{self._more} was dropped", hint="" if answer else "the input ended; a script says --yes")


#: what else answers the question
_KEYS = "l lists them, i asks one by one"


def _choosing() -> ModuleType:
    """What looks at them and at their holders; only for who is asked."""
    from . import choosing

    return choosing


def question(victims: Connections) -> str:
    """'Drop 37: 35 in lport 443 (nginx), 2 in lport 22 (sshd), 12 peers?'"""
    return f"Drop {len(victims)}: {breakdown(victims)}?"


def breakdown(victims: Connections) -> str:
    """By service and direction, the most first; how many peers; and what no process was seen to hold."""
    names = _listener_names(victims)
    groups: dict[str, int] = {}
    peers: set[object] = set()
    inodes: list[object] = []
    for batch in victims.batches:
        data = batch.data()
        for (lport, rport), count in _counted(zip(column(data, LPORT), column(data, RPORT))).items():
            group = f"in lport {lport}{names[lport]}" if lport in names else f"out rport {rport}"
            groups[group] = groups.get(group, 0) + count
        peers.update(raddr[:4] if family == 4 else unmapped(raddr) for raddr, family in {*reader(RADDR, FAMILY).iter_unpack(data)})
        inodes += column(data, INODE)
    ordered = sorted(groups.items(), key=lambda item: -item[1])
    shown = [f"{count} {group}" for group, count in ordered[:5]]
    if len(ordered) > 5:
        shown.append(f"{sum(count for _, count in ordered[5:])} elsewhere")
    shown.append(f"{len(peers)} peer{'s' if len(peers) > 1 else ''}")
    held_by_none = _held_by_none(inodes)
    return ", ".join(shown) + (f"; no process is seen to hold {held_by_none}: the kernel's own, like NFS?" if held_by_none else "")


def _counted(values: Iterable[T]) -> dict[T, int]:
    counts: dict[T, int] = {}
    for value in values:
        counts[value] = counts.get(value, 0) + 1
    return counts


def _held_by_none(inodes: list[object]) -> int:
    """How many have an inode and no process that shows; 0 for who does not see what others hold."""
    wanted = {inode for inode in inodes if inode}
    owners = _choosing().scan(wanted, every_holder=False) if wanted else None
    if owners is None or (owners.unread and os.geteuid()):
        return 0
    return sum(1 for inode in inodes if inode and inode not in owners.holders)


def _listener_names(victims: Connections) -> dict[int, str]:
    """port -> ' (nginx)' of each local port that listens; the name is left out where it cannot be read."""
    scan = _choosing().scan
    ports: dict[int, int] = {}
    for batch in victims.batches:
        for row in kernel.listeners(batch.scope):
            ports.setdefault(row[LPORT], row[INODE])
    chosen = {lport for batch in victims.batches for lport in column(batch.data(), LPORT)}
    wanted = {ports[lport] for lport in chosen if lport in ports}
    owners = scan(wanted, every_holder=False) if wanted else None
    names = {}
    for port, inode in ports.items():
        owner = owners.of(inode) if owners is not None and inode in wanted else None
        names[port] = f" ({printable(owner.process)})" if owner is not None and owner.process else ""
    return names
