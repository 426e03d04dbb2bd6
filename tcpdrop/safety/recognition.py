# SPDX-License-Identifier: BSD-2-Clause
"""Is the operator's session recognised?  What `check` tells of it, with the eyes of the guard."""

from __future__ import annotations

from ..errors import Error
from ..model.addresses import unpack
from ..model.rows import LPORT, RADDR, RPORT, packed_addr
from ..system import procfs
from . import console, logins
from .login_services import is_login_service
from .other_ways import come_by_streams
from .rules import Rules
from .session import came_by, found_for_us
from .ways_in import follow_everywhere


class Recognition:
    """known: True recognised, False the caller may have come by a login that cannot be told, None it has not."""

    def __init__(self) -> None:
        self.known: bool | None = None
        #: '198.51.100.9:50122 -> :22', each connection that carries the session
        self.connections: list[str] = []
        #: who has, on this host, what the caller may have come by, where no login service above him tells more
        self.holders: list[str] = []
        #: something on this host hands them on, and cannot be told
        self.relayed = False
        #: the caller sits at a console of this host
        self.at_console = False

    def __str__(self) -> str:
        if self.relayed:
            return "carrier unknown: every connection may be on your way in, and is protected"
        if self.connections:
            return "you are " + ", ".join(self.connections)
        if self.holders:
            return f"you may have come by what {' and '.join(self.holders)} has, and that is protected"
        if self.at_console:
            return "you are at a console of this host, and no connection carries you"
        if self.known is None:
            return "no login stands behind this process"
        return "carrier unknown: every connection of login services is protected"


def recognise() -> Recognition:
    """Look where a drop would look.  Never raises."""
    found = Recognition()
    try:
        Rules(())  # its login lines
        session = found_for_us()
        follow_everywhere(session)
        rows = came_by(session, is_login_service)
        come_by_streams(session, known=bool(rows or logins.named_alive(session)))
        pids = {session.holders[inode][0] for inode, _ in session.held()}
    except (Error, OSError):
        found.known = False  # then nothing can be dropped either
        return found
    found.relayed = bool(session.relay_unseen)
    found.connections = sorted({_spelled(packed_addr(row, RADDR), row[RPORT], row[LPORT]) for row in rows})
    if not rows:
        found.connections = sorted(_spelled(raddr, rport, lport) for _, lport, raddr, rport in logins.named_alive(session))
    if found.connections and not session.unseen:
        found.known = True
    elif logins.may_be_ours(session):
        found.known = False
    elif pids:
        found.known, found.holders = False, [procfs.named(pid) for pid in sorted(pids)]
    elif console.is_ours():
        found.known = found.at_console = True
    return found


def _spelled(peer: bytes, port: int, service: int) -> str:
    text = unpack(peer)
    return f"{f'[{text}]' if ':' in text else text}:{port} -> :{service}"
