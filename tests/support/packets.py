# SPDX-License-Identifier: BSD-2-Clause
"""A TCP peer made of packets: it says only what the test tells it to say.

Its address is routed to lo and belongs to nobody, so what the kernel sends there
is seen by a packet socket and answered by no one.  Needs no device, no tool and
no firewall; only a network namespace of our own.
"""

import contextlib
import errno
import select
import socket
import struct
import sys
import time
from typing import NamedTuple

from support import netns

HOST, PEER = "192.0.2.1", "192.0.2.2"
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
ETH_P_IP = 0x0800
NOBODY = "\0" * 6 if sys.implementation.name == "pypy" else bytes(6)  # an address of lo; PyPy wants it as text
ETH_P_ALL = 3  # the only one that sees what leaves


class Segment(NamedTuple):
    sport: int
    dport: int
    seq: int
    ack: int
    flags: int
    data: bytes

    def __str__(self):
        return "+".join(n for n, bit in (("SYN", SYN), ("FIN", FIN), ("RST", RST), ("ACK", ACK)) if self.flags & bit)


def _checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data + b"\0" * (len(data) % 2))) if len(data) % 2 == 0 else 0
    if len(data) % 2:
        return _checksum(data + b"\0")
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class Wire:
    """The packet socket on lo."""

    def __init__(self):
        for setup, argument in ((netns.add_address_on_lo, HOST), (netns.add_host_route_on_lo, PEER)):
            with contextlib.suppress(FileExistsError):
                setup(argument)
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)
        self._socket.bind(("lo", ETH_P_ALL))
        self._port = 10000  # what is left of them stays for a while, and crowd.py's ports begin at 20000

    def close(self):
        self._socket.close()

    def peer(self, port):
        """A peer for one conversation with the host's `port` (None: whoever calls)."""
        self._port += 1
        return Peer(self, self._port, port)

    def send(self, sport, dport, seq, ack, flags, data, window):
        src, dst = socket.inet_aton(PEER), socket.inet_aton(HOST)
        tcp = struct.pack("!HHIIBBHHH", sport, dport, seq % 2**32, ack % 2**32, 5 << 4, flags, window, 0, 0) + data
        check = _checksum(src + dst + struct.pack("!HH", 6, len(tcp)) + tcp)
        tcp = tcp[:16] + struct.pack("!H", check) + tcp[18:]
        ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp), 0, 0, 64, 6, 0, src, dst)
        ip = ip[:10] + struct.pack("!H", _checksum(ip)) + ip[12:]
        self._socket.sendto(ip + tcp, ("lo", ETH_P_IP, 0, 0, NOBODY))

    def receive(self, timeout):
        """The next segment the kernel sends to PEER, or None."""
        deadline = time.monotonic() + timeout
        while select.select([self._socket], [], [], max(0, deadline - time.monotonic()))[0]:
            packet, (_, protocol, kind, *_) = self._socket.recvfrom(65536)
            if kind != socket.PACKET_OUTGOING or protocol != ETH_P_IP or packet[9] != 6 or packet[16:20] != socket.inet_aton(PEER):
                continue
            tcp = packet[(packet[0] & 15) * 4 : struct.unpack_from("!H", packet, 2)[0]]
            sport, dport, seq, ack, offset, flags = struct.unpack_from("!HHIIBB", tcp)
            return Segment(sport, dport, seq, ack, flags & 31, tcp[(offset >> 4) * 4 :])
        return None


class Peer:
    """One end of a conversation, with its numbers."""

    def __init__(self, wire, port, host_port):
        self.wire, self.port, self.host_port = wire, port, host_port
        self.seq, self.ack, self.window = 1000, 0, 60000

    @property
    def address(self):
        return PEER, self.port

    @property
    def tuple(self):
        """The tuple of the host's end."""
        return socket.inet_aton(HOST), self.host_port, socket.inet_aton(PEER), self.port

    def send(self, flags, data=b"", ack=None):
        self.wire.send(self.port, self.host_port, self.seq, self.ack if ack is None else ack, flags, data, self.window)
        self.seq += len(data) + bool(flags & SYN) + bool(flags & FIN)

    def expect(self, flags, timeout=10):
        """Wait for a segment with just these of SYN, FIN and RST, and note where the host is."""
        deadline = time.monotonic() + timeout
        while True:
            segment = self.wire.receive(deadline - time.monotonic())
            assert segment is not None, f"no segment with flags {flags}"
            if segment.dport != self.port or segment.flags & (SYN | FIN | RST) != flags & (SYN | FIN | RST):
                continue
            self.host_port = segment.sport
            self.ack = (segment.seq + len(segment.data) + bool(segment.flags & SYN) + bool(segment.flags & FIN)) % 2**32
            return segment

    def resets(self):
        """Did a reset for this conversation leave already?  Sending is synchronous on lo."""
        seen = []
        while True:
            segment = self.wire.receive(0)
            if segment is None:
                return seen
            if segment.dport == self.port and segment.flags & RST:
                seen.append(segment)

    def open(self):
        """Connect to the host's listener: our SYN, its SYN+ACK, our ACK."""
        self.send(SYN)
        self.expect(SYN)
        self.send(ACK)
        return self


def absent():
    """Why there cannot be a wire here, or None."""
    try:
        Wire().close()
    except OSError as e:
        return f"no packet socket: {errno.errorcode.get(e.errno, e)}"
    return None
