# SPDX-License-Identifier: BSD-2-Clause
"""Law 2, never a listener: a tuple that no longer exists, on a port that listens.

Linux answers a look-up of a vanished four-tuple with the listener of its local
port, and a destroy without a cookie closes that.
"""

import contextlib
import ctypes
import errno
import socket
import sysconfig
import threading
from array import array
from pathlib import Path

import pytest
from support import broken, procnet
from support.checks import mapped, refuses, row_of, rows
from support.crowd import Crowd
from support.holder import fresh_ports
from support.sockets import SO_BINDTODEVICE
from support.wait import until

import tcpdrop
from tcpdrop import _tcpdrop
from tcpdrop.model.rows import CONNECTION_STATES, COOKIE, LISTEN, LPORT, ROW

pytestmark = pytest.mark.privileged

LOCAL = {"inet": "127.0.0.1", "inet6": "::1", "mapped": "::ffff:127.0.0.1"}
ABSENT = 9  # the remote port that nobody has


def _alone(holder, kind, **how):
    """A listener on a port where no other family has one: the kernel would give that port again."""
    while True:
        listener = holder.listener(kind, **how)
        if len(procnet.listeners(listener.name()[1])) == 1:
            return listener
        listener.close()


class Service:
    """A listener, or a group of them, and a tuple of a connection it once had."""

    def __init__(self, holder, family, *, members=1, dual=False, device=None):
        self.holder, self.family = holder, family
        kind = "dual" if dual else family
        first = _alone(holder, kind, reuseport=members > 1, device=device)
        self.port = first.name()[1]
        self.members = [first]
        self.members += [holder.listener(kind, port=self.port, reuseport=True, device=device) for _ in range(members - 1)]
        self.device = device
        client = holder.socket(family)
        if device:
            client.call("setsockopt", socket.SOL_SOCKET, SO_BINDTODEVICE, device)
        client.call("connect", (LOCAL[family], self.port))
        self.gone = (*client.tuple_to((LOCAL[family], self.port))[2:], *client.tuple_to((LOCAL[family], self.port))[:2])
        _tcpdrop.abort(*self.gone, ifindex=1 if device else 0)
        self._drain()
        until(lambda: procnet.state(self.gone) is None, "the connection to be gone")

    def _drain(self):
        """Take the aborted connection out of whichever accept queue it is in."""
        for member in self.members:
            if member.poll():
                member.accept().close()

    def assert_lives(self):
        """Every member is still in LISTEN, and the group accepts."""
        assert len(procnet.listeners(self.port)) == len(self.members), "a listener is gone"
        for member in self.members:
            assert member.poll() == 0
        client = self.holder.socket(self.family)
        if self.device:
            client.call("setsockopt", socket.SOL_SOCKET, SO_BINDTODEVICE, self.device)
        client.call("connect", (LOCAL[self.family], self.port))
        until(lambda: any(member.poll() for member in self.members), "the connection to arrive")
        self._drain()
        client.close()


SERVICES = {
    "inet": {"family": "inet"},
    "inet6": {"family": "inet6"},
    "mapped": {"family": "mapped"},
    "dual-stack, over IPv4": {"family": "inet", "dual": True},
    "dual-stack, over IPv6": {"family": "inet6", "dual": True},
    "group of eight": {"family": "inet", "members": 8},
    "IPv6 group of eight": {"family": "inet6", "members": 8},
    "dual-stack group of eight": {"family": "inet", "members": 8, "dual": True},
}


@pytest.fixture(params=list(SERVICES))
def service(request, holder):
    return Service(holder, **SERVICES[request.param])


def vanished(service):
    """The tuple that is gone, others like it, and the v4-mapped spelling."""
    laddr, lport, raddr, rport = service.gone
    # In a group the kernel chooses a member by hash of the tuple: try many.
    names = [service.gone, *((laddr, lport, raddr, port) for port in range(ABSENT, ABSENT + 4 * len(service.members)))]
    if len(procnet.plain(laddr)) == 4:
        plain = procnet.plain(laddr), lport, procnet.plain(raddr), rport
        names += [plain, (mapped(plain[0]), lport, mapped(plain[2]), rport)]
    return names


def test_the_listener_lives(service):
    for name in vanished(service):
        for ifindex in (0, 1, 77):
            refuses(errno.ENOENT, _tcpdrop.lookup, *name, ifindex=ifindex)
            refuses(errno.ENOENT, _tcpdrop.abort, *name, ifindex=ifindex)
    service.assert_lives()


@pytest.mark.only_on("linux", reason="needs a kernel identity")
def test_the_listener_lives_even_when_its_own_cookie_is_given(service):
    cookies = [row[COOKIE] for row in rows(1 << LISTEN, sport=service.port)]
    assert len(set(cookies)) == len(service.members)
    for cookie in cookies:
        for name in vanished(service):
            refuses(errno.ENOENT, _tcpdrop.abort, *name, cookie=cookie)
    service.assert_lives()


@pytest.mark.only_on("linux", reason="SO_BINDTODEVICE")
@pytest.mark.parametrize("family", list(LOCAL))
def test_a_listener_on_an_interface_lives(holder, family):
    service = Service(holder, family, device=b"lo\0")
    for name in vanished(service):
        for ifindex in (0, 1):
            refuses(errno.ENOENT, _tcpdrop.lookup, *name, ifindex=ifindex)
            refuses(errno.ENOENT, _tcpdrop.abort, *name, ifindex=ifindex)
    service.assert_lives()


@pytest.mark.only_on("linux", reason="network namespaces")
def test_a_listener_in_another_namespace_lives(other_namespace):
    there, fd = other_namespace
    listener = there.listener()
    name = (b"\x7f\0\0\1", listener.name()[1], b"\x7f\0\0\1", ABSENT)
    refuses(errno.ENOENT, _tcpdrop.abort, *name, scope=fd)
    assert len(procnet.listeners(name[1], there.pid)) == 1


def test_the_connection_dies_and_its_listener_does_not(holder, backend):
    """The server's end of an accepted connection shares its port with the listener."""
    service = Service(holder, "inet")
    client = holder.socket()
    client.call("connect", ("127.0.0.1", service.port))
    server = service.members[0].accept()
    _tcpdrop.abort(*server.tuple_to(client))
    assert server.errno("recv", 1) == backend.victim_errno
    service.assert_lives()


def test_the_probe_hurts_no_listener_on_port_1(other_namespace):
    """probe() asks for 127.0.0.1:1; the answer must not be a closed service."""
    there, fd = other_namespace
    there.listener(port=1)
    _tcpdrop.probe(fd)
    assert len(procnet.listeners(1, there.pid)) == 1


# ---- and were it broken, these tests would see it -----------------------------


@pytest.fixture(scope="module", params=sorted(broken.MUTATIONS))
def mutant(request, tmp_path_factory):
    if not Path(sysconfig.get_path("include"), "Python.h").exists() or not broken.SOURCE.exists():
        pytest.skip("no Python.h or no source to build a broken copy of")
    try:
        return request.param, broken.build(request.param, tmp_path_factory.mktemp("broken"))
    except FileNotFoundError:
        pytest.skip("no C compiler here")


@pytest.mark.only_on("linux", reason="mutates linux.c")
@pytest.mark.parametrize("family", ["inet", "inet6"])
def test_this_bench_would_see_a_broken_abort(holder, run, mutant, family):
    name, module = mutant
    service = Service(holder, family)
    accepting = service.members[0].start("accept").asleep()
    laddr, lport, raddr, rport = service.gone
    answer = int(run(broken.DROP_WITH, module, laddr.hex(), lport, raddr.hex(), rport))
    if name == "ends only":
        # A listener's remote end is the wildcard, so either half of the check is enough: defence in depth.
        assert answer == errno.ENOENT
        assert len(procnet.listeners(service.port)) == 1
        return
    assert answer == 0, "the kernel reported success"
    assert accepting.errno() == errno.EINVAL
    with pytest.raises(AssertionError, match="a listener is gone"):
        service.assert_lives()
    refuses(errno.ENOENT, row_of, service.gone)


def disconnect(sock):
    """connect(AF_UNSPEC): no connection any more, and the same socket.  connect(2)"""
    assert ctypes.CDLL(None).connect(sock.fileno(), bytes(16), 16) == 0


class Victim:
    """A connection on a port of its own, which may become a listener on that port."""

    def __init__(self, server):
        self.sock, self.port = socket.socket(), fresh_ports()["client_port"]  # one that was asked for stays when the connection goes
        self.sock.bind(("127.0.0.1", self.port))
        self.sock.connect(server.getsockname())

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.sock.close()

    def listen(self):
        disconnect(self.sock)
        self.sock.listen()

    def listens(self):
        return len(procnet.listeners(self.port)) == 1


@pytest.mark.only_on("linux", reason="a socket keeps its cookie")
def test_a_row_whose_socket_listens_by_now_is_refused_by_the_module_itself():
    with socket.create_server(("127.0.0.1", 0)) as server, Victim(server) as one, Victim(server) as other:
        table = _tcpdrop.list_connections(CONNECTION_STATES)
        ports = [ROW.unpack_from(raw)[LPORT] for raw in table]
        one.listen()
        answers = _tcpdrop.abort_rows(table, array("I", [ports.index(one.port), ports.index(other.port)]).tobytes())
        assert list(memoryview(answers).cast("i")) == [errno.ENOENT, 0]
        assert one.listens()


def listens_meanwhile():
    """Drop 12,000 between two; the last becomes a listener as soon as the first goes.  (Was that in time?, its answer, does it listen?)"""
    with Crowd(12000) as crowd, socket.create_server(("127.0.0.1", 0)) as server, Victim(server) as first, Victim(server) as last:
        table = _tcpdrop.list_connections(CONNECTION_STATES)
        ports = [ROW.unpack_from(raw)[LPORT] for raw in table]
        others = [place for place, port in enumerate(ports) if crowd.port <= port < crowd.port + crowd.ports]
        wanted = array("I", [ports.index(first.port), *others, ports.index(last.port)]).tobytes()
        late = []

        def become_one():
            with contextlib.suppress(ConnectionAbortedError):
                first.sock.recv(1)
            late.append(last.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
            last.listen()

        thread = threading.Thread(target=become_one)
        thread.start()
        answers = list(memoryview(_tcpdrop.abort_rows(table, wanted, threads=1)).cast("i"))
        thread.join()
        assert answers[:-1] == [0] * (len(others) + 1)
        return not any(late), answers[-1], last.listens()


@pytest.mark.only_on("linux", reason="a socket keeps its cookie")
def test_a_connection_that_listens_once_the_drops_have_begun_is_spared():
    """What listens is looked for again and again while many are dropped."""
    seen = until(lambda: next((one for one in [listens_meanwhile()] if one[0]), None), "a thread that comes to run in time", 60)
    assert seen == (True, errno.ENOENT, True)


@pytest.mark.only_on("linux", reason="a socket keeps its cookie")
def test_a_connection_that_listens_by_now_is_spared():
    """After connect(AF_UNSPEC) and listen() it is the same socket with the same cookie: the kernel would destroy it."""
    with socket.create_server(("127.0.0.1", 0)) as server, Victim(server) as victim:
        chosen = tcpdrop.connections(f"lport {victim.port}")
        assert len(chosen) == 1
        victim.listen()
        assert tcpdrop.drop(chosen).counts == {"gone": 1}
        with socket.create_connection(("127.0.0.1", victim.port)):
            pass
