# SPDX-License-Identifier: BSD-2-Clause
"""Which processes hold a socket, on Linux: /proc/PID/fd, and /proc/PID/task/TID/fd, name sockets by inode.

Nothing here raises for what it may not read.  It keeps count instead: a
process whose descriptors could not be read may hold anything, and processes
that /proc does not show (hidepid, another PID namespace) may too.

That a process holds a socket is seen.  That nobody does is never known: it may
be registered with an io_uring that has no descriptor, be under way in a message (SCM_RIGHTS), or have
gone from a process that was not read yet to one that had been.  So a socket of
which no holder was seen is looked for a second time, and stays unknown then: it
is denied only what no process of the host is.
"""

from __future__ import annotations

from ..model.connection import Owner
from ..model.rows import INODE
from . import platform, procfs
from .processes import Processes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, Optional

    from ..model.rows import Row
    from .sunos_fdinfo import Held

    Answer = Optional[bool]


class Owners:
    """What a scan found.

    holders: inode -> pids, ascending, of those who hold it as far as could be seen.
    unread: processes whose descriptors could not be read.
    hidden: there may be processes that /proc does not show.
    everyone: all processes that /proc shows were looked at, not only named ones.
    by_ends: where descriptors do not name sockets by inode, what some processes hold.
    """

    __slots__ = ("_possible", "by_ends", "everyone", "hidden", "holders", "processes", "read", "unread")

    def __init__(self, holders: dict[int, list[int]], read: set[int], unread: tuple[int, ...], *, hidden: bool, everyone: bool) -> None:
        self.holders = holders
        self.read = read
        self.unread = unread
        self.hidden = hidden
        self.everyone = everyone
        self.by_ends: Held | None = None
        self.processes = Processes()
        self._possible: dict[object, bool] = {}

    def of(self, inode: int) -> Owner | None:
        """The holders of a socket, with the name of the first; None: none was seen."""
        pids = self.holders.get(inode) if inode else None
        if not pids:
            return None
        return Owner(tuple(pids), self.processes.comm(pids[0]), self.unread if self.everyone and not self.hidden else None)

    def has(self, pid: int, row: Row) -> Answer:
        """Has this process to do with the connection, as `pid` means it?  None: it cannot be told."""
        if self.by_ends is not None:
            return self.by_ends.has(pid, row)
        return self.holds(pid, row[INODE]) if row[INODE] else None

    def holds(self, pid: int, inode: int) -> Answer:
        """Does this process hold the socket?  None: it cannot be told.

        Where only named processes were looked at, what one of them was not seen to hold counts as not
        held by it: enough to select, not to deny (Filter.needs() sees to that).
        """
        if pid in self.holders.get(inode, ()):
            return True
        if not self.everyone:
            return False if pid in self.read else None
        if pid in self.unread or (self.hidden and pid not in self.read):
            return None
        if pid not in self.read:
            leader = self.processes.leader(pid)  # a thread has an id too, by which /proc/ID is there and not listed
            return False if leader is None or leader == pid else self.holds(leader, inode)
        return False if self.holders.get(inode) else None

    def any_holder(self, inode: int, key: object, test: Callable[[int], Answer]) -> Answer:
        """Does the test hold for the pid of any holder?

        A process that could not be read counts only if the test would hold for
        it; where no holder was seen, each process of the host counts so.  `key`
        stands for the test: its answers for those are kept.
        """
        pids = self.holders.get(inode, ())
        answer: Answer = False
        for pid in pids:
            one = test(pid)
            if one:
                return True
            if one is None:
                answer = None
        if answer is None or not self.everyone or self.hidden:  # what does not show may be anybody
            return None
        return None if self._may_hold(key, test, unseen=not pids) else False

    def _may_hold(self, key: object, test: Callable[[int], Answer], *, unseen: bool) -> bool:
        """Does the test hold, as far as can be told, for a process that was not seen to hold the socket and may?"""
        possible = self._possible.get((key, unseen))
        if possible is None:
            others = self.read | {*self.unread} if unseen else self.unread
            answers = ((pid, test(pid)) for pid in others)
            possible = any(answer or (answer is None and platform.process_exists(pid)) for pid, answer in answers)
            self._possible[key, unseen] = possible
        return possible

    def look_again(self, inodes: Iterable[Any]) -> None:
        """Look a second time for those of these sockets of which no holder was seen."""
        missing = {inode for inode in inodes if inode and inode not in self.holders}
        if not (missing and self.everyone):
            return
        again = _look(missing, None)
        for inode, pids in again.holders.items():
            self.holders.setdefault(inode, pids)
        self.read |= again.read
        self.unread = tuple(sorted({*self.unread, *again.unread}))


def scan(inodes: Iterable[int] | None = None, pids: Iterable[int] | None = None, *, every_holder: bool = True) -> Owners:
    """Look for the holders of these sockets (None: of all) among these processes (None: all).

    every_holder=False stops as soon as each socket has one holder: enough to
    name a process, not to deny one.
    """
    inodes = None if inodes is None else set(inodes)
    found = _look(inodes, pids, every_holder=every_holder)
    if inodes is not None:
        found.look_again(inodes)
    return found


def _look(inodes: Iterable[int] | None, pids: Iterable[int] | None, *, every_holder: bool = True) -> Owners:
    """One look, process by process: /proc shows no two of them at one moment."""
    wanted = None if inodes is None else {f"socket:[{inode}]": inode for inode in inodes if inode}
    # Processes named one by one are few: missing one of them is no reason to look around.
    named = None if pids is None else sorted(set(pids))
    holders: dict[int, list[int]] = {}
    read: set[int] = set()
    unread: list[int] = []
    nothing = wanted is not None and not wanted
    everyone = named is None and not nothing
    for pid in () if nothing else procfs.all_pids() if named is None else named:
        if _read_process(pid, wanted, holders):
            read.add(pid)
        else:
            unread.append(pid)
        if not every_holder and wanted is not None and len(holders) == len(wanted):
            everyone = False
            break
    return Owners(holders, read, tuple(unread), hidden=procfs.some_are_hidden(), everyone=everyone)


def scan_named(pids: Iterable[int], inodes: Iterable[int] | None = None) -> Owners:
    """What these processes hold, however this system tells it."""
    if platform.HELD_BY_ENDS:
        from .sunos_fdinfo import Held  # no system else needs it

        found = Owners({}, set(), (), hidden=False, everyone=False)
        found.by_ends = Held(pids)
        return found
    return scan(inodes, pids)


def _read_process(pid: int, wanted: dict[str, int] | None, holders: dict[int, list[int]]) -> bool:
    """Add the process to the holders of each socket it holds; False if it could not be read."""
    mine: set[int] = set()
    readable = True
    try:
        for link in procfs.links_of(pid):
            if wanted is None:
                if link.startswith("socket:["):
                    mine.add(int(link[8:-1]))
            elif link in wanted:
                mine.add(wanted[link])
    except (FileNotFoundError, ProcessLookupError):
        # It is gone, and holds nothing any more; or /proc does not show it (hidepid).  Of a zombie it shows no descriptors.
        readable = platform.process_exists(pid) or platform.process_is_absent(pid)
    except OSError:
        readable = False
    for inode in mine:
        holders.setdefault(inode, []).append(pid)
    return readable
