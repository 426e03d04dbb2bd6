# SPDX-License-Identifier: BSD-2-Clause
"""Which connections the listening sockets of a network namespace take: by port, address, family and device.

What a listener has accepted is bound to its device if it is bound to one; what
one without a device accepts is bound to none either, unless it comes from a
link-local address.  A socket of IPv4 takes no socket of IPv6, whatever that
carries.  ip(7), ipv6(7).
"""

from __future__ import annotations

from ..model.addresses import MAPPED
from ..model.rows import FAMILY, FLAGS, IFINDEX, LADDR, LPORT, RADDR, ROW_DUAL, RPORT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..model.rows import Row

_ANY, _LOOP = bytes(16), bytes(15) + b"\1"
_MAPPED_ANY = MAPPED + bytes(4)


class Listeners:
    """rows: those of the listening sockets."""

    __slots__ = ("_by_port",)

    def __init__(self, rows: Iterable[Row]) -> None:
        #: port -> family, address, device, and whether IPv4 is taken too, of each socket that listens there
        self._by_port: dict[int, set[tuple[int, bytes, int, bool]]] = {}
        for row in rows:
            one = (row[FAMILY], row[LADDR], row[IFINDEX], bool(row[FLAGS] & ROW_DUAL))
            self._by_port.setdefault(row[LPORT], set()).add(one)

    def take(self, row: Row) -> bool:
        """Does one listen that accepts sockets like this?"""
        found = self._by_port.get(row[LPORT], ())
        return any(
            (family == 6 or row[FAMILY] == 4)
            and _takes(family, address, both, _wide(row[FAMILY], row[LADDR]))
            and (device == row[IFINDEX] or (not device and _is_from_link(row)))
            for family, address, device, both in found
        )

    def take_other_end(self, row: Row) -> bool:
        """Is the other end one that a socket of this namespace listens for?  That is only told where it is a loopback address."""
        found = self._by_port.get(row[RPORT])
        if not found:
            return False
        addr = _wide(row[FAMILY], row[RADDR])
        if not (addr == _LOOP or (addr[12] == 127 and addr.startswith(MAPPED))):
            return False
        return any(_takes(family, address, both, addr) for family, address, _, both in found)


def _wide(family: int, addr: bytes) -> bytes:
    """Any address as one of IPv6."""
    return addr if family == 6 else MAPPED + addr[:4]


def _takes(family: int, address: bytes, both: bool, addr: bytes) -> bool:
    """Does who listens on this address take what comes to that one?  both: IPv4 as well."""
    listens = _wide(family, address)
    if addr.startswith(MAPPED):
        return listens in (addr, _MAPPED_ANY) or (listens == _ANY and both)
    return listens in (addr, _ANY)


def _is_from_link(row: Row) -> bool:
    return bool(row[FAMILY] == 6 and row[RADDR][0] == 0xFE and row[RADDR][1] & 0xC0 == 0x80)
