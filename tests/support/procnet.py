# SPDX-License-Identifier: BSD-2-Clause
"""The witness: /proc/net/tcp and tcp6 of some process's network namespace."""

import sys
from collections import Counter
from typing import NamedTuple

from .wait import until

MAPPED = bytes(10) + b"\xff\xff"
STATES = {
    1: "ESTABLISHED",
    2: "SYN_SENT",
    3: "SYN_RECV",
    4: "FIN_WAIT1",
    5: "FIN_WAIT2",
    6: "TIME_WAIT",
    7: "CLOSED",
    8: "CLOSE_WAIT",
    9: "LAST_ACK",
    10: "LISTEN",
    11: "CLOSING",
}
LISTEN = 10


class Witness(NamedTuple):
    family: int
    laddr: bytes
    lport: int
    raddr: bytes
    rport: int
    state: int
    sendq: int
    recvq: int
    uid: int
    inode: int

    @property
    def ends(self):
        return plain(self.laddr), self.lport, plain(self.raddr), self.rport


def plain(addr):
    """A v4-mapped address as its 4 bytes."""
    return addr[12:] if len(addr) == 16 and addr[:12] == MAPPED else addr


def ends(tup):
    laddr, lport, raddr, rport = tup
    return plain(laddr), lport, plain(raddr), rport


def _end(text):
    addr, port = text.split(":")
    words = [bytes.fromhex(addr[i : i + 8]) for i in range(0, len(addr), 8)]
    if sys.byteorder == "little":
        words = [word[::-1] for word in words]
    return b"".join(words), int(port, 16)


def sockets(pid="thread-self"):
    """Everything both files name, of the namespace that `pid` is in."""
    found = []
    for name, family in (("tcp", 4), ("tcp6", 6)):
        try:
            with open(f"/proc/{pid}/net/{name}", encoding="ascii") as f:
                lines = f.read().splitlines()[1:]
        except FileNotFoundError:
            continue  # no IPv6 here
        for line in lines:
            part = line.split()
            sendq, recvq = (int(x, 16) for x in part[4].split(":"))
            found.append(Witness(family, *_end(part[1]), *_end(part[2]), int(part[3], 16), sendq, recvq, int(part[7]), int(part[9])))
    return found


def find(tup, pid="thread-self"):
    """What the files say about this four-tuple, listeners never among it."""
    return [w for w in sockets(pid) if w.ends == ends(tup) and w.state != LISTEN]


def state(tup, pid="thread-self"):
    """The state's name, or None when the tuple is not there."""
    found = find(tup, pid)
    assert len(found) < 2, found
    return STATES[found[0].state] if found else None


def listeners(port, pid="thread-self"):
    return [w for w in sockets(pid) if w.state == LISTEN and w.lport == port]


def crowd(pid="thread-self"):
    """(ends, state) of every socket, counted."""
    return counted(sockets(pid))


def counted(witnesses):
    """(ends, state) of these sockets, counted."""
    return Counter((w.family, w.laddr, w.lport, w.raddr, w.rport, w.state) for w in witnesses)


def while_still(look, pid="thread-self"):
    """(what look() gave, the witness) of one and the same moment: a TIME_WAIT of an earlier test may end meanwhile."""

    def both():
        before = sockets(pid)
        seen = look()
        return (seen, before) if crowd(pid) == counted(before) else None

    return until(both, "the sockets to hold still", 60)
