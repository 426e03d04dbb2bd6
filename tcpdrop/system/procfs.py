# SPDX-License-Identifier: BSD-2-Clause
"""Reading /proc, proc(5): the one place that opens its files.

What raises, raises OSError as the file does: unreadable is not empty.  Linux
says in text what Solaris and illumos say in a structure (sunos_psinfo.py); there
descriptors do not name sockets, so socket_inodes() always raises
(sunos_fdinfo.py knows another way).
"""

from __future__ import annotations

import errno
import os
from _struct import Struct

from ..errors import NotSupported
from ..model.addresses import is_number, printable
from . import kernel

#: inode, descriptor
_SOCKETS = Struct("=QQ")
#: /proc/self/ns/pid of the machine itself: the kernel's PROC_PID_INIT_INO
_FIRST_PID_NAMESPACE = "pid:[4026531836]"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .sunos_psinfo import PsInfo


# ---- files


def read(path: str) -> bytes:
    """A whole file; half the time of open(), which builds two objects around the descriptor."""
    file = os.open(path, os.O_RDONLY)
    try:
        text = part = os.read(file, 4096)
        while part:
            part = os.read(file, 65536)
            text += part
        return text
    finally:
        os.close(file)


def text_of(path: str) -> str:
    """A whole file as text; "" when it cannot be read."""
    try:
        return read(path).decode("utf-8", "replace")
    except OSError:
        return ""


def lines_of(path: str) -> list[str]:
    """The lines of text_of().  Names may have anything in them but a line's end: str.splitlines() would break at more."""
    return text_of(path).split("\n")


def mounts() -> list[list[str]]:
    """The fields of each mount: device, path, type, options.  None where there is no such file."""
    try:
        return [line.split(" ") for line in read("/proc/self/mounts").decode("utf-8", "surrogateescape").split("\n")]
    except OSError:
        return []


def mounts_of(kind: str) -> list[tuple[str, int, str]]:
    """(path, device number, which of its directories is seen there) of each mounted file system of this type.  proc_pid_mountinfo(5)."""
    found = []
    for line in lines_of("/proc/self/mountinfo"):
        fields, _, rest = line.partition(" - ")
        words = fields.split(" ")
        if rest.split(" ")[0] == kind and len(words) > 4:
            major, _, minor = words[2].partition(":")
            if all(is_number(part) and len(part) < 10 for part in (major, minor)):  # what makedev(3) takes
                found.append((_unescaped(words[4]), os.makedev(int(major), int(minor)), _unescaped(words[3])))
    return found


def _unescaped(path: str) -> str:
    """'/a\\040b' -> '/a b', as mount tables are written."""
    for code in ("040", "011", "012", "134"):
        path = path.replace("\\" + code, chr(int(code, 8)))
    return path


# ---- all processes


def all_pids() -> list[int]:
    """Ascending: servers first, and after them their children, who inherit."""
    try:
        return sorted(int(name) for name in os.listdir("/proc") if name.isdigit())
    except OSError:
        return []


def some_are_hidden() -> bool:
    """May there be processes that /proc does not show: another user's (hidepid), another PID namespace's?"""
    try:
        os.stat("/proc/1")
        return os.readlink("/proc/self/ns/pid") != _FIRST_PID_NAMESPACE
    except OSError:
        return True


# ---- one process


class Process:
    """One process, as far as it may be read."""

    __slots__ = ("complete", "parent", "sockets", "value")

    def __init__(self, parent: int, sockets: dict[int, int], value: bytes | None, *, complete: bool) -> None:
        #: the parent's pid; 0 for the first process, for one of another PID namespace and where it cannot be read
        self.parent = parent
        #: inode -> descriptor of the sockets that it holds
        self.sockets = sockets
        #: what the environment variable was that it was started with
        self.value = value
        #: nothing of this was unreadable
        self.complete = complete


def process(pid: int, variable: bytes) -> Process:
    """A process's parent, sockets and a variable of its environment.  Raises OSError when it is gone."""
    try:
        parent, packed, value = kernel.process(pid, variable)
    except NotSupported:
        return _by_parts(pid, variable)
    complete = parent >= 0 and not isinstance(packed, int) and not isinstance(value, int)
    pairs = () if isinstance(packed, int) else _SOCKETS.iter_unpack(packed)
    return Process(max(parent, 0), dict(pairs), None if isinstance(value, int) else value, complete=complete)


def _by_parts(pid: int, variable: bytes) -> Process:
    """Where the C module cannot tell: each may be readable where the others are not, as on illumos."""
    found = Process(0, {}, None, complete=True)
    for name, ask in (("parent", parent_of), ("sockets", socket_inodes), ("value", lambda pid: variable_of(pid, variable))):
        try:
            setattr(found, name, ask(pid))
        except OSError:
            found.complete = False
    return found


def psinfo(pid: int) -> PsInfo:
    """What Solaris and illumos tell everybody of a process."""
    from .sunos_psinfo import PsInfo  # no system else has it

    return PsInfo(read(f"/proc/{pid}/psinfo"), pid)


def parent_of(pid: int) -> int:
    """The parent's pid; 0 for the first process and for one of another PID namespace."""
    try:
        return _number(_stat(pid), 1)
    except FileNotFoundError:
        return psinfo(pid).parent


def have_terminal() -> bool:
    """Have we a controlling terminal?"""
    return terminal_of("self") != 0


def terminal_of(pid: int | str) -> int:
    """The number of a process's controlling terminal; 0 for none."""
    return _number(_stat(pid), 4)


def is_led_from_outside() -> bool:
    """Is the leader of our session, as setsid(2) has it, or of the first process's, outside our PID namespace?  Then its number is 0.

    Who has left that session (setsid) may have come by it all the same: `unshare --pid` leads none, and a container's
    first process does.  So it is on a machine whose first process has led no session, and there is no outside.
    """
    return some_are_hidden() and 0 in (_number(_stat("self"), 3), _session_of_first())


def _session_of_first() -> int:
    try:
        return _number(_stat(1), 3)
    except OSError:
        return -1  # it is not shown (hidepid)


def audit_session(pid: int | str) -> int | None:
    """The number of the login that a process belongs to, which no setsid() or fork changes; None for none, or where none is kept."""
    try:
        number = int(read(f"/proc/{pid}/sessionid"))
    except (OSError, ValueError):
        return None
    return None if number == 0xFFFFFFFF else number


def session_scope(pid: int | str) -> str | None:
    """logind's scope of the login that a process belongs to, 'session-3.scope', by its cgroup."""
    for line in lines_of(f"/proc/{pid}/cgroup"):
        for part in reversed(line.split("/")):
            if part.startswith("session-") and part.endswith(".scope"):
                return part
    return None


def _stat(pid: int | str) -> list[bytes]:
    """The fields of /proc/PID/stat from the state on."""
    # The command's name stands in parentheses before them and may contain any byte.
    return read(f"/proc/{pid}/stat").rpartition(b")")[2].split()


def _number(fields: list[bytes], place: int) -> int:
    """One of a line's numbers.  OSError where it has none: then nothing is known."""
    try:
        return int(fields[place])
    except (IndexError, ValueError):
        raise OSError(errno.EPROTO, "a file of /proc is not as proc(5) has it") from None


def command_of(pid: int) -> str:
    """The command's name, at most 15 bytes of anything; those that are not UTF-8 as surrogates."""
    try:
        raw = read(f"/proc/{pid}/comm")
    except OSError:
        return psinfo(pid).command
    return (raw[:-1] if raw.endswith(b"\n") else raw).decode("utf-8", "surrogateescape")


def named(pid: int) -> str:
    """'pid 812 sshd', as messages name a process."""
    try:
        return f"pid {pid} {printable(command_of(pid))}"
    except OSError:
        return f"pid {pid}"


def uids_of(pid: int) -> frozenset[int]:
    """The real and the effective user."""
    try:
        status = read(f"/proc/{pid}/status")
    except OSError:  # that of Solaris, which has other contents, is its user's alone
        return psinfo(pid).uids
    line = next((line for line in status.split(b"\n") if line.startswith(b"Uid:")), None)
    if line is None:
        return psinfo(pid).uids
    uids = frozenset(_number(line.split(), place) for place in (1, 2))
    if min(uids) < 0:
        raise OSError(errno.EPROTO, "a file of /proc is not as proc(5) has it")
    if uids & {unmapped_uid()}:
        raise PermissionError(errno.EPERM, "a user without a number in this user namespace")
    return uids


def leader_of(pid: int) -> int:
    """The process that has a thread, or a first thread, of this id."""
    line = next((line for line in read(f"/proc/{pid}/status").split(b"\n") if line.startswith(b"Tgid:")), b"")
    return _number(line.split(), 1)


_unmapped: list[int | None] = []


def unmapped_uid() -> int | None:
    """The number that stands for each user who has none in our user namespace; None where all have one.

    Read once: a process seldom changes its user namespace.  user_namespaces(7).
    """
    if not _unmapped:
        whole = text_of("/proc/self/uid_map").split() == ["0", "0", "4294967295"]
        number = text_of("/proc/sys/kernel/overflowuid").strip()
        _unmapped.append(None if whole else int(number) if number.isdigit() else 65534)
    return _unmapped[0]


def count_of_descriptors(pid: int) -> int:
    """How many descriptors a process has; 0 as well where that is not told, before Linux 6.2.  proc_pid_fd(5)."""
    try:
        return os.stat(f"/proc/{pid}/fd").st_size
    except OSError:
        return 0


def descriptors_of(pid: int) -> Iterator[tuple[str, str]]:
    """Each descriptor of a process's first thread and what it is, like 'socket:[4711]'."""
    return _descriptors(f"/proc/{pid}/fd")


def links_of(pid: int) -> Iterator[str]:
    """What each descriptor of a process is, in every thread that has a table of its own.

    /proc/PID/fd shows the table of the first thread alone.  Once that has ended it has none, and its
    directory is root's alone: the others' are still their user's, and a process without others holds nothing.
    """
    ended = False
    try:
        yield from _links(f"/proc/{pid}")
    except PermissionError:
        ended = _first_thread_has_ended(pid)
        if not ended:
            raise
    for tid in kernel.thread_tables(pid):
        try:
            yield from _links(f"/proc/{pid}/task/{tid}")
        except (FileNotFoundError, ProcessLookupError):
            continue  # the thread has ended: it holds nothing any more
    if ended and not _first_thread_has_ended(pid):  # one of the others took its place: execve(2)
        raise PermissionError(errno.EPERM, "another program since")


def streams_of(pid: int) -> Iterator[tuple[str, str]]:
    """What each descriptor is, in every thread's own table, and the path of its fdinfo."""
    for name, link in _descriptors(f"/proc/{pid}/fd"):
        yield link, f"/proc/{pid}/fdinfo/{name}"
    for tid in kernel.thread_tables(pid):
        place = f"/proc/{pid}/task/{tid}"
        try:
            for name, link in _descriptors(f"{place}/fd"):
                yield link, f"{place}/fdinfo/{name}"
        except (FileNotFoundError, ProcessLookupError):
            continue  # the thread has ended, and others have not


def hides_a_ring(pid: int) -> bool:
    """Has the process an io_uring in its memory of which it has no descriptor?  What is registered there shows nowhere.  Raises OSError."""
    rings = {line.split()[4] for line in read(f"/proc/{pid}/maps").split(b"\n") if line.endswith(b" anon_inode:[io_uring]")}
    return bool(rings) and not rings <= {
        line.split()[1]
        for link, fdinfo in streams_of(pid)
        if link == "anon_inode:[io_uring]"
        for line in read(fdinfo).split(b"\n")
        if line.startswith(b"ino:")
    }


def _links(place: str) -> Iterator[str]:
    """What each descriptor of one table is, and what is registered with an io_uring that is one of them."""
    for name, link in _descriptors(f"{place}/fd"):
        yield link
        if link == "anon_inode:[io_uring]":
            for line in lines_of(f"{place}/fdinfo/{name}"):
                registered = line.partition(": ")[2]  # '    0: socket:[4711]', where the kernel names it so
                if registered.startswith("socket:["):
                    yield registered


def _first_thread_has_ended(pid: int) -> bool:
    return _stat(pid)[0] in (b"Z", b"X")


def _descriptors(path: str) -> Iterator[tuple[str, str]]:
    readlink = os.readlink
    directory = os.open(path, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
    try:
        try:
            # Where descriptors may be counted but not read, do not list them first.
            readlink("0", dir_fd=directory)
        except FileNotFoundError:
            pass
        for name in os.listdir(directory):
            try:
                yield name, readlink(name, dir_fd=directory)
            except (FileNotFoundError, ProcessLookupError):
                continue  # closed meanwhile
    finally:
        os.close(directory)


def socket_inodes(pid: int) -> dict[int, int]:
    """inode -> descriptor of the sockets that a process holds."""
    return {int(link[8:-1]): int(name) for name, link in descriptors_of(pid) if link.startswith("socket:[")}


def unix_sockets() -> list[tuple[int, int | None, bool]]:
    """The connected UNIX sockets of this thread's network namespace, as kernel.unix_sockets(); no peers are told.  proc_net_unix(5)."""
    found: dict[int, bool] = {}
    for line in read("/proc/thread-self/net/unix").split(b"\n")[1:]:
        fields = line.split(None, 6)
        if len(fields) < 7 or fields[5] != b"03":
            continue
        # A name may be a space, or have a line's end in it and forge what follows: that something has a name is not taken back.
        number, named, _ = fields[6].partition(b" ")
        if number.isdigit():
            found[int(number)] = bool(named) or found.get(int(number), False)
    return [(inode, None, named) for inode, named in found.items()]


def variable_of(pid: int, name: bytes) -> bytes | None:
    """A variable of the environment that a process was started with."""
    _, found, rest = (b"\0" + read(f"/proc/{pid}/environ")).partition(b"\0" + name + b"=")
    return rest.partition(b"\0")[0] if found else None


def cgroup_of(pid: int | str) -> str | None:
    """The path in the unified hierarchy, or else in systemd's own."""
    return parse_cgroup(read(f"/proc/{pid}/cgroup"))


def cgroup_paths() -> Iterator[str]:
    """That of each process, as far as they can be seen."""
    for pid in all_pids():
        try:
            yield cgroup_of(pid) or ""
        except OSError:
            continue  # it has ended


def parse_cgroup(text: bytes) -> str | None:
    """Lines are number:controllers:path."""
    unified = systemd = None
    for line in text.decode("utf-8", "surrogateescape").split("\n"):
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers == "name=systemd":
            systemd = path
        elif number == "0" and not controllers:
            unified = path
    # In a hybrid system the unified tree may hold nobody: all are at its root.
    return systemd if unified in (None, "/") and systemd else unified
