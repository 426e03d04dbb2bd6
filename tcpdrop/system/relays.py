# SPDX-License-Identifier: BSD-2-Clause
"""Through which processes bytes come to a process, other than by TCP: pipes, FIFOs, terminals and UNIX sockets.

A relay may take a connection in and hand it on by one of these: `nc -l <fifo |
nc host 22 >fifo`, socat to a UNIX socket, tmux to who is attached.  What each
process holds is read once.  proc_pid_fd(5), proc_pid_fdinfo(5), unix(7).
"""

from __future__ import annotations

from ..errors import NotFound, NotSupported
from . import kernel, procfs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator

    #: a process, and the fdinfo of one of its descriptors
    End = tuple[int, str]
    #: a process, and of its pipes those that lead further: what it reads, "r", what it writes, "w", or BOTH
    Way = tuple[int, str]

#: files that everybody has open at both ends, and over which nothing comes
_NO_FIFOS = ("/dev/", "/run/systemd/", "/memfd:", "/proc/", "/sys/")

#: reading and writing
BOTH = "rw"

#: descriptors of which to read costs some milliseconds
_MANY = 1024


class Partners:
    """Who has the other ends of what a process holds.

    givers, takers: who writes what it reads by a pipe or a FIFO, and who reads what it writes.
    paired: of a pair of sockets; also who is at a terminal that this one shows it.  shown: who shows it a terminal.
    came: who has connected to it by a UNIX socket.  asked: to whom it has connected itself.
    unknown: inodes of sockets that may be UNIX sockets.  hidden: of which of these nobody was seen to have another end.
    """

    __slots__ = ("asked", "came", "givers", "hidden", "paired", "shown", "takers", "unknown")

    def __init__(self) -> None:
        self.givers: set[int] = set()
        self.takers: set[int] = set()
        self.paired: set[int] = set()
        self.shown: set[int] = set()
        self.came: set[int] = set()
        self.asked: set[int] = set()
        self.unknown: set[int] = set()
        self.hidden: set[str] = set()

    @property
    def beside(self) -> set[int]:
        return self.givers | self.takers | self.paired

    @property
    def beside_by_way(self) -> set[Way]:
        return {(one, "r") for one in self.givers} | {(one, "w") for one in self.takers} | {(one, BOTH) for one in self.paired}


class Relays:
    """One look at what all processes hold.

    Of a process with many descriptors that is read once it is asked for, or who has the other end of a stream is: who
    was seen to have it may have inherited it, and it is the one with many that hands it on.
    """

    def __init__(self, scopes: Iterable[int | None]) -> None:
        self._held: dict[int, list[tuple[str, str]]] = {}
        self._later: set[int] = set()
        #: of a pipe or a FIFO, who has it and for what: as far as was asked
        self._ways: dict[str, dict[int, set[str]]] = {}
        self._ends: dict[str, list[End]] = {}
        #: somebody could not be looked at
        self._blind = procfs.some_are_hidden()
        for pid in procfs.all_pids():
            if procfs.count_of_descriptors(pid) > _MANY:
                self._later.add(pid)
            else:
                self._read(pid)
        #: inode -> that of its peer, or None, and whether it has a name; None where none of that shows
        self._unix: dict[int, tuple[int | None, bool]] | None = {}
        try:
            for scope in scopes:
                self._unix.update((inode, (peer, named)) for inode, peer, named in unix_sockets(scope))
        except NotSupported:
            self._unix = {}  # a system that tells nobody: those are not followed there
        except OSError:
            self._unix = None

    def _read(self, pid: int) -> None:
        mine = self._held[pid] = []
        try:
            for link, fdinfo in procfs.streams_of(pid):
                name = _name_of(link, fdinfo)
                if name:
                    mine.append((name, fdinfo))
                    self._ends.setdefault(name, []).append((pid, fdinfo))
        except (FileNotFoundError, ProcessLookupError):
            pass  # it has ended
        except OSError:
            self._blind = True

    def _of(self, pid: int) -> list[tuple[str, str]]:
        if pid in self._later:
            self._later.remove(pid)
            self._read(pid)
            self._ways.clear()
        return self._held.get(pid, [])

    def _look_on(self) -> None:
        for pid in sorted(self._later):
            self._of(pid)

    def partners(self, pid: int, *, inner: bool, only: Container[int] | None = None, way: str = BOTH) -> Partners:
        """inner: also those at a terminal that this process shows them.  only: of these descriptors.

        way: of pipes and FIFOs those that it reads, "r", or writes, "w".
        """
        found = Partners()
        held: dict[str, list[str]] = {}
        for name, fdinfo in self._of(pid):
            if only is None or int(fdinfo.rpartition("/")[2]) in only:
                held.setdefault(name, []).append(fdinfo)
        for name, each in held.items():
            kind, _, number = name.partition(":")
            if kind == "socket":
                self._by_unix(int(number), found)
            elif kind == "slave":
                found.shown.update(self._who(f"master:{number}"))
            elif kind == "master":
                found.paired.update(self._who(f"slave:{number}") if inner else ())
            elif kind == "pipe":
                self._by_pipe(name, each, way, found)
            elif _may_be_fifo(each[0]):
                self._look_on()
                self._take_ends(name, _ways(each) & set(way), found)
        for some in (found.givers, found.takers, found.paired, found.shown, found.came, found.asked):
            some.discard(pid)
        return found

    def _by_pipe(self, name: str, each: list[str], way: str, found: Partners) -> None:
        mine = _ways(each) & set(way)
        if not mine or (self._later and _is_cut(int(name[5:]), each[0])):
            return
        if "r" in mine or not self._take_ends(name, mine, found):  # who takes what we write only listens: one is enough
            self._look_on()
        if not self._take_ends(name, mine, found) and self._blind and not _is_cut(int(name[5:]), each[0]):
            found.hidden.add("beside")

    def _take_ends(self, name: str, mine: set[str], found: Partners) -> bool:
        """Who has an end that belongs to one of ours?  Is there anybody, if only the process itself?"""
        ways = self._ways_by_pid(name)
        givers = {pid for pid, theirs in ways.items() if "r" in mine and "w" in theirs}
        takers = {pid for pid, theirs in ways.items() if "w" in mine and "r" in theirs}
        found.givers |= givers
        found.takers |= takers
        return bool(givers or takers)

    def _ways_by_pid(self, name: str) -> dict[int, set[str]]:
        if name not in self._ways:
            ends: dict[int, list[str]] = {}
            for pid, fdinfo in self._ends[name]:
                ends.setdefault(pid, []).append(fdinfo)
            self._ways[name] = {pid: _ways(each) for pid, each in ends.items() if name.startswith("pipe:") or _field(each[0], "pos") == "0"}
        return self._ways[name]

    def sharers(self, pid: int) -> set[int]:
        """Who has both ends of a pipe of which this process has both: any takes out what any puts in, as make's do for their jobs."""
        found: set[int] = set()
        for name in {name for name, _ in self._of(pid) if name.startswith("pipe:")}:
            both = {one for one, some in self._ways_by_pid(name).items() if some == set(BOTH)}
            found |= both if pid in both else set()
        return found - {pid}

    def sockets_of(self, pid: int) -> set[int]:
        """The inodes of all its sockets."""
        return {int(name[7:]) for name, _ in self._of(pid) if name.startswith("socket:")}

    def _who(self, name: str) -> Iterator[int]:
        self._look_on()
        return (pid for pid, _ in self._ends.get(name, ()))

    def _by_unix(self, inode: int, found: Partners) -> None:
        if self._unix is None:
            found.unknown.add(inode)
            return
        if inode not in self._unix:
            return
        peer, named = self._unix[inode]
        if peer is None:  # what has no name may be of a pair, or have connected to a name
            found.hidden.update(["came"] if named else ["beside", "asked"])
            return
        others = set(self._who(f"socket:{peer}"))
        # What was accepted has its listener's name, who connects mostly has none, and a pair has none.
        kind = "came" if named else "asked" if self._unix.get(peer, (0, False))[1] else "paired"
        getattr(found, kind).update(others)
        if not others:
            found.hidden.add("beside" if kind == "paired" else kind)


def unix_sockets(scope: int | None = None) -> list[tuple[int, int | None, bool]]:
    """Each connected UNIX socket made in this namespace: its inode, that of its peer, and whether it has a name.

    The peer is None where the kernel has no unix_diag, or may not load it, as
    in a container; of our own namespace /proc/net/unix tells the rest.
    """
    try:
        return [*kernel.unix_sockets(scope)]
    except NotFound:
        if scope is not None:
            raise
        return procfs.unix_sockets()


def _name_of(link: str, fdinfo: str) -> str:
    """What both ends of a stream have in common; "" for what is none."""
    if link.startswith("socket:["):
        return f"socket:{link[8:-1]}"
    if link.startswith("pipe:["):
        return f"pipe:{link[6:-1]}"
    if link.startswith("/dev/pts/") and link[9:].isdigit():
        return f"slave:{link[9:]}"
    if link in ("/dev/ptmx", "/dev/pts/ptmx"):
        return f"master:{_field(fdinfo, 'tty-index')}"
    return f"fifo:{link}" if link.startswith("/") and not link.startswith(_NO_FIFOS) else ""


def _field(fdinfo: str, name: str) -> str:
    return next((line.partition(":")[2].strip() for line in procfs.text_of(fdinfo).splitlines() if line.startswith(f"{name}:")), "")


def _is_cut(inode: int, fdinfo: str) -> bool:
    """Has certainly nobody the other end of this pipe?  Its writer has closed it, say, which tells its end."""
    _, _, pid, *thread, _, number = fdinfo.split("/")
    return not thread and kernel.pipe_is_cut(int(pid), int(number), inode)


def may_be_fifo(link: str, fdinfo: str) -> bool:
    return _name_of(link, fdinfo).startswith("fifo:") and _may_be_fifo(fdinfo)


def _may_be_fifo(fdinfo: str) -> bool:
    # No FIFO's position moves.
    return _field(fdinfo, "pos") == "0" and kernel.is_fifo(fdinfo.replace("/fdinfo/", "/fd/")) is not False


def _ways(each: Iterable[str]) -> set[str]:
    found: set[str] = set()
    for fdinfo in each:
        found.update(ways_of(fdinfo))
        if len(found) == len(BOTH):
            break
    return found


def ways_of(fdinfo: str) -> str:
    """ "r", "w" or both: for what a descriptor was opened."""
    flags = _field(fdinfo, "flags")
    return ("r", "w", BOTH, "")[int(flags, 8) & 3] if flags else BOTH  # as far as can be told
