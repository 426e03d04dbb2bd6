# SPDX-License-Identifier: BSD-2-Clause
"""Does the peer learn at once that the connection is gone?

Linux sends a reset in some states (seen per state with a packet-level peer;
tcp_abort(), net/ipv4/tcp.c), and only from an address that the host still
has.  illumos sends none: the peer learns it at its next segment.
"""

from __future__ import annotations

from _socket import AF_INET, AF_INET6, SOCK_DGRAM, socket

from ..model.addresses import unmapped, unpack
from ..model.columns import addresses
from ..model.rows import CLOSE_WAIT, ESTABLISHED, FIN_WAIT1, FIN_WAIT2, INODE, LADDR, STATE, TIMER, packed_addr
from ..system import platform

_TELLING = frozenset((ESTABLISHED, CLOSE_WAIT, FIN_WAIT1, FIN_WAIT2))
_TIME_WAIT_TIMER = 3

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..model.rows import Row
    from ..model.table import Connections


def told(row: Row, absent: frozenset[bytes], *, elsewhere: bool) -> bool | None:
    """Was a reset sent when this row was dropped?

    absent: local addresses that the host has no more.  elsewhere: it was in
    another network namespace, whose addresses cannot be seen: then a reset that
    the state calls for is None, unknown.
    """
    if not platform.TELLS_PEER:
        return False
    mini = row[STATE] == FIN_WAIT2 and not row[INODE] and row[TIMER] == _TIME_WAIT_TIMER
    if row[STATE] not in _TELLING or mini or packed_addr(row, LADDR) in absent:
        return False
    return None if elsewhere else True


def absent_addresses(connections: Connections) -> frozenset[bytes]:
    """The local addresses of these connections, of our own namespace, that the host has no more."""
    found: set[tuple[int, bytes]] = set()
    for batch in connections.batches:
        if batch.where is None:
            found |= addresses(batch.data(), LADDR)
    packed = {laddr[:4] if family == 4 else unmapped(laddr) for family, laddr in found}
    return frozenset(address for address in packed if not _is_here(address))


def _is_here(packed: bytes) -> bool:
    """Can a socket be bound to it?  A link-local address needs its interface: it is taken to be here."""
    if packed[:2] == b"\xfe\x80" and len(packed) == 16:
        return True
    probe = socket(AF_INET if len(packed) == 4 else AF_INET6, SOCK_DGRAM)
    try:
        probe.bind((unpack(packed), 0))
    except OSError:
        return False
    finally:
        probe.close()
    return True
