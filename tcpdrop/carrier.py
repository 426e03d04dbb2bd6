# SPDX-License-Identifier: BSD-2-Clause
"""Is the operator's session recognised?  What `check` tells of it, with the eyes of the guard."""

from __future__ import annotations

from .addresses import unpack
from .errors import Error
from .model import LPORT, RADDR, RPORT, packed_addr
from .safety import _is_alive, _listening_ports, carrier_may_be_hidden
from .session import OwnSession

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .model import Row


class Carrier:
    """known: True recognised, False a login may stand behind us and cannot be told, None there is none."""

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


def recognise() -> Carrier:
    """Look where a drop would look.  Never raises."""
    found = Carrier()
    try:
        session = OwnSession()
        listening = _listening_ports()
        # A login is accepted; what an ancestor opened itself need not be one.
        rows = [row for row, _ in session.rows() if row[LPORT] in listening]
    except (Error, OSError):
        found.known = False  # then nothing can be dropped either
        return found
    found.connections = sorted({_told(row) for row in rows})
    if not rows and session.unreadable:
        named = [(laddr, lport, raddr, rport) for laddr, lport, raddr, rport in session.tuples]
        alive = [end for end in named if _is_alive((end[0], end[2], end[1], end[3]))]
        found.connections = sorted(_spelled(raddr, rport, lport) for _, lport, raddr, rport in alive)
    if found.connections:
        found.known = True
    elif carrier_may_be_hidden(session):
        found.known = False
    return found


def _told(row: Row) -> str:
    return _spelled(packed_addr(row, RADDR), row[RPORT], row[LPORT])


def _spelled(peer: bytes, port: int, service: int) -> str:
    text = unpack(peer)
    return f"{f'[{text}]' if ':' in text else text}:{port} -> :{service}"
