# SPDX-License-Identifier: BSD-2-Clause
"""Reading /proc/PID, proc(5).  Raises OSError as the files do: unreadable is not empty.

Linux says in text what Solaris and illumos say in a structure, psinfo; their
descriptors do not name sockets, so socket_inodes() always raises there
(fdinfo.py knows another way).
"""

from __future__ import annotations

import errno
import os
from struct import Struct

from ..errors import NotSupported
from . import kernel

#: inode, descriptor
_SOCKETS = Struct("=QQ")
#: pr_pid, pr_ppid, pr_uid, pr_euid, pr_fname and pr_zoneid of a psinfo_t, which has the data model of who reads it
_PSINFO = Struct("=8xii8xii104x16s124xi" if Struct("P").size == 8 else "=8xii8xii56x16s116xi")


class PsInfo:
    """What /proc/PID/psinfo of Solaris and illumos tells everybody.  proc(5)."""

    __slots__ = ("command", "parent", "uids", "zone")

    def __init__(self, raw: bytes, pid: int) -> None:
        if len(raw) < _PSINFO.size:
            raise OSError(errno.EPROTO, "psinfo is too short")
        told, parent, uid, euid, name, zone = _PSINFO.unpack_from(raw)
        if told != pid:  # another layout: then nothing of it can be believed
            raise OSError(errno.EPROTO, "psinfo has another layout")
        self.parent: int = parent
        self.zone: int = zone
        self.uids: frozenset[int] = frozenset((uid, euid))
        self.command: str = os.fsdecode(name.partition(b"\0")[0])


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
    for name, read in (("parent", parent_of), ("sockets", socket_inodes), ("value", lambda pid: variable_of(pid, variable))):
        try:
            setattr(found, name, read(pid))
        except OSError:
            found.complete = False
    return found


def _read(path: str) -> bytes:
    """A whole file; half the time of open(), which builds two objects around the descriptor."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        text = part = os.read(file, 4096)
        while part:
            part = os.read(file, 65536)
            text += part
        return text
    finally:
        os.close(file)


def psinfo(pid: int) -> PsInfo:
    return PsInfo(_read(f"/proc/{pid}/psinfo"), pid)


def parent_of(pid: int) -> int:
    """The parent's pid; 0 for the first process and for one of another PID namespace."""
    try:
        text = _read(f"/proc/{pid}/stat")
    except FileNotFoundError:
        return psinfo(pid).parent
    # The command's name stands in parentheses and may contain any byte.
    return int(text[text.rindex(b")") + 1 :].split()[1])


def command_of(pid: int) -> str:
    """The command's name (up to 15 bytes of anything); undecodable bytes as surrogates."""
    try:
        return os.fsdecode(_read(f"/proc/{pid}/comm").rstrip(b"\n"))
    except FileNotFoundError:
        return psinfo(pid).command


def socket_inodes(pid: int) -> dict[int, int]:
    """inode -> descriptor of the sockets that a process holds."""
    inodes = {}
    readlink = os.readlink
    directory = os.open(f"/proc/{pid}/fd", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            # Where descriptors may be counted but not read, do not list them first.
            readlink("0", dir_fd=directory)
        except FileNotFoundError:
            pass
        for name in os.listdir(directory):
            try:
                target = readlink(name, dir_fd=directory)
            except FileNotFoundError:
                continue  # closed meanwhile
            if target.startswith("socket:["):
                inodes[int(target[8:-1])] = int(name)
    finally:
        os.close(directory)
    return inodes


def variable_of(pid: int, name: bytes) -> bytes | None:
    """A variable of the environment that a process was started with."""
    _, found, rest = (b"\0" + _read(f"/proc/{pid}/environ")).partition(b"\0" + name + b"=")
    return rest.partition(b"\0")[0] if found else None
