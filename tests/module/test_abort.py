# SPDX-License-Identifier: BSD-2-Clause
"""abort() and lookup(): one named connection, exactly, in every family and place."""

import errno
import os
import socket
import struct

import pytest
from support import netns, procnet
from support.checks import mapped, refuses, row_of
from support.holder import fresh_ports
from support.sockets import if_nameindex
from support.wait import until

from tcpdrop import _tcpdrop
from tcpdrop.model.rows import COOKIE, FAMILY, IFINDEX, INODE, LADDR, LPORT, RADDR, ROW, RPORT, STATE, STATE_NAMES, UID

pytestmark = pytest.mark.privileged

FAMILIES = ("inet", "inet6", "mapped")
ZERO_COOKIE_MEANS_ANY = 0


def assert_dropped(pair, backend):
    """Gone from the witness, and both ends say what this backend makes of it."""
    until(lambda: pair.state() is None, "the victim to vanish")
    assert pair.sock.errno("recv", 10) == backend.victim_errno
    if backend.tells_peer:
        until(lambda: procnet.state(pair.mirrored, pair.pid) is None, "the peer to vanish")
        assert pair.peer.errno("recv", 10) == errno.ECONNRESET
        assert pair.peer.call("recv", 10) == b""
    else:
        assert procnet.state(pair.mirrored, pair.pid) == "ESTABLISHED"


@pytest.mark.parametrize("victim", ["client", "server"])
@pytest.mark.parametrize("family", FAMILIES)
def test_drops_the_named_connection_and_no_other(holder, backend, family, victim):
    other = holder.pair(family)
    pair = holder.pair(family, victim=victim)
    assert pair.state() == "ESTABLISHED"
    assert _tcpdrop.abort(*pair.tuple) is None
    assert_dropped(pair, backend)
    assert other.alive()
    refuses(errno.ENOENT, _tcpdrop.abort, *pair.tuple)
    if backend.takes_both_ends:
        refuses(errno.ENOENT, _tcpdrop.abort, *pair.mirrored)


@pytest.mark.parametrize("family", ["inet", "mapped"])
@pytest.mark.parametrize("spelling", ["plain", "mapped"])
def test_an_ipv4_connection_has_two_names(holder, backend, family, spelling):
    """Carried by an IPv4 or an IPv6 socket, named by 4 bytes or by v4-mapped 16."""
    pair = holder.pair(family)
    laddr, lport, raddr, rport = pair.plain
    name = (laddr, lport, raddr, rport) if spelling == "plain" else (mapped(laddr), lport, mapped(raddr), rport)
    row = row_of(name)
    six = family == "mapped" and backend.mapped
    assert row[FAMILY] == (6 if six else 4)
    assert procnet.plain(row[LADDR][: 16 if six else 4]) == laddr
    _tcpdrop.abort(*name)
    assert_dropped(pair, backend)


@pytest.mark.parametrize("family", FAMILIES)
def test_lookup_says_what_the_socket_itself_says(holder, family, backend):
    pair = holder.pair(family)
    row = row_of(pair.tuple)
    ends = pair.tuple
    if family == "mapped" and not backend.mapped:
        ends = ends[0][12:], ends[1], ends[2][12:], ends[3]
    size = len(ends[0])
    assert (row[LADDR][:size], row[LPORT], row[RADDR][:size], row[RPORT]) == ends
    assert row[LADDR][size:] == bytes(16 - size)
    assert STATE_NAMES[row[STATE]] == pair.state()
    assert row[INODE] == procnet.find(pair.tuple, pair.pid)[0].inode
    assert row[UID] == procnet.find(pair.tuple, pair.pid)[0].uid
    assert row[IFINDEX] == 0
    so_cookie = 57
    if backend.cookies:
        assert row[COOKIE] == struct.unpack("Q", pair.sock.call("getsockopt", socket.SOL_SOCKET, so_cookie, 8))[0]
    assert pair.alive()


@pytest.mark.parametrize("family", FAMILIES)
def test_the_mirrored_tuple_is_the_other_end(holder, family):
    pair = holder.pair(family)
    there, back = row_of(pair.tuple), row_of(pair.mirrored)
    assert there[COOKIE] != back[COOKIE]
    assert there[INODE] != back[INODE]


@pytest.mark.parametrize("family", FAMILIES)
def test_one_byte_off_is_not_found(holder, family):
    pair = holder.pair(family)
    laddr, lport, raddr, rport = pair.tuple
    free = holder.socket(family)
    free.call("bind", (pair.local[0], 0))
    other = free.name()[1]
    nearby = laddr[:-1] + b"\x09"
    for name in ((laddr, other, raddr, rport), (laddr, lport, raddr, other), (nearby, lport, raddr, rport), (laddr, lport, nearby, rport)):
        refuses(errno.ENOENT, _tcpdrop.lookup, *name)
        refuses(errno.ENOENT, _tcpdrop.abort, *name)
    assert pair.alive()


# ---- the cookie -------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.only_on("linux", reason="needs a kernel identity")
def test_the_cookie_must_fit(holder, backend, family):
    pair = holder.pair(family)
    cookie = row_of(pair.tuple)[COOKIE]
    other = row_of(holder.pair(family).tuple)[COOKIE]
    for wrong in (1, other, cookie ^ 1, cookie ^ 1 << 32, cookie | 0xFFFFFFFF << 32, cookie | 0xFFFFFFFF, 2**64 - 2):
        refuses(errno.ENOENT, _tcpdrop.abort, *pair.tuple, cookie=wrong)
    assert pair.alive()
    _tcpdrop.abort(*pair.tuple, cookie=cookie)
    assert_dropped(pair, backend)


def test_cookie_zero_is_whichever_has_the_tuple_now(holder, backend):
    pair = holder.pair()
    _tcpdrop.abort(*pair.tuple, cookie=ZERO_COOKIE_MEANS_ANY)
    assert_dropped(pair, backend)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.only_on("linux", reason="needs a kernel identity")
def test_a_reused_tuple_is_another_connection(holder, family):
    """Law 3: what was selected is what is dropped."""
    ports = fresh_ports()
    first = holder.pair(family, **ports)
    stale = row_of(first.tuple)[COOKIE]
    first.sock.call("setsockopt", socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    first.sock.close()
    first.peer.close()
    until(lambda: first.state() is None and procnet.state(first.mirrored) is None, "the tuple to be free")
    second = holder.pair(family, **ports)
    assert second.tuple == first.tuple
    refuses(errno.ENOENT, _tcpdrop.abort, *second.tuple, cookie=stale)
    assert second.alive()
    assert row_of(second.tuple)[COOKIE] != stale


# ---- the interface ----------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.only_on("linux", reason="SO_BINDTODEVICE")
def test_a_bound_socket_needs_its_interface(holder, backend, family):
    lo = _tcpdrop.interfaces()[b"lo"]
    pair = holder.pair(family, device=b"lo\0")
    for wrong in (0, lo + 7, 2**31 - 1):
        refuses(errno.ENOENT, _tcpdrop.lookup, *pair.tuple, ifindex=wrong)
        refuses(errno.ENOENT, _tcpdrop.abort, *pair.tuple, ifindex=wrong)
    assert row_of(pair.tuple, ifindex=lo)[IFINDEX] == lo
    assert pair.alive()
    _tcpdrop.abort(*pair.tuple, ifindex=lo)
    assert_dropped(pair, backend)


@pytest.mark.only_on("linux", reason="SO_BINDTODEVICE")
def test_an_unbound_socket_is_found_with_any_interface(holder, backend):
    pair = holder.pair()
    assert row_of(pair.tuple, ifindex=1)[IFINDEX] == 0
    _tcpdrop.abort(*pair.tuple, ifindex=1)
    assert_dropped(pair, backend)


def each(pair, *indices):
    """The cookies that lookup_each() finds with these interfaces."""
    packed = _tcpdrop.lookup_each([pair.tuple], struct.pack(f"{len(indices)}I", *indices))
    return [row[COOKIE] for row in ROW.iter_unpack(packed)]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.only_on("linux", reason="SO_BINDTODEVICE")
def test_every_interface_is_asked_at_once(holder, family):
    lo = _tcpdrop.interfaces()[b"lo"]
    bound, free = holder.pair(family, device=b"lo\0"), holder.pair(family)
    assert each(free, 0, lo, lo + 1) == [row_of(free.tuple)[COOKIE]]  # answers for all, and is one
    assert each(bound, 0) == [] and each(bound, lo + 1) == []
    assert each(bound, 0, lo + 1, lo) == each(bound, lo) != []
    # More than one batch of requests, and what is wanted stands in the last.
    assert each(bound, *range(lo + 1, lo + 200), lo) == each(bound, lo)
    assert each(bound) == []


def test_every_interface_refuses_wildcards_and_half_numbers(holder):
    pair = holder.pair()
    laddr, _, raddr, rport = pair.tuple
    with pytest.raises(ValueError, match="port 0 is a wildcard"):
        _tcpdrop.lookup_each([pair.tuple, (laddr, 0, raddr, rport)], bytes(4))
    with pytest.raises(ValueError, match="not a whole number of uint32"):
        _tcpdrop.lookup_each([pair.tuple], bytes(5))
    for wrong in ([pair.tuple[:3]], [None], [(*pair.tuple, 1)], 7, [("127.0.0.1", 1, "127.0.0.1", 2)]):
        with pytest.raises(TypeError):
            _tcpdrop.lookup_each(wrong, bytes(4))


@pytest.mark.parametrize("family", FAMILIES)
def test_several_tuples_are_asked_for_at_once(holder, family):
    one, other = holder.pair(family), holder.pair(family)
    absent = (one.laddr, 1, one.raddr, 2)

    def found(*tuples):
        return [row[COOKIE] for row in ROW.iter_unpack(_tcpdrop.lookup_each(tuples, bytes(4)))]

    wanted = [row_of(tuple_)[COOKIE] for tuple_ in (one.tuple, one.mirrored, other.tuple)]
    assert sorted(found(one.tuple, absent, one.mirrored, other.tuple, one.tuple)) == sorted(wanted)
    assert found() == [] == found(absent)
    # More than one batch of requests, and what is wanted stands in the last.
    assert found(*[absent] * 200, other.tuple) == wanted[2:]


@pytest.mark.only_on("linux", reason="interfaces")
def test_interfaces_are_those_of_the_scope(other_namespace):
    _, fd = other_namespace
    assert _tcpdrop.interfaces().items() >= if_nameindex().items()
    assert _tcpdrop.interfaces(fd)[b"lo"] == 1


@pytest.mark.only_on("linux", reason="interfaces")
def test_indices_are_those_of_the_interfaces(other_namespace):
    _, fd = other_namespace
    for scope in (None, fd):
        indices = [index for (index,) in struct.iter_unpack("I", _tcpdrop.ifindices(scope))]
        assert sorted(indices) == sorted(set(_tcpdrop.interfaces(scope).values())) != []


# ---- namespaces -------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.only_on("linux", reason="network namespaces")
def test_the_same_tuple_in_two_namespaces(holder, other_namespace, backend, family):
    there, fd = other_namespace
    ports = fresh_ports()
    here = holder.pair(family, **ports)
    twin = there.pair(family, **ports)
    assert twin.tuple == here.tuple
    before = netns.here()
    assert row_of(here.tuple)[COOKIE] != row_of(twin.tuple, scope=fd)[COOKIE]
    # The cookie of one is no key to the other.
    refuses(errno.ENOENT, _tcpdrop.abort, *here.tuple, cookie=row_of(twin.tuple, scope=fd)[COOKIE])
    _tcpdrop.abort(*twin.tuple, scope=fd)
    assert netns.here() == before
    assert_dropped(twin, backend)
    assert here.alive()
    refuses(errno.ENOENT, _tcpdrop.abort, *twin.tuple, scope=fd)
    _tcpdrop.abort(*here.tuple)
    assert_dropped(here, backend)


@pytest.mark.only_on("linux", reason="network namespaces")
def test_a_scope_that_is_no_namespace(holder):
    pair = holder.pair()
    with open("/dev/null", "rb") as f:
        assert refuses(errno.EINVAL, _tcpdrop.abort, *pair.tuple, scope=f.fileno()).step == "setns"
    closed = os.open("/dev/null", os.O_RDONLY)
    os.close(closed)
    assert refuses(errno.EBADF, _tcpdrop.abort, *pair.tuple, scope=closed).step == "setns"
    assert refuses(errno.EBADF, _tcpdrop.lookup, *pair.tuple, scope=-1).step == "setns"
    assert pair.alive()


# ---- through a descriptor ---------------------------------------------------


@pytest.fixture
def own_pair():
    """Both ends in this very process: (descriptor holder, peer, tuple)."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        client = socket.create_connection(listener.getsockname())
        server, _ = listener.accept()
    with client, server:
        local, remote = client.getsockname(), client.getpeername()
        yield client, server, (socket.inet_aton(local[0]), local[1], socket.inet_aton(remote[0]), remote[1])


@pytest.mark.only_on("linux", reason="abort_descriptor")
def test_a_descriptor_of_the_socket_itself(own_pair):
    client, server, tup = own_pair
    _tcpdrop.abort_descriptor(client.fileno(), *tup)
    assert procnet.state(tup) is None
    with pytest.raises(ConnectionResetError):
        server.recv(1)


@pytest.mark.only_on("linux", reason="abort_descriptor")
def test_a_descriptor_of_something_else(own_pair, tmp_path):
    client, server, tup = own_pair
    cookie = row_of(tup)[COOKIE]
    abort = _tcpdrop.abort_descriptor
    refuses(errno.ENOENT, abort, server.fileno(), *tup)
    refuses(errno.ENOENT, abort, client.fileno(), *tup, cookie=cookie + 1)
    refuses(errno.ENOENT, abort, client.fileno(), *tup[2:], *tup[:2])
    refuses(errno.EBADF, abort, -1, *tup)
    with (tmp_path / "file").open("wb") as f:
        refuses(errno.ENOTSOCK, abort, f.fileno(), *tup)
    one, other = socket.socketpair()
    with one as unix, other:
        refuses(errno.ENOENT, abort, unix.fileno(), *tup)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        refuses(errno.ENOENT, abort, listener.fileno(), *tup)
    client.sendall(b"x")
    assert server.recv(1) == b"x"
    abort(client.fileno(), *tup, cookie=cookie)
    assert procnet.state(tup) is None


@pytest.mark.only_on("linux", reason="abort_descriptor")
def test_a_udp_socket_with_the_same_ends_is_not_the_connection(own_pair):
    client, _, tup = own_pair
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(client.getsockname())
        udp.connect(client.getpeername())
        refuses(errno.ENOENT, _tcpdrop.abort_descriptor, udp.fileno(), *tup)
        assert udp.getpeername() == client.getpeername()
    assert procnet.state(tup) == "ESTABLISHED"


# ---- without the right ------------------------------------------------------

UNPRIVILEGED = """
import errno, sys
from support import netns
from tcpdrop import _tcpdrop
netns.drop_capabilities()
tup = bytes.fromhex(sys.argv[1]), int(sys.argv[2]), bytes.fromhex(sys.argv[3]), int(sys.argv[4])
gone = tup[:3] + (1,)
_tcpdrop.lookup(*tup)
assert any(True for _ in _tcpdrop.list_connections(0xffe))
for name, code, kind in ((tup, errno.EPERM, PermissionError), (gone, errno.ENOENT, FileNotFoundError)):
    try:
        _tcpdrop.abort(*name)
    except kind as e:
        assert e.errno == code, e
        print(e.step)
_tcpdrop.probe()
"""


@pytest.mark.only_on("linux", reason="capabilities")
def test_without_the_capability(holder, run):
    """Listing and looking up need no right; aborting says EPERM, but ENOENT first."""
    pair = holder.pair()
    laddr, lport, raddr, rport = pair.tuple
    assert run(UNPRIVILEGED, laddr.hex(), lport, raddr.hex(), rport).split() == ["destroy", "look-up"]
    assert pair.alive()
