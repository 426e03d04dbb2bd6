# SPDX-License-Identifier: BSD-2-Clause
"""The four-tuple that names one connection: local address and port, remote address and port."""

from __future__ import annotations

from .addresses import unmapped, unpack


class FourTuple:
    """A four-tuple in bytes, v4-mapped addresses as IPv4, and the interface if one was named.

    Raises ValueError for what can only be a wildcard or a mistake.
    """

    __slots__ = ("dev", "interfaces", "laddr", "lport", "raddr", "rport")

    def __init__(self, laddr: bytes, lport: int, raddr: bytes, rport: int, dev: str = "") -> None:
        self.laddr, self.raddr = unmapped(laddr), unmapped(raddr)
        self.lport, self.rport, self.dev = lport, rport, dev
        #: name -> index where it is looked for, once that was asked
        self.interfaces: dict[bytes, int] | None = None
        if len(self.laddr) != len(self.raddr):
            raise ValueError(f"{self}: one address is IPv4, the other IPv6: no connection has both")
        for address in (self.laddr, self.raddr):
            if not any(address):
                raise ValueError(f"{self}: {unpack(address)} means any address, and a drop names one connection")
        for port in (lport, rport):
            if not 1 <= port <= 65535:
                raise ValueError(f"{self}: port {port} means any port or none: a port is 1 to 65535")

    def __str__(self) -> str:
        return f"{unpack(self.laddr)} {self.lport} {unpack(self.raddr)} {self.rport}"

    def ends(self) -> tuple[bytes, int, bytes, int]:
        return self.laddr, self.lport, self.raddr, self.rport

    def swapped(self) -> FourTuple:
        return FourTuple(self.raddr, self.rport, self.laddr, self.lport, self.dev)

    def mirror(self) -> FourTuple:
        """The tuple of the other end on loopback, which may be bound to an interface where this one is not."""
        other = FourTuple(self.raddr, self.rport, self.laddr, self.lport)
        other.interfaces = self.interfaces
        return other
