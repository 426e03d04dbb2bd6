# SPDX-License-Identifier: BSD-2-Clause
"""Which connections a process holds, on illumos since 2020: /proc/PID/fdinfo/FD names both ends.  proc(5).

The kernel's tables tell who made a socket, and a server's children hold what
their parent, or inetd, made.  Nothing here raises for what it may not read: of
a process that could not be read it is unknown what it holds.
"""

from __future__ import annotations

import errno
import os
import sys
from struct import Struct

from ..model.addresses import unmapped
from ..model.rows import PID, ends_of
from .procfs import psinfo

PROC = "/proc"

#: prfdinfo_t: pr_fd, pr_mode; 196 bytes in all, then records
_HEADER = Struct("=iI188x")
#: pr_misc_header_t: the size, with this and padding, and the type; a size of 0 ends them
_RECORD = Struct("=II")
_LOCAL, _PEER, _SO_TYPE = 1, 2, 9
_INET, _INET6, _STREAM, _IS_SOCKET = 2, 26, 2, 0xC000

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Optional

    from ..model.rows import Row

    Answer = Optional[bool]

    #: address, port of both ends
    Ends = tuple[bytes, int, bytes, int]


class Held:
    """What some processes hold.

    exists: this system has fdinfo at all; without, who made a socket is all that is asked.
    ends: pid -> its connections, None: unknown.  maybe: TLI endpoints with these ends, which may be TCP.
    """

    __slots__ = ("ends", "exists", "maybe")

    def __init__(self, pids: Iterable[int]) -> None:
        self.exists = _exists()
        self.ends: dict[int, set[Ends] | None] = {}
        self.maybe: dict[int, set[Ends]] = {}
        own = _zone_of(os.getpid())
        for pid in sorted(set(pids)) if self.exists else ():
            self.maybe[pid] = set()
            # In another zone the same ends may be another connection.
            self.ends[pid] = self._read(pid) if own in (_zone_of(pid, own), None) else None

    def _read(self, pid: int) -> set[Ends] | None:
        found: set[Ends] = set()
        try:
            for raw in _files(pid):
                ends, sure = connection_of(raw)
                if ends is not None:
                    (found if sure else self.maybe[pid]).add(ends)
        except OSError:
            return None
        return found

    def has(self, pid: int, row: Row) -> Answer:
        """Did this process make the connection, or does it hold it?"""
        if row[PID] == pid:
            return True
        key = ends_of(row)
        held = self.ends.get(pid)
        if held is not None and key in held:
            return True
        if not row[PID] or (self.exists and (held is None or key in self.maybe[pid])):
            return None
        return False


def connection_of(raw: bytes) -> tuple[Ends | None, bool]:
    """The ends of the connection that a descriptor is, if any, and whether it is surely one of TCP.

    Raises OSError for what is no prfdinfo_t.
    """
    records = dict(_records(raw))
    local, peer = _end(records.get(_LOCAL, b"")), _end(records.get(_PEER, b""))
    if local is None or peer is None or len(local[0]) != len(peer[0]):
        return None, False
    if _HEADER.unpack_from(raw)[1] & 0xF000 != _IS_SOCKET:
        return (*local, *peer), False  # an endpoint of /dev/tcp, or of /dev/udp
    if int.from_bytes(records.get(_SO_TYPE, b"")[:4], sys.byteorder) != _STREAM:
        return None, False
    return (*local, *peer), True


def _records(raw: bytes) -> Iterator[tuple[int, bytes]]:
    if len(raw) < _HEADER.size:
        raise OSError(errno.EPROTO, "fdinfo is too short")
    at = _HEADER.size
    while at + _RECORD.size <= len(raw):
        size, kind = _RECORD.unpack_from(raw, at)
        if size == 0:
            return
        if size < _RECORD.size or at + size > len(raw):
            break
        yield kind, raw[at + _RECORD.size : at + size]
        at += size
    raise OSError(errno.EPROTO, "fdinfo has another layout")


def _end(sockaddr: bytes) -> tuple[bytes, int] | None:
    """Address and port of a sockaddr_in or sockaddr_in6."""
    family, port = int.from_bytes(sockaddr[:2], sys.byteorder), int.from_bytes(sockaddr[2:4], "big")
    if family == _INET and len(sockaddr) >= 16:
        return sockaddr[4:8], port
    if family == _INET6 and len(sockaddr) >= 32:
        return unmapped(sockaddr[8:24]), port
    return None


def _files(pid: int) -> Iterator[bytes]:
    """The file of each descriptor; none of a process that has gone, or is the kernel's own."""
    try:
        names = os.listdir(f"{PROC}/{pid}/fdinfo")
    except FileNotFoundError:
        return
    for name in names:
        try:
            raw = _read_at_once(f"{PROC}/{pid}/fdinfo/{name}")
        except FileNotFoundError:
            continue  # closed meanwhile
        if raw:
            yield raw


def _read_at_once(path: str) -> bytes:
    """One read(2): the kernel makes the file anew for each."""
    file = os.open(path, os.O_RDONLY)
    try:
        return os.read(file, 65536)
    finally:
        os.close(file)


def _exists() -> bool:
    """Is there fdinfo of this kind?  Linux has a directory of that name, of text."""
    try:
        names = os.listdir(f"{PROC}/self/fdinfo")
        raw = _read_at_once(f"{PROC}/self/fdinfo/{names[0]}") if names else b""
    except OSError:
        return False
    return len(raw) >= _HEADER.size and _HEADER.unpack_from(raw)[0] == int(names[0])


def _zone_of(pid: int, otherwise: int | None = None) -> int | None:
    try:
        return psinfo(pid).zone
    except OSError:
        return otherwise
