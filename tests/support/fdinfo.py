# SPDX-License-Identifier: BSD-2-Clause
"""A /proc as illumos has it, for the processes of this host: PID/fdinfo/FD in that system's bytes.

The layouts are those of its procfs.h (tools/sunos_cross.sh holds them against
the header); what is put in is what this kernel knows of the descriptors.
"""

import os
import socket
import struct
import sys

PATHNAME, LOCAL, PEER, SO_TYPE = 0, 1, 2, 9
SOCKET, CHARACTER = 0xC000, 0x2000
STREAM, DATAGRAM = 2, 1


def sockaddr(addr, port, v6=False):
    if ":" in addr or v6:
        text = addr if ":" in addr else f"::ffff:{addr}"
        return struct.pack("=H2sI16sII", 26, port.to_bytes(2, "big"), 0, socket.inet_pton(socket.AF_INET6, text), 0, 0)
    return struct.pack("=H2s4s8x", 2, port.to_bytes(2, "big"), socket.inet_aton(addr))


def raw_fdinfo(fd, records=(), mode=SOCKET | 0o666):
    """A prfdinfo_t with these (type, bytes)."""
    raw = struct.pack("=iI188x", fd, mode)
    for kind, data in records:
        padded = data + bytes(-len(data) % 4)
        raw += struct.pack("=II", 8 + len(padded), kind) + padded
    return raw + struct.pack("=II", 0, 0xFFFFFFFF)


def connection(fd, local, remote, *, kind=STREAM, mode=SOCKET | 0o666, v6=False):
    ends = [(LOCAL, sockaddr(*local[:2], v6)), (PEER, sockaddr(*remote[:2], v6))]
    typed = [(SO_TYPE, kind.to_bytes(4, sys.byteorder))] if mode & 0xF000 == SOCKET else []
    return raw_fdinfo(fd, ends + typed, mode)


class Proc:
    """The directory; `self` is there from the start."""

    def __init__(self, path):
        self.path = path
        self.add("self", {3: raw_fdinfo(3, [(PATHNAME, b"/dev/null\0")], CHARACTER)})

    def add(self, pid, files):
        directory = self.path / str(pid) / "fdinfo"
        directory.mkdir(parents=True)
        for fd, raw in files.items():
            (directory / str(fd)).write_bytes(raw)
        return directory

    def command(self, *arguments):
        """argv of tcpdrop that looks in here."""
        start = f"import sys, tcpdrop.system.sunos_fdinfo as f; f.PROC = {os.fspath(self.path)!r}"
        code = f"{start}; from tcpdrop.cli import main; sys.exit(main())"
        return [sys.executable, "-I", "-c", code, *arguments]
