# SPDX-License-Identifier: BSD-2-Clause
"""list_connections() against /proc/net/tcp and tcp6: exactly the same sockets.

The crowd lives in a network namespace of its own; `scope` is how it is listed.
"""

import errno
import os
import socket
import struct
import threading
from collections import Counter

import pytest
from support import netns, procnet
from support.checks import ends_of, refuses, row_of, rows
from support.holder import Holder
from support.wait import until

from tcpdrop import _tcpdrop
from tcpdrop.model.rows import (
    BYTES_RECEIVED,
    BYTES_SENT,
    CC,
    COOKIE,
    ESTABLISHED,
    FAMILY,
    FLAGS,
    INFO,
    INFO_BYTES,
    INFO_CC,
    INFO_OPENED,
    INFO_RETRANS,
    INFO_RTT,
    INFO_TIMES,
    INODE,
    KNOWN,
    LADDR,
    LAST_RECEIVED,
    LAST_SENT,
    LISTEN,
    LPORT,
    RADDR,
    RECVQ,
    RETRANS,
    ROW,
    ROW_MARK,
    ROW_QUEUES,
    ROW_UID,
    RPORT,
    RTT,
    SENDQ,
    STATE,
    STATE_NAMES,
    TIME_WAIT,
    UID,
)

pytestmark = [pytest.mark.privileged, pytest.mark.only_on("linux", reason="network namespaces, /proc/net/tcp")]

ALL = 0xFFE
STATES = ("established", "close_wait", "time_wait", "fin_wait2")
PER_KIND = 100


@pytest.fixture(scope="module")
def crowd():
    """At least 2,000 sockets of every family and state that stays, and their namespace."""
    with Holder(netns=True) as there:
        for family in ("inet", "inet6", "mapped"):
            for state in STATES:
                there.ask("crowd", family, PER_KIND, state)
        there.ask("listen_many", "inet", 60)
        there.ask("listen_many", "mapped", 60)
        fd = there.netns()
        assert sum(procnet.crowd(there.pid).values()) > 2000
        yield there, fd
        os.close(fd)


def counted(found):
    """The listing in the witness's shape."""
    count = Counter()
    for row in found:
        size = 4 if row[FAMILY] == 4 else 16
        count[(row[FAMILY], row[LADDR][:size], row[LPORT], row[RADDR][:size], row[RPORT], row[STATE])] += 1
    return count


def both(crowd, *args, **kwargs):
    """(our listing, the witness in its shape) of one and the same moment."""
    there, fd = crowd
    found, witnesses = procnet.while_still(lambda: rows(*args, scope=fd, **kwargs), there.pid)
    return found, procnet.counted(witnesses)


@pytest.mark.parametrize("details", [0, 1])
@pytest.mark.parametrize("threads", [0, 1, 2, 3, 8, 16, 1000])
def test_exactly_what_the_witness_says(crowd, threads, details):
    found, witness = both(crowd, ALL, threads=threads, details=details)
    assert counted(found) == witness
    cookies = [row[COOKIE] for row in found]
    assert len(set(cookies)) == len(cookies), "one socket twice"


def test_every_state_and_family_is_in_the_crowd(crowd):
    _, witness = both(crowd, ALL)
    seen = {(key[0], STATE_NAMES[key[5]]) for key in witness}
    assert seen >= {(family, state.upper()) for family in (4, 6) for state in (*STATES, "listen")}
    assert any(key[0] == 6 and key[1].startswith(procnet.MAPPED) and any(key[1][12:]) for key in witness)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("state", range(1, 12))
def test_one_state(crowd, state, threads):
    found, witness = both(crowd, 1 << state, threads=threads)
    assert counted(found) == Counter({key: n for key, n in witness.items() if key[5] == state})


def test_no_state_is_no_socket(crowd):
    assert rows(0, scope=crowd[1]) == []


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
def test_ports(crowd, threads):
    """sport and dport, also where ranges divide the walk; a dport leaves listeners out."""
    _, witness = both(crowd, ALL)
    some = sorted({key[2] for key in witness} | {key[4] for key in witness})[1 :: len(witness) // 10]
    assert len(some) > 5
    for port in some:
        found, witness = both(crowd, ALL, b"", port, threads=threads)
        assert counted(found) == Counter({key: n for key, n in witness.items() if key[2] == port})
        found, witness = both(crowd, ALL, b"", 0, port, threads=threads)
        assert counted(found) == Counter({key: n for key, n in witness.items() if key[4] == port and key[5] != procnet.LISTEN})


# ---- bytecode -----------------------------------------------------------------

S_GE, S_LE, D_GE, D_LE, S_COND, D_COND = 2, 3, 4, 5, 7, 8


def port_program(op, port, total=8):
    return struct.pack("=BBHBBH", op, 8, total + 4, 0, 0, port)


def address_program(op, family, addr, prefix):
    size = 8 + 4 + len(addr)
    return struct.pack("=BBHBBHi", op, size, size + 4, family, prefix, 0, -1) + addr


@pytest.mark.parametrize("threads", [1, 2, 8])
@pytest.mark.parametrize(
    ("op", "test"),
    [
        (S_GE, lambda key, port: key[2] >= port),
        (S_LE, lambda key, port: key[2] <= port),
        (D_GE, lambda key, port: key[4] >= port),
        (D_LE, lambda key, port: key[4] <= port),
    ],
)
def test_a_port_program(crowd, op, test, threads):
    """It is and-ed with the ranges of the threads."""
    _, witness = both(crowd, ALL)
    port = sorted(key[2] for key in witness)[len(witness) // 2]
    found, witness = both(crowd, ALL, port_program(op, port), threads=threads)
    wanted = Counter({key: n for key, n in witness.items() if test(key, port)})
    assert 0 < sum(wanted.values()) < sum(witness.values())
    assert counted(found) == wanted


@pytest.mark.parametrize("threads", [1, 3])
def test_an_address_program(crowd, threads):
    """An IPv4 condition also meets v4-mapped addresses."""
    found, witness = both(crowd, ALL, address_program(D_COND, socket.AF_INET, b"\x7f\0\0\0", 8), threads=threads)
    assert counted(found) == Counter({k: n for k, n in witness.items() if procnet.plain(k[3]).startswith(b"\x7f") and k[5] != 10})
    found, witness = both(crowd, ALL, address_program(S_COND, socket.AF_INET6, bytes(15) + b"\1", 128), threads=threads)
    assert counted(found) == Counter({k: n for k, n in witness.items() if k[1] == bytes(15) + b"\1"})


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("program", [b"\xff\x04\x00\x00", b"\x00\x08\x08\x00", struct.pack("=BBH", 1, 4, 2), bytes(65400)])
def test_a_bad_program_is_the_kernels_to_refuse(crowd, program, threads):
    refuses(errno.EINVAL, _tcpdrop.list_connections, ALL, program, threads=threads, scope=crowd[1])


@pytest.mark.parametrize("program", [b"\0", b"\0\4\4\0\0", bytes(65528), bytes(70000)])
def test_a_program_that_fits_no_request(crowd, program):
    assert refuses(errno.E2BIG, _tcpdrop.list_connections, ALL, program, scope=crowd[1]).step == "bytecode"


# ---- details ------------------------------------------------------------------


def detailed(tup, **where):
    for raw in _tcpdrop.list_connections(1 << ESTABLISHED, details=1, **where):
        if ends_of(ROW.unpack_from(raw)) == procnet.ends(tup):
            return INFO.unpack_from(raw, ROW.size)
    raise AssertionError("not listed")


@pytest.mark.parametrize("family", ["inet", "inet6", "mapped"])
def test_details(holder, family):
    pair = holder.pair(family)
    pair.sock.call("sendall", b"a" * 12345)
    pair.peer.call("sendall", b"b" * 777)
    until(lambda: detailed(pair.tuple)[BYTES_RECEIVED] == 777, "the bytes to arrive")
    until(lambda: detailed(pair.mirrored)[BYTES_RECEIVED] == 12345, "the bytes to arrive")
    info = detailed(pair.tuple)
    assert info[BYTES_SENT] == 12345
    assert detailed(pair.mirrored)[BYTES_SENT] == 777
    assert detailed(pair.mirrored)[BYTES_RECEIVED] == 12345
    assert info[CC].rstrip(b"\0") == pair.sock.call("getsockopt", socket.IPPROTO_TCP, 13, 16).rstrip(b"\0") != b""
    assert info[KNOWN] & ~INFO_OPENED == INFO_TIMES | INFO_BYTES | INFO_CC | INFO_RETRANS | INFO_RTT
    until(lambda: detailed(pair.tuple)[KNOWN] & INFO_OPENED, "what it sent to be acknowledged: it has opened the connection")
    assert not detailed(pair.mirrored)[KNOWN] & INFO_OPENED
    assert 0 < info[RTT] < 10_000_000
    assert max(info[LAST_SENT], info[LAST_RECEIVED]) < 60_000
    assert info[RETRANS] == 0


def test_sockets_that_have_no_details(crowd):
    for raw in _tcpdrop.list_connections(1 << TIME_WAIT, details=1, scope=crowd[1]):
        assert raw[ROW.size :] == bytes(INFO.size)


def test_queues_uid_and_inode_are_the_witnesss(holder):
    pair = holder.pair()
    pair.sock.call("sendall", b"x" * 321)
    until(lambda: procnet.find(pair.mirrored)[0].recvq == 321, "the bytes to arrive")
    for tup in (pair.tuple, pair.mirrored):
        witness = procnet.find(tup)[0]
        row = row_of(tup)
        assert (row[RECVQ], row[SENDQ], row[UID], row[INODE]) == (
            *(witness.recvq, witness.sendq),
            *(witness.uid, witness.inode),
        )
        assert row[FLAGS] & (ROW_UID | ROW_QUEUES) == ROW_UID | ROW_QUEUES
        assert row[FLAGS] & ROW_MARK, "we have CAP_NET_ADMIN here"


def test_without_the_capability_there_is_no_mark(run):
    """The sign that a listing carries of its own rights (ROW_MARK)."""
    code = """
import socket
from support import netns
from tcpdrop import _tcpdrop
from tcpdrop.model.rows import FLAGS, LISTEN, ROW, ROW_MARK
s = socket.create_server(("127.0.0.1", 0))
def marks():
    return {ROW.unpack_from(raw)[FLAGS] & ROW_MARK for raw in _tcpdrop.list_connections(1 << LISTEN)}
assert marks() == {ROW_MARK}, marks()
netns.drop_capabilities()
assert marks() == {0}, marks()
"""
    run(code)


# ---- scope --------------------------------------------------------------------


def test_a_scope_shows_its_own_sockets_and_no_others(crowd, holder):
    pair = holder.pair()
    fd = crowd[1]
    mine = {ends_of(row) for row in rows(ALL)}
    theirs = {ends_of(row) for row in rows(ALL, scope=fd)}
    assert pair.tuple in mine
    assert pair.tuple not in theirs
    assert {row[COOKIE] for row in rows(ALL)}.isdisjoint({row[COOKIE] for row in rows(ALL, scope=fd)})


@pytest.mark.parametrize("threads", [0, 1, 8])
def test_looking_there_moves_no_thread(crowd, threads):
    where = []

    def look():
        before = netns.here()
        for _ in range(20):
            _tcpdrop.list_connections(1 << LISTEN, threads=threads, scope=crowd[1])
            where.append(netns.here() == before)

    look()
    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert where == [True] * 40


def test_a_scope_that_is_no_namespace(crowd):
    with open("/dev/null", "rb") as f:
        for threads in (0, 8):
            assert refuses(errno.EINVAL, _tcpdrop.list_connections, ALL, threads=threads, scope=f.fileno()).step == "setns"
    assert refuses(errno.EBADF, _tcpdrop.interfaces, -1).step == "setns"
    assert refuses(errno.EBADF, _tcpdrop.probe, -1).step == "setns"


# ---- while others come and go ---------------------------------------------------


@pytest.mark.parametrize("threads", [1, 3])
def test_churn(other_namespace, threads):
    """A dump is no snapshot; still no socket comes twice, and the stable ones come."""
    there, fd = other_namespace
    stable = {there.pair(family).tuple for family in ("inet", "inet6") for _ in range(20)}
    busy = there.start("crowd", "inet", 1500, "time_wait")
    looks = 0
    missed = 0
    while busy.running() or looks < 5:
        found = rows(ALL, threads=threads, scope=fd)
        cookies = [row[COOKIE] for row in found]
        assert len(set(cookies)) == len(cookies)
        missed += not stable <= {ends_of(row) for row in found}
        looks += 1
    assert missed <= looks // 2, "linux.md section 1: rare, never the rule"
    assert stable <= {ends_of(row) for row in rows(ALL, scope=fd)}
