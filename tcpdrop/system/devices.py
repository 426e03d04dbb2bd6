# SPDX-License-Identifier: BSD-2-Clause
"""The network devices of the caller's namespace: what each is, what is below it, and behind which ports of a bridge a peer is.

Asked of the kernel and not of /sys, which is that of the namespace in which it
was mounted.  Only for who came by a device that has others below it, or is a
tunnel.  rtnetlink(7), Documentation/networking/bridge.rst.
"""

from __future__ import annotations

import errno
import os
import sys
from _struct import Struct

from ..model.rows import FLAGS, IFINDEX, LADDR, LPORT, MARK, RADDR, ROW_UID, RPORT, UID, packed_addr
from . import kernel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ..model.rows import Row

    #: the header that each message of a kind has, and its attributes
    Answer = tuple[bytes, dict[int, bytes]]

_HEADER, _ATTRIBUTE, _NUMBER = Struct("=IHHII"), Struct("=HH"), Struct("=I")
_LINK, _NEIGHBOUR, _ROUTE = Struct("=BxHiII"), Struct("=BxxxiHBB"), Struct("=BBBBBBBBI")
_GETLINK, _GETROUTE, _GETNEIGH = 18, 26, 30
_REQUEST, _DUMP, _INTERRUPTED, _ERROR, _DONE = 1, 0x300, 0x10, 2, 3
_IFNAME, _BELOW, _MASTER, _INFO, _ELSEWHERE, _EXT_MASK = 3, 5, 10, 18, 37, 29
_KIND, _SKIP_STATS = 1, 8
_INET, _BRIDGE, _INET6, _LOWER_UP = 2, 7, 10, 0x10000
_DST, _SRC, _OIF, _GATEWAY, _RTA_MARK, _VIA, _RTA_UID, _PROTO, _SPORT, _DPORT = 1, 2, 4, 5, 16, 18, 25, 27, 28, 29
_NDA_DST, _LLADDR, _NDA_MASTER, _BROKEN = 1, 2, 9, 0x21  # incomplete, failed
_TCP = 6
#: what an error of the kernel's own is at most: MAX_ERRNO of its include/linux/err.h
_MAX_ERRNO = 4095
#: how often a dump is begun anew that devices which came and went have marked
_TRIES = 8


class Device:
    """name; kind: 'tun', 'bridge', 'vlan', 'bond', 'veth', ... or '' for one of hardware.

    below: what it stands on, 0 for none in this namespace.  master: what it is a port of, or 0.  alive: has it a carrier?
    """

    __slots__ = ("alive", "below", "kind", "master", "name")

    def __init__(self, flags: int, attributes: dict[int, bytes]) -> None:
        self.name = attributes.get(_IFNAME, b"").rstrip(b"\0").decode("utf-8", "surrogateescape")
        self.kind = _attributes(attributes.get(_INFO, b"")).get(_KIND, b"").rstrip(b"\0").decode("ascii", "replace")
        self.below = 0 if _ELSEWHERE in attributes else _number(attributes.get(_BELOW, b""))
        self.master = _number(attributes.get(_MASTER, b""))
        self.alive = bool(flags & _LOWER_UP)


class Devices:
    """Those of one moment, read when they are needed: a device of hardware has none below it."""

    def __init__(self) -> None:
        self._all: dict[int, Device] = {}

    def _read(self, index: int = 0) -> dict[int, Device]:
        """One, or all.  Raises Error."""
        request = _LINK.pack(0, 0, index, 0, 0) + _attribute(_EXT_MASK, _NUMBER.pack(_SKIP_STATS))
        answers = ((_LINK.unpack(header), attributes) for header, attributes in _ask(_GETLINK, request, dump=not index))
        return {number: Device(flags, attributes) for (_, _, number, flags, _), attributes in answers}

    def tunnels(self, device: int, row: Row) -> set[str]:
        """The names of the TUN and TAP devices by which a packet of this connection may go on that leaves by this device.  Raises Error."""
        if not self._all and all(one.kind == "" for one in self._read(device).values()):
            return set()
        self._all = self._all or self._read()
        found: set[str] = set()
        seen, todo = {0}, [device]
        while todo:
            index = todo.pop()
            one = self._all.get(index)
            if one is None or index in seen:
                continue
            seen.add(index)
            if one.kind == "tun":
                if one.alive or index == device:  # one that nobody holds has no carrier
                    found.add(one.name)
            elif one.kind == "bridge":
                todo += self._ports(index, device, row)
            else:
                todo += [one.below, *self._ports_of(index)]
                if one.kind == "veth":  # the other end may be a port of something
                    todo.append(self._all[one.below].master if one.below in self._all else 0)
        return found

    def _ports_of(self, index: int) -> list[int]:
        return [port for port, one in self._all.items() if one.master == index]

    def _ports(self, bridge: int, device: int, row: Row) -> Iterable[int]:
        """Those behind which the peer is, or its gateway; all of them where that does not show.

        A bridge has learned that from what came last, whatever the other ports lead to: a virtual machine, say.
        """
        learned = set()
        hop = _next_hop(row, device)
        if hop:
            addresses = set(_link_addresses(hop, device))
            for header, attributes in _ask(_GETNEIGH, _NEIGHBOUR.pack(_BRIDGE, 0, 0, 0, 0)):
                if attributes.get(_LLADDR) in addresses and _number(attributes.get(_NDA_MASTER, b"")) == bridge:
                    learned.add(_NEIGHBOUR.unpack(header)[1])
        return learned or self._ports_of(bridge)


def _next_hop(row: Row, device: int) -> bytes:
    """To which address a packet of this connection is handed on this device; b"" where that is not told.  Raises Error."""
    source, peer = packed_addr(row, LADDR), packed_addr(row, RADDR)
    bits = 8 * len(peer)
    asked = _ROUTE.pack(_INET if bits == 32 else _INET6, bits, bits, 0, 0, 0, 0, 0, 0)
    asked += _attribute(_DST, peer) + _attribute(_SRC, source) + _attribute(_PROTO, bytes([_TCP]))
    asked += _attribute(_SPORT, row[LPORT].to_bytes(2, "big")) + _attribute(_DPORT, row[RPORT].to_bytes(2, "big"))
    for kind, number, told in (
        (_OIF, row[IFINDEX], row[IFINDEX]),
        (_RTA_MARK, row[MARK], row[MARK]),
        (_RTA_UID, row[UID], row[FLAGS] & ROW_UID),
    ):
        asked += _attribute(kind, _NUMBER.pack(number)) if told else b""
    for _, attributes in _ask(_GETROUTE, asked, dump=False):
        if _number(attributes.get(_OIF, b"")) == device:
            return attributes.get(_GATEWAY) or attributes.get(_VIA, b"")[2:] or peer
    return b""


def _link_addresses(address: bytes, device: int) -> Iterator[bytes]:
    """Those that the neighbour of this address has on this device."""
    family = _INET if len(address) == 4 else _INET6
    for header, attributes in _ask(_GETNEIGH, _NEIGHBOUR.pack(family, 0, 0, 0, 0)):
        _, index, state, _, _ = _NEIGHBOUR.unpack(header)
        if index == device and attributes.get(_NDA_DST) == address and not state & _BROKEN and _LLADDR in attributes:
            yield attributes[_LLADDR]


# ---- the conversation


def _ask(kind: int, question: bytes, *, dump: bool = True) -> list[Answer]:
    """The kernel's answers.  Raises Error."""
    import _socket  # only who comes here needs it

    request = _HEADER.pack(_HEADER.size + len(question), kind, _REQUEST | (_DUMP if dump else 0), 1, 0) + question
    try:
        for _ in range(_TRIES):
            conversation = _socket.socket(_socket.AF_NETLINK, _socket.SOCK_RAW, _socket.NETLINK_ROUTE)
            try:
                conversation.send(request)
                found: list[Answer] | None = []
                done = False
                while not done and found is not None:
                    done, found = add_answers(conversation.recv(1 << 17), found)
                    done = done or not dump
            finally:
                conversation.close()
            if found is not None:
                return found
        raise _failure(errno.EAGAIN)
    except OSError as error:
        raise kernel.from_os_error(error) from None


_HEADERS = {_GETLINK - 2: _LINK.size, _GETROUTE - 2: _ROUTE.size, _GETNEIGH - 2: _NEIGHBOUR.size}


def add_answers(data: bytes, found: list[Answer]) -> tuple[bool, list[Answer] | None]:
    """Add what one datagram says: whether that was the last, and all; None where devices came or went meanwhile.  Raises OSError."""
    while data:
        if len(data) < _HEADER.size:
            raise _failure(errno.EBADMSG)
        size, kind, flags, _, _ = _HEADER.unpack_from(data)
        if not _HEADER.size <= size <= len(data):
            raise _failure(errno.EBADMSG)
        payload, data = data[_HEADER.size : size], data[(size + 3) & ~3 :]
        if flags & _INTERRUPTED:
            return True, None
        if kind == _DONE:
            return True, found
        if kind == _ERROR:
            number = -int.from_bytes(payload[:4], sys.byteorder, signed=True)
            raise _failure(number if 0 < number <= _MAX_ERRNO else errno.EBADMSG)
        header = _HEADERS.get(kind)
        if header is None or len(payload) < header:
            raise _failure(errno.EBADMSG)
        found.append((payload[:header], _attributes(payload[header:])))
    return False, found


def _failure(number: int) -> OSError:
    return OSError(number, os.strerror(number))


def _attribute(kind: int, value: bytes) -> bytes:
    return _ATTRIBUTE.pack(_ATTRIBUTE.size + len(value), kind) + value + bytes(-len(value) % 4)


def _attributes(data: bytes) -> dict[int, bytes]:
    """The last of each kind, as far as they are whole."""
    found = {}
    while len(data) >= _ATTRIBUTE.size:
        size, kind = _ATTRIBUTE.unpack_from(data)
        if not _ATTRIBUTE.size <= size <= len(data):
            break
        found[kind & 0x3FFF] = data[_ATTRIBUTE.size : size]
        data = data[(size + 3) & ~3 :]
    return found


def _number(data: bytes) -> int:
    return int.from_bytes(data[:4], sys.byteorder)
