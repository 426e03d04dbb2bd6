# SPDX-License-Identifier: BSD-2-Clause
"""The operator's own session: what must not be cut because one sits on it.

sshd drops the variable SSH_CONNECTION on the way through sudo, and a session
may have none, so the sockets themselves are looked for: those that strict
ancestors of this process hold, up to PID 1.  Never this process's own: a
program may drop those.  On loopback the other end kills a session as well, so
a tuple protects its mirror.
"""

from __future__ import annotations

import os

from . import procfs
from .addresses import pack, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


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
        #: socket inode -> pid of the ancestor that holds it
        self.holders: dict[int, int] = {}
        #: tuples told by SSH_CONNECTION, as (local, remote) of the server's end
        self.tuples: set[tuple[bytes, int, bytes, int]] = set()
        #: ancestors below PID 1 whose descriptors could not be read
        self.unreadable: list[int] = []
        self._add_variable(os.environb.get(b"SSH_CONNECTION"))
        for pid in ancestors():
            self._add_process(pid)

    def _add_process(self, pid: int) -> None:
        try:
            for inode in procfs.socket_inodes(pid):
                self.holders.setdefault(inode, pid)
            self._add_variable(procfs.variable_of(pid, b"SSH_CONNECTION"))
        except OSError:
            if pid != 1:  # below it stands the session, if there is one
                self.unreadable.append(pid)

    def _add_variable(self, value: bytes | None) -> None:
        """SSH_CONNECTION: client address, client port, server address, server port.  ssh(1)."""
        try:
            client, client_port, server, server_port = (value or b"").decode("ascii").split()
            self.tuples.add((_pack(server), int(server_port), _pack(client), int(client_port)))
        except ValueError:
            pass  # absent, or not written by sshd: then it names no connection

    def holder(self, inode: int) -> str | None:
        """'pid 812 sshd' when an ancestor holds this socket."""
        pid = self.holders.get(inode) if inode else None
        if pid is None:
            return None
        try:
            return f"pid {pid} {printable(procfs.command_of(pid))}"
        except OSError:
            return f"pid {pid}"

    def names(self, laddr: bytes, lport: int, raddr: bytes, rport: int) -> bool:
        """Does SSH_CONNECTION name this tuple, or its mirror?"""
        return bool(self.tuples & {(laddr, lport, raddr, rport), (raddr, rport, laddr, lport)})


def _pack(text: str) -> bytes:
    return pack(text.partition("%")[0])
