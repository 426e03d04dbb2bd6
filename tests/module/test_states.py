# SPDX-License-Identifier: BSD-2-Clause
"""A drop in each TCP state: what the tables, the wire, the victim and the peer see.

The peer is a process of ours where two ends will do, and made of packets
(support/packets.py) where it has to be silent.
"""

import errno
import select
import socket
from pathlib import Path

import pytest
from support import procnet
from support.checks import listed, refuses, row_of
from support.holder import fresh_ports
from support.packets import ACK, FIN, HOST, PEER, SYN, Wire
from support.sockets import RDHUP, TCP_FASTOPEN
from support.wait import until

from tcpdrop import _tcpdrop
from tcpdrop._tcpdrop import BACKEND
from tcpdrop.engine.peer_told import sends_reset
from tcpdrop.engine.verify import outlives
from tcpdrop.model.rows import COOKIE, FLAGS, INODE, RECVQ, ROW_UID, SENDQ, STATE, STATE_NAMES
from tcpdrop.system import platform

pytestmark = pytest.mark.privileged

EVERYTHING = select.POLLIN | select.POLLOUT | select.POLLERR | select.POLLHUP | RDHUP


def in_state(tup, name):
    until(lambda: procnet.state(tup) == name, f"{name}, is {procnet.state(tup)}")
    assert listed(tup) == name
    assert STATE_NAMES[row_of(tup)[STATE]] == name


def drop(tup):
    """Drop it by the cookie of its own row, and see it gone; is its peer said to be told?"""
    row = row_of(tup)
    cookie = row[COOKIE]
    _tcpdrop.abort(*tup, cookie=cookie)
    until(lambda: procnet.state(tup) is None, "the socket to vanish")
    assert listed(tup) is None
    refuses(errno.ENOENT, _tcpdrop.abort, *tup, cookie=cookie)
    return sends_reset(row, None)


def drop_orphan(tup):
    """The same for what its program has closed: an older kernel may end nothing, call it success, and then we say so."""
    row = row_of(tup)
    _tcpdrop.abort(*tup, cookie=row[COOKIE])
    if BACKEND == "linux" and platform.release() < (6, 11) and procnet.state(tup) is not None:
        assert outlives(row, None)
        pytest.skip("this kernel leaves it, and calls that success: still present")
    until(lambda: procnet.state(tup) is None, "the socket to vanish")
    return sends_reset(row, None)


def drop_mini(tup):
    """The same for what waits a connection out: before Linux 6.0 that stays, and the kernel says so.  tcp_abort()"""
    if BACKEND == "linux" and platform.release() < (6, 0):
        state = procnet.state(tup)
        refuses(errno.EOPNOTSUPP, _tcpdrop.abort, *tup, cookie=row_of(tup)[COOKIE])
        assert procnet.state(tup) == state
        pytest.skip("Linux drops it since 6.0: refused and left here")
    return drop(tup)


# ---- two ends of ours ---------------------------------------------------------


@pytest.mark.parametrize("call", [("recv", 10), ("sendall", b"x" * 20_000_000)])
def test_established_and_blocked(holder, backend, call):
    pair = holder.pair()
    blocked = pair.sock.start(*call).asleep()
    in_state(pair.tuple, "ESTABLISHED")
    drop(pair.tuple)
    assert blocked.errno() == backend.victim_errno


def test_established_idle_then_used(holder, backend):
    """The error once, then EPIPE; poll reports everything; the descriptor is spent."""
    pair = holder.pair()
    drop(pair.tuple)
    assert pair.sock.poll() == EVERYTHING
    assert pair.sock.errno("sendall", b"x") == backend.victim_errno
    assert pair.sock.errno("sendall", b"x") == errno.EPIPE
    assert pair.sock.call("recv", 10) == b""
    assert pair.sock.errno("getpeername") == errno.ENOTCONN


def test_so_error_reads_once(holder, backend):
    pair = holder.pair()
    drop(pair.tuple)
    assert pair.sock.so_error() == backend.victim_errno
    assert pair.sock.so_error() == 0


def test_edge_triggered_epoll_wakes(holder):
    pair = holder.pair()
    waiting = pair.sock.epoll().asleep()
    drop(pair.tuple)
    assert waiting.wait() & (select.EPOLLERR | select.EPOLLHUP) == select.EPOLLERR | select.EPOLLHUP


def test_unread_data_comes_first(holder, backend):
    pair = holder.pair()
    pair.peer.call("sendall", b"before")
    until(lambda: row_of(pair.tuple)[RECVQ] == 6, "the data")
    drop(pair.tuple)
    assert pair.sock.call("recv", 100) == b"before"
    assert pair.sock.errno("recv", 100) == backend.victim_errno
    assert pair.sock.call("recv", 100) == b""


@pytest.mark.only_on("linux", reason="the peer is told")
def test_the_peer_is_reset(holder):
    pair = holder.pair()
    blocked = pair.peer.start("recv", 10).asleep()
    polled = holder.pair()
    drop(pair.tuple)
    drop(polled.tuple)
    assert blocked.errno() == errno.ECONNRESET
    assert pair.peer.call("recv", 10) == b""
    assert pair.peer.errno("sendall", b"x") == errno.EPIPE
    assert polled.peer.poll() == EVERYTHING
    assert polled.peer.so_error() == errno.ECONNRESET


@pytest.mark.parametrize("family", ["inet", "inet6", "mapped"])
def test_close_wait(holder, backend, family):
    """The peer has closed: recv says EOF, not an error; only send shows it."""
    pair = holder.pair(family)
    pair.peer.call("shutdown", socket.SHUT_WR)
    in_state(pair.tuple, "CLOSE_WAIT")
    assert procnet.state(pair.mirrored) == "FIN_WAIT2"
    drop(pair.tuple)
    assert pair.sock.call("recv", 10) == b""
    assert pair.sock.errno("sendall", b"x") == backend.victim_errno
    if backend.tells_peer:
        assert pair.peer.errno("recv", 10) == errno.ECONNRESET


@pytest.mark.parametrize("family", ["inet", "inet6", "mapped"])
def test_fin_wait2_with_a_descriptor(holder, backend, family):
    pair = holder.pair(family)
    pair.sock.call("shutdown", socket.SHUT_WR)
    in_state(pair.tuple, "FIN_WAIT2")
    blocked = pair.sock.start("recv", 10).asleep()
    drop(pair.tuple)
    assert blocked.errno() == backend.victim_errno


@pytest.mark.parametrize("family", ["inet", "inet6", "mapped"])
def test_fin_wait2_without_one(holder, family):
    """A mini socket that no process holds; its peer does not notice."""
    pair = holder.pair(family)
    pair.sock.close()
    in_state(pair.tuple, "FIN_WAIT2")
    assert row_of(pair.tuple)[INODE] == 0
    drop_mini(pair.tuple)
    assert procnet.state(pair.mirrored) == "CLOSE_WAIT"
    assert pair.peer.call("recv", 10) == b""


@pytest.mark.parametrize("family", ["inet", "inet6", "mapped"])
def test_time_wait(holder, family):
    ports = fresh_ports()
    pair = holder.pair(family, **ports)
    pair.close()
    in_state(pair.tuple, "TIME_WAIT")
    drop_mini(pair.tuple)
    # The pair of ports is free at once: the same tuple again, without waiting.
    again = holder.pair(family, **ports)
    assert again.tuple == pair.tuple
    assert again.alive()


@pytest.mark.parametrize("family", ["inet", "inet6"])
def test_syn_sent_to_a_full_backlog(holder, backend, family):
    listener = holder.listener(family, backlog=1)  # PyPy makes 1 of 0
    queued = [holder.socket(family), holder.socket(family)]  # one more than the backlog
    for one in queued:
        one.call("connect", listener.name())
        until(lambda one=one: one.poll() & select.POLLOUT, "a connection in the queue")
    caller = holder.socket(family)
    connecting = caller.start("connect", listener.name())
    until(lambda: caller.name()[1], "a port")
    tup = caller.tuple_to(listener)
    in_state(tup, "SYN_SENT")
    drop(tup)
    assert connecting.errno() == backend.victim_errno
    for one in queued:
        assert listener.accept().tuple_to(one) == listener.tuple_to(one)


@pytest.mark.parametrize("family", ["inet", "inet6", "mapped"])
def test_not_yet_accepted(holder, backend, family):
    """The kernel has accepted, the application not yet: it gets a socket that fails."""
    listener = holder.listener(family)
    client = holder.socket(family)
    client.call("connect", listener.name())
    tup = listener.tuple_to(client)
    in_state(tup, "ESTABLISHED")
    assert row_of(tup)[INODE] == 0
    drop(tup)
    accepted = listener.accept()
    assert accepted.errno("recv", 10) == backend.victim_errno
    if backend.tells_peer:
        assert client.errno("recv", 10) == errno.ECONNRESET
    # The listener goes on.
    holder.socket(family).call("connect", listener.name())
    listener.accept().call("sendall", b"x")


# ---- a peer made of packets ---------------------------------------------------


@pytest.fixture(scope="module")
def wire(request, holder):
    wire = Wire()
    yield wire
    wire.close()


@pytest.fixture
def listener(holder):
    return holder.listener(addr=HOST)


@pytest.fixture
def peer(wire, listener):
    return wire.peer(listener.name()[1])


@pytest.fixture
def served(peer, listener):
    """(the host's socket, the packet peer), established."""
    peer.open()
    sock = listener.accept()
    peer.resets()
    return sock, peer


ON_THE_WIRE = pytest.mark.only_on("linux", reason="packet sockets; no RST elsewhere")


@ON_THE_WIRE
def test_syn_sent(holder, wire, backend):
    """Nothing on the wire; connect() fails and the descriptor can connect again."""
    sock = holder.socket()
    peer = wire.peer(None)
    connecting = sock.start("connect", peer.address)
    first = peer.expect(SYN)
    in_state(peer.tuple, "SYN_SENT")
    assert drop(peer.tuple) is False
    assert connecting.errno() == backend.victim_errno
    assert peer.resets() == []
    again = sock.start("connect", peer.address)
    assert peer.expect(SYN).seq != first.seq
    peer.send(SYN | ACK)
    assert again.wait() is None
    in_state(peer.tuple, "ESTABLISHED")


@ON_THE_WIRE
def test_syn_recv(peer, listener):
    """No socket yet: nothing on the wire, the listener lives, a late ACK is reset."""
    peer.send(SYN)
    peer.expect(SYN)
    in_state(peer.tuple, "SYN_RECV")
    assert row_of(peer.tuple)[INODE] == 0
    assert drop(peer.tuple) is False
    assert peer.resets() == []
    peer.send(ACK)
    until(peer.resets, "the reset")
    assert listener.poll() == 0
    peer.wire.peer(listener.name()[1]).open()
    listener.accept().close()


@ON_THE_WIRE
def test_syn_recv_with_a_socket(peer, listener):
    """TCP Fast Open: data came with the SYN, and there is a socket already."""
    knob = Path("/proc/sys/net/ipv4/tcp_fastopen")
    before = knob.read_text()
    knob.write_text(str(2 | 0x200))  # serves it, and asks for no cookie
    try:
        listener.call("setsockopt", socket.IPPROTO_TCP, TCP_FASTOPEN, 5)
        peer.send(SYN, b"data")
        peer.expect(SYN)
        in_state(peer.tuple, "SYN_RECV")
        assert drop(peer.tuple) is True
        assert [str(s) for s in peer.resets()] == ["RST+ACK"]
    finally:
        knob.write_text(before)


@ON_THE_WIRE
def test_established_on_the_wire(served, backend):
    sock, peer = served
    in_state(peer.tuple, "ESTABLISHED")
    assert drop(peer.tuple) is True
    assert [str(s) for s in peer.resets()] == ["RST+ACK"]
    assert sock.errno("recv", 10) == backend.victim_errno


@ON_THE_WIRE
def test_unsent_data_is_discarded(served):
    """A peer that reads nothing: what was waiting is gone with the connection."""
    sock, peer = served
    peer.window = 0
    peer.send(ACK)
    sock.call("sendall", b"x" * 1000)
    until(lambda: row_of(peer.tuple)[SENDQ] == 1000, "unsent data")
    assert drop(peer.tuple) is True
    assert [s.data for s in peer.resets()] == [b""]


@ON_THE_WIRE
def test_fin_wait1(served, backend):
    sock, peer = served
    sock.call("shutdown", socket.SHUT_WR)
    peer.expect(FIN)
    in_state(peer.tuple, "FIN_WAIT1")
    assert drop(peer.tuple) is True
    assert [str(s) for s in peer.resets()] == ["RST+ACK"]
    assert sock.errno("recv", 10) == backend.victim_errno


@ON_THE_WIRE
def test_fin_wait2_on_the_wire(served, backend):
    sock, peer = served
    sock.call("shutdown", socket.SHUT_WR)
    peer.expect(FIN)
    peer.send(ACK)
    in_state(peer.tuple, "FIN_WAIT2")
    assert drop(peer.tuple) is True
    assert [str(s) for s in peer.resets()] == ["RST+ACK"]
    assert sock.errno("recv", 10) == backend.victim_errno


@ON_THE_WIRE
def test_fin_wait2_mini_on_the_wire(served):
    sock, peer = served
    sock.close()
    peer.expect(FIN)
    peer.send(ACK)
    in_state(peer.tuple, "FIN_WAIT2")
    assert drop_mini(peer.tuple) is False
    assert peer.resets() == []


@ON_THE_WIRE
def test_close_wait_on_the_wire(served, backend):
    sock, peer = served
    peer.send(FIN | ACK)
    in_state(peer.tuple, "CLOSE_WAIT")
    assert drop(peer.tuple) is True
    assert [str(s) for s in peer.resets()] == ["RST+ACK"]
    assert sock.call("recv", 10) == b""
    assert sock.errno("sendall", b"x") == backend.victim_errno
    assert sock.errno("sendall", b"x") == errno.EPIPE


@ON_THE_WIRE
def test_last_ack(served):
    sock, peer = served
    peer.send(FIN | ACK)
    in_state(peer.tuple, "CLOSE_WAIT")
    sock.close()
    peer.expect(FIN)
    in_state(peer.tuple, "LAST_ACK")
    assert drop_orphan(peer.tuple) is False
    assert peer.resets() == []


@ON_THE_WIRE
def test_closing(served, backend):
    """Both FINs crossed and ours is not acknowledged."""
    sock, peer = served
    before = peer.ack
    sock.call("shutdown", socket.SHUT_WR)
    peer.expect(FIN)
    peer.send(FIN | ACK, ack=before)
    in_state(peer.tuple, "CLOSING")
    assert drop(peer.tuple) is False
    assert peer.resets() == []
    assert sock.call("recv", 10) == b""


@ON_THE_WIRE
def test_time_wait_on_the_wire(served):
    sock, peer = served
    sock.close()
    peer.expect(FIN)
    peer.send(FIN | ACK)
    in_state(peer.tuple, "TIME_WAIT")
    assert drop_mini(peer.tuple) is False
    assert peer.resets() == []


@ON_THE_WIRE
def test_an_orphan_still_sending(served):
    """Closed by its application, data unacknowledged: nobody's, and it can be dropped."""
    sock, peer = served
    sock.call("sendall", b"x" * 100)
    sock.close()
    peer.expect(FIN)
    in_state(peer.tuple, "FIN_WAIT1")
    row = row_of(peer.tuple)
    assert row[INODE] == 0
    assert not row[FLAGS] & ROW_UID
    told = drop_orphan(peer.tuple)
    assert told is (True if BACKEND != "linux" or platform.release() >= (6, 11) else None)
    assert [str(s) for s in peer.resets()] == ["RST+ACK"] or told is None


@ON_THE_WIRE
def test_not_yet_accepted_on_the_wire(peer, listener, backend):
    peer.open()
    in_state(peer.tuple, "ESTABLISHED")
    assert drop(peer.tuple) is True
    assert [str(s) for s in peer.resets()] == ["RST+ACK"]
    assert listener.accept().errno("recv", 10) == backend.victim_errno


@ON_THE_WIRE
def test_a_peer_that_goes_on_is_reset_again(served):
    """What the peer sends afterwards meets no socket."""
    _, peer = served
    assert drop(peer.tuple) is True
    assert len(peer.resets()) == 1
    peer.send(ACK, b"more")
    assert len(until(peer.resets, "a reset")) == 1
    assert procnet.state((*peer.tuple[:2], socket.inet_aton(PEER), peer.port)) is None
