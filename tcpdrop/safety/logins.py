# SPDX-License-Identifier: BSD-2-Clause
"""Logins on this host: which services hold them, whether one may be the caller's that was not recognised.

The guard spares all of them where the operator's own cannot be told; `check`
says with recognise() what a drop would find.
"""

from __future__ import annotations

from ..errors import Error
from ..model.addresses import unpack
from ..model.rows import LPORT, RADDR, RPORT, packed_addr
from ..system import kernel, procfs
from .session import OwnSession, ancestors

#: services through which people and controllers reach a host
LOGIN_SERVICES = frozenset(
    ("sshd", "sshd-session", "dropbear", "telnetd", "in.telnetd", "cockpit-ws", "cockpit-tls", "cockpit-session", "kubelet", "mosh-server")
)

#: who makes their sockets, where the creator is all that is told
LOGIN_CREATORS = LOGIN_SERVICES | {"inetd"}

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..system.holders import Owners

    Ends = tuple[bytes, int, bytes, int]


def may_be_ours(session: OwnSession) -> bool:
    """May the caller have come by a login: is there a terminal, or an ancestry that cannot be seen?"""
    if session.unreadable:
        return True
    try:
        if procfs.have_terminal():
            return True
    except OSError:
        return True
    chain = list(ancestors())
    # The first process has no parent; neither has one from another PID namespace.
    return not chain or chain[-1] != 1


def is_alive(ends: Ends) -> bool:
    """Is there a connection with this four-tuple, in its IPv4 or its v4-mapped shape?"""
    laddr, lport, raddr, rport = ends
    if laddr[4:] == bytes(12):
        laddr, raddr = laddr[:4], raddr[:4]
    try:
        return kernel.look_up((laddr, lport, raddr, rport)) is not None
    except (Error, ValueError):
        return False  # as far as can be told, or no tuple of a connection


def unseen_logins(owners: Owners) -> frozenset[int]:
    """The users as whom a login service may hold a connection without our seeing it.

    Everybody may read a process's name and user, and not what it holds; what
    it accepts belongs to the user that listens, and that is its own.
    """
    processes = owners.processes
    users = {uid for pid in owners.unread if processes.comm(pid) in LOGIN_SERVICES for uid in processes.uids(pid) or ()}
    return frozenset(users | {0} if owners.hidden else users)


class Recognition:
    """known: True recognised, False the caller may have come by a login that cannot be told, None it has not."""

    def __init__(self) -> None:
        self.known: bool | None = None
        #: '198.51.100.9:50122 -> :22', each connection that carries the session
        self.connections: list[str] = []

    def __str__(self) -> str:
        if self.connections:
            return "you are " + ", ".join(self.connections)
        if self.known is None:
            return "no login stands behind this process"
        return "carrier unknown: every connection of login services is protected"


def recognise() -> Recognition:
    """Look where a drop would look.  Never raises."""
    found = Recognition()
    try:
        session = OwnSession()
        listening = kernel.listening_ports()
        # A login is accepted; what an ancestor opened itself need not be one.
        rows = [row for row, _ in session.rows() if row[LPORT] in listening]
    except (Error, OSError):
        found.known = False  # then nothing can be dropped either
        return found
    found.connections = sorted({_spelled(packed_addr(row, RADDR), row[RPORT], row[LPORT]) for row in rows})
    if not rows and session.unreadable:
        alive = [ends for ends in session.tuples if is_alive(ends)]
        found.connections = sorted(_spelled(raddr, rport, lport) for _, lport, raddr, rport in alive)
    if found.connections:
        found.known = True
    elif may_be_ours(session):
        found.known = False
    return found


def _spelled(peer: bytes, port: int, service: int) -> str:
    text = unpack(peer)
    return f"{f'[{text}]' if ':' in text else text}:{port} -> :{service}"
