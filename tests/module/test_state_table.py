# SPDX-License-Identifier: BSD-2-Clause
"""The table of states in tcpdrop(8) is what this test sees: TCPDROP_WRITE_TABLE=1 (make state-table) writes it.

The peer is made of packets (support/packets.py), so that each state holds as long as it has to, and what
leaves for the peer is seen on the wire.
"""

import contextlib
import errno
import os
import socket
import struct
from pathlib import Path

import pytest
from support import procnet
from support.checks import listed, refuses, row_of
from support.packets import ACK, FIN, HOST, SYN, Wire
from support.sockets import TCP_FASTOPEN
from support.wait import until

from tcpdrop import _tcpdrop
from tcpdrop.engine.peer_told import sends_reset
from tcpdrop.model.rows import COOKIE, INODE, RECVQ, SENDQ
from tcpdrop.system import platform

pytestmark = [pytest.mark.privileged, pytest.mark.only_on("linux", reason="packet sockets; no RST elsewhere")]

PAGE = Path(__file__).resolve().parents[2] / "docs" / "tcpdrop.8"
HEAD = ".It Em state Ta Em peer Ta Em its program gets"
TCP_REPAIR, TCP_ULP = 19, 31  # tcp(7), linux/tcp.h


@contextlib.contextmanager
def knob(name, value):
    file = Path("/proc/sys/net/ipv4", name)
    before = file.read_text()
    file.write_text(value)
    try:
        yield
    finally:
        file.write_text(before)


class Scene:
    """A listener of the holder's and a peer of packets."""

    def __init__(self, wire, holder):
        self.wire, self.holder = wire, holder
        self.listener = holder.listener(addr=HOST)
        self.peer = wire.peer(self.listener.name()[1])

    def served(self):
        """The host's socket, established."""
        self.peer.open()
        sock = self.listener.accept()
        self.peer.resets()
        return sock

    def dialled(self):
        """A socket that waits in connect(), and that call."""
        sock = self.holder.socket()
        self.peer = self.wire.peer(None)
        connecting = sock.start("connect", self.peer.address)
        self.peer.expect(SYN)
        return sock, connecting

    def drop(self, state):
        """Drop it by the cookie of its own row: "reset" or "nothing", as the wire has it."""
        tup = self.peer.tuple
        until(lambda: procnet.state(tup) == state, f"{state}, is {procnet.state(tup)}")
        row = row_of(tup)
        self.peer.resets()
        _tcpdrop.abort(*tup, cookie=row[COOKIE])
        until(lambda: procnet.state(tup) is None, "the socket to vanish")
        assert listed(tup) is None
        seen = self.peer.resets()
        assert len(seen) <= 1
        said = sends_reset(row, None)  # what JSON and standard error will say
        assert said is bool(seen), (state, said, seen)
        return "reset" if seen else "nothing"


def gets(sock, *calls):
    """What each call gives, in the manual page's words; that all ends with an end of file it says below the table."""
    said = []
    for name in calls:
        try:
            value = sock.call(name, 100) if name == "recv" else sock.call(name, b"x")
            said.append("end of file" if value == b"" else "what was unread")
        except OSError as error:
            said.append(f"Er {errno.errorcode[error.errno]}")
    if len(said) > 1 and said[-1] == "end of file":
        said.pop()
    return " No then ".join(said)


# ---- a row each; what the program gets: a call, and what it gives


def established(scene):
    sock = scene.served()
    return scene.drop("ESTABLISHED"), gets(sock, "recv", "recv")


def unread(scene):
    """Unread data here, and a peer whose window is shut."""
    sock = scene.served()
    scene.peer.window = 0
    scene.peer.send(ACK, b"unread")
    sock.call("sendall", b"x" * 1000)
    until(lambda: row_of(scene.peer.tuple)[SENDQ] == 1000 and row_of(scene.peer.tuple)[RECVQ] == 6, "both queues")
    return scene.drop("ESTABLISHED"), gets(sock, "recv", "recv")


def unaccepted(scene):
    """A child of the listener: accept(2) still gives it."""
    scene.peer.open()
    assert row_of(scene.peer.tuple)[INODE] == 0
    peer = scene.drop("ESTABLISHED")
    sock = scene.listener.accept()
    scene.wire.peer(scene.listener.name()[1]).open()
    scene.listener.accept().call("sendall", b"x")  # the listener goes on
    return peer, gets(sock, "recv", "recv")


def lingering(scene):
    """SO_LINGER of 0: one reset, from the drop; closing it sends no other."""
    sock = scene.served()
    sock.call("setsockopt", socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer, said = scene.drop("ESTABLISHED"), gets(sock, "recv", "recv")
    sock.close()
    assert scene.peer.resets() == []
    return peer, said


def repaired(scene):
    sock = scene.served()
    sock.call("setsockopt", socket.IPPROTO_TCP, TCP_REPAIR, 1)
    tup = scene.peer.tuple
    _tcpdrop.abort(*tup, cookie=row_of(tup)[COOKIE])
    until(lambda: procnet.state(tup) is None, "the socket to vanish")
    peer = "reset" if scene.peer.resets() else "nothing"
    sock.call("setsockopt", socket.IPPROTO_TCP, TCP_REPAIR, 0)
    return peer, gets(sock, "recv", "recv")


def close_wait(scene):
    sock = scene.served()
    scene.peer.send(FIN | ACK)
    return scene.drop("CLOSE_WAIT"), gets(sock, "recv", "sendall")


def fin_wait1(scene):
    sock = scene.served()
    sock.call("shutdown", socket.SHUT_WR)
    scene.peer.expect(FIN)
    return scene.drop("FIN_WAIT1"), gets(sock, "recv", "recv")


def fin_wait2(scene):
    sock = scene.served()
    sock.call("shutdown", socket.SHUT_WR)
    scene.peer.expect(FIN)
    scene.peer.send(ACK)
    return scene.drop("FIN_WAIT2"), gets(sock, "recv", "recv")


def fin_wait2_closed(scene):
    scene.served().close()
    scene.peer.expect(FIN)
    scene.peer.send(ACK)
    return scene.drop("FIN_WAIT2"), "\\-"


def closing(scene):
    """Both ends' FINs crossed, and ours is not acknowledged."""
    sock = scene.served()
    before = scene.peer.ack
    sock.call("shutdown", socket.SHUT_WR)
    scene.peer.expect(FIN)
    scene.peer.send(FIN | ACK, ack=before)
    return scene.drop("CLOSING"), gets(sock, "recv")


def last_ack(scene):
    """Closed by its program, and the peer is dead: it never acknowledges."""
    sock = scene.served()
    scene.peer.send(FIN | ACK)
    until(lambda: procnet.state(scene.peer.tuple) == "CLOSE_WAIT", "CLOSE_WAIT")
    sock.close()
    scene.peer.expect(FIN)
    return scene.drop("LAST_ACK"), "\\-"


def time_wait(scene):
    scene.served().close()
    scene.peer.expect(FIN)
    scene.peer.send(FIN | ACK)
    return scene.drop("TIME_WAIT"), "\\-"


def connected(connecting):
    number = connecting.errno()
    return f"Er {errno.errorcode[number]} No from Xr connect 2"


def syn_sent(scene):
    _, connecting = scene.dialled()
    return scene.drop("SYN_SENT"), connected(connecting)


def simultaneous_open(scene):
    """Both ends called at once: a SYN came where a SYN+ACK was waited for."""
    _, connecting = scene.dialled()
    scene.peer.send(SYN)
    return scene.drop("SYN_RECV"), connected(connecting)


def syn_recv(scene):
    scene.peer.send(SYN)
    scene.peer.expect(SYN)
    peer = scene.drop("SYN_RECV")
    scene.peer.send(ACK)
    until(scene.peer.resets, "the reset")  # its next segment's
    assert scene.listener.poll() == 0
    return peer, "\\-"


def fast_open(scene):
    """TCP Fast Open: data came with the SYN, and there is a socket already, which accept(2) gives."""
    with knob("tcp_fastopen", str(2 | 0x200)):  # serves it, and asks for no cookie
        scene.listener.call("setsockopt", socket.IPPROTO_TCP, TCP_FASTOPEN, 5)
        scene.peer.send(SYN, b"data")
        scene.peer.expect(SYN)
        peer = scene.drop("SYN_RECV")
    return peer, gets(scene.listener.accept(), "recv", "recv")


#: the first column of the table -> what makes it
ROWS = {
    "ESTABLISHED": established,
    "ESTABLISHED, unread and unsent data": unread,
    "ESTABLISHED, not yet accepted": unaccepted,
    "ESTABLISHED, SO_LINGER of 0": lingering,
    "ESTABLISHED, TCP_REPAIR": repaired,
    "CLOSE_WAIT": close_wait,
    "FIN_WAIT1": fin_wait1,
    "FIN_WAIT2": fin_wait2,
    "FIN_WAIT2, closed by its program": fin_wait2_closed,
    "CLOSING": closing,
    "LAST_ACK": last_ack,
    "TIME_WAIT": time_wait,
    "SYN_SENT": syn_sent,
    "SYN_RECV, both called at once": simultaneous_open,
    "SYN_RECV": syn_recv,
    "SYN_RECV with data (TCP Fast Open)": fast_open,
}


@pytest.fixture(scope="module")
def wire():
    wire = Wire()
    yield wire
    wire.close()


@pytest.fixture
def scene(wire, holder):
    return Scene(wire, holder)


def written():
    """The rows of the page."""
    lines = PAGE.read_text(encoding="utf-8").split("\n")
    start = lines.index(HEAD) + 1
    return start, lines[start : lines.index(".El", start)]


SEEN = {}


@pytest.mark.parametrize("state", ROWS)
def test_a_row_of_the_table(scene, state):
    if platform.release() < (6, 11):
        pytest.skip("the table is that of Linux 6.11 and newer; test_states.py has what older ones do")
    SEEN[state] = f".It {state} Ta " + " Ta ".join(ROWS[state](scene))
    if os.environ.get("TCPDROP_WRITE_TABLE"):
        pytest.skip(SEEN[state])
    assert SEEN[state] in written()[1]


def test_the_table_has_no_other_rows():
    if os.environ.get("TCPDROP_WRITE_TABLE"):
        start, old = written()
        lines = PAGE.read_text(encoding="utf-8").split("\n")
        lines[start : start + len(old)] = [*SEEN.values(), LISTENING]
        PAGE.write_text("\n".join(lines), encoding="utf-8")
    assert [row.partition(" Ta ")[0][4:] for row in written()[1]] == [*ROWS, "LISTEN"]


LISTENING = ".It LISTEN Ta \\- Ta never dropped"


def test_a_listener(scene):
    assert LISTENING in written()[1]
    host, port = scene.listener.name()
    packed = socket.inet_aton(host)
    with pytest.raises(ValueError):
        _tcpdrop.abort(packed, port, bytes(4), 0)
    refuses(errno.ENOENT, _tcpdrop.abort, packed, port, *scene.peer.tuple[2:])
    assert scene.listener.poll() == 0
    scene.served()


def test_what_syncookies_answer_is_no_connection_yet(scene):
    """The kernel keeps nothing of it: there is nothing to list and nothing to drop, and the listener lives."""
    with knob("tcp_syncookies", "2"):
        scene.peer.send(SYN)
        scene.peer.expect(SYN)
        assert listed(scene.peer.tuple) is None
        refuses(errno.ENOENT, _tcpdrop.abort, *scene.peer.tuple)
        scene.peer.send(ACK)  # it has the cookie: now there is one
        assert scene.drop("ESTABLISHED") == "reset"
        assert gets(scene.listener.accept(), "recv") == "Er ECONNABORTED"


def test_encrypted_by_the_kernel(holder):
    """kTLS: what the kernel encrypts is dropped as any other."""
    pair = holder.pair()
    number = pair.sock.errno("setsockopt", socket.IPPROTO_TCP, TCP_ULP, b"tls")
    if number == errno.ENOENT:
        pytest.skip("this kernel has no kTLS (modprobe tls)")
    assert number == 0
    _tcpdrop.abort(*pair.tuple, cookie=row_of(pair.tuple)[COOKIE])
    until(lambda: procnet.state(pair.tuple) is None, "the socket to vanish")
    assert pair.sock.errno("recv", 10) == errno.ECONNABORTED
    assert pair.peer.errno("recv", 10) == errno.ECONNRESET
