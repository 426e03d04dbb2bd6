# SPDX-License-Identifier: BSD-2-Clause
"""The operator's own session: the connections that must not be cut because the caller came by them.

sshd drops the variable SSH_CONNECTION on the way through sudo, and a session
may have none, so the sockets themselves are looked for: those that strict
ancestors of this process hold, up to PID 1.  Never this process's own: a
program may drop those.  On loopback the other end kills a session as well, so
a tuple protects its mirror.
"""

from __future__ import annotations

import os
from time import monotonic

from ..errors import Error
from ..model.four_tuple import pack_whole, split_dev
from ..model.rows import INODE, ROW, USUAL_STATES, reader
from ..system import kernel, procfs

#: seconds; what our ancestors hold was seen so long ago at most when one connection is dropped
FRESH = 0.1

#: the inode of a packed row
_INODES = reader(INODE)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..model.rows import Row


def ancestors() -> Iterator[int]:
    """Our ancestors' pids, nearest first, as far as they can be seen."""
    pid = os.getppid()
    while pid > 0:
        yield pid
        try:
            pid = procfs.parent_of(pid)
        except OSError:
            return


class OwnSession:
    """What certainly carries the caller's session."""

    def __init__(self) -> None:
        #: socket inode -> (pid of the ancestor that holds it, its descriptor)
        self.holders: dict[int, tuple[int, int]] = {}
        #: four-tuples that SSH_CONNECTION names, as the server has them
        self.tuples: set[tuple[bytes, int, bytes, int]] = set()
        #: ancestors below PID 1 whose descriptors could not be read
        self.unreadable: list[int] = []
        #: rows() had to look at the caller's own network namespace, and only there
        self.dumped = False
        self._add_variable(os.environb.get(b"SSH_CONNECTION"))
        pid = os.getppid()
        while pid > 0:
            pid = self._add_process(pid)

    def _add_process(self, pid: int) -> int:
        """Note what the process holds and its SSH_CONNECTION names; its parent's pid."""
        try:
            found = procfs.process(pid, b"SSH_CONNECTION")
        except OSError:
            if pid != 1:  # below it stands the session, if there is one
                self.unreadable.append(pid)
            return 0
        for inode, fd in found.sockets.items():
            self.holders.setdefault(inode, (pid, fd))
        self._add_variable(found.value)
        if not found.complete and pid != 1:
            self.unreadable.append(pid)
        return found.parent

    def _add_variable(self, value: bytes | None) -> None:
        """SSH_CONNECTION: client address, client port, server address, server port.  ssh(1)."""
        if value is None:
            return
        try:
            client, client_port, server, server_port = value.decode("ascii").split()
            self.tuples.add((_pack(server), int(server_port), _pack(client), int(client_port)))
        except ValueError:
            pass  # not written by sshd: then it names no connection

    def holder(self, inode: int) -> str | None:
        """'pid 812 sshd' when an ancestor holds this socket."""
        if not inode or inode not in self.holders:
            return None
        return procfs.named(self.holders[inode][0])

    def rows(self) -> list[tuple[Row, str]]:
        """Each TCP connection that an ancestor holds, and by whom.

        Asked of the descriptors themselves, which does not depend on the number
        of connections; where they cannot be borrowed, of a whole dump.
        """
        found = []
        for inode, (pid, fd) in self.holders.items():
            try:
                row = kernel.socket_of(pid, fd)
            except Error:
                return self._rows_by_dump()
            if row is not None:
                found.append((row, self.holder(inode) or ""))
        return found

    def _rows_by_dump(self) -> list[tuple[Row, str]]:
        self.dumped = True
        table = kernel.list_connections(USUAL_STATES)
        numbers = [number for number, (inode,) in enumerate(_INODES.iter_unpack(table.tobytes())) if inode in self.holders]
        rows = [ROW.unpack(table[number]) for number in numbers]
        return [(row, self.holder(row[INODE]) or "") for row in rows]

    def names(self, laddr: bytes, lport: int, raddr: bytes, rport: int) -> bool:
        """Does SSH_CONNECTION name this tuple, or its mirror?"""
        return bool(self.tuples & {(laddr, lport, raddr, rport), (raddr, rport, laddr, lport)})


#: when the caller's session was looked at last, for whom, and what was found
_latest: tuple[float, object, OwnSession] | None = None


def own() -> OwnSession:
    """The caller's session as it was FRESH seconds ago at most: for drops one by one, in a row.

    A drop of many looks once too, and takes longer than that.
    """
    global _latest
    whose = (os.getpid(), os.getppid(), os.environb.get(b"SSH_CONNECTION"))
    latest = _latest
    if latest is None or latest[1] != whose or not 0 <= monotonic() - latest[0] < FRESH:
        began = monotonic()
        latest = _latest = (began, whose, OwnSession())
    return latest[2]


def _pack(text: str) -> bytes:
    return pack_whole(split_dev(text)[0])
