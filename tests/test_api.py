# SPDX-License-Identifier: BSD-2-Clause
"""The Python API of the exact drop."""

import copy
import errno
import os
import pickle
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from support import procnet
from support.command import NO_CAPABILITIES, needs, run, words
from support.holder import fresh_ports

import tcpdrop
from tcpdrop import _tcpdrop, errors, exact, model, netns

linux = [pytest.mark.privileged, pytest.mark.only_on("linux", reason="a drop as Linux does it")]
FAMILIES = pytest.mark.parametrize("family", ["inet", "inet6", "mapped"])


def privileged(function):
    for mark in linux:
        function = mark(function)
    return function


def connection_of(pair, **where):
    return exact.find(exact.Quad(*pair.tuple), **where)


# ---- drop_one


@privileged
@FAMILIES
@pytest.mark.parametrize("victim", ["client", "server"])
def test_drop_one(holder, family, victim):
    pair = holder.pair(family, victim=victim)
    bystander = holder.pair(family)
    assert tcpdrop.drop_one(pair.local, pair.remote) is None
    assert pair.state() is None
    assert pair.sock.errno("recv", 1) == errno.ECONNABORTED
    assert bystander.alive()


@privileged
def test_the_4_tuples_of_ipv6_getsockname():
    listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
    with listener, socket.create_connection(listener.getsockname()[:2]) as mine:
        assert len(mine.getsockname()) == 4
        tcpdrop.drop_one(mine.getsockname(), mine.getpeername())
        with pytest.raises(ConnectionAbortedError):
            mine.recv(1)


@privileged
def test_getsockname_of_an_ipv4_client_on_a_dual_stack_server():
    """("::ffff:127.0.0.1", port, 0, 0), as a server that listens on :: gets it."""
    listener = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
    with listener, socket.create_connection(("127.0.0.1", listener.getsockname()[1])):
        server, peer = listener.accept()
        with server:
            assert peer[0] == "::ffff:127.0.0.1"
            tcpdrop.drop_one(server.getsockname(), peer)
            with pytest.raises(ConnectionAbortedError):
                server.recv(1)


@privileged
def test_the_ends_of_a_connection_are_accepted(holder):
    pair = holder.pair()
    connection = connection_of(pair)
    tcpdrop.drop_one(connection.local, connection.remote)
    assert pair.state() is None


@privileged
def test_the_scope_id_names_the_interface(holder):
    """As getsockname() of a link-local socket gives it; lo has index 1 in every namespace."""
    pair = holder.pair("inet6", device=b"lo")
    lo = socket.if_nametoindex("lo")
    with pytest.raises(ValueError, match="no interface '4711'"):
        tcpdrop.drop_one((*pair.local, 0, 4711), (*pair.remote, 0, 4711))
    with pytest.raises(ValueError, match="two interfaces"):
        tcpdrop.drop_one((*pair.local, 0, lo), (*pair.remote, 0, lo + 1))
    assert pair.alive()
    tcpdrop.drop_one((*pair.local, 0, lo), (*pair.remote, 0, lo))
    assert pair.state() is None


@privileged
def test_an_interface_by_name(holder):
    pair = holder.pair(device=b"lo")
    (laddr, lport), remote = pair.local, pair.remote
    with pytest.raises(ValueError, match="no interface 'nosuch'"):
        tcpdrop.drop_one((f"{laddr}%nosuch", lport), remote)
    tcpdrop.drop_one((f"{laddr}%lo", lport), remote)
    assert pair.state() is None


@privileged
def test_netns_by_pid_path_and_name(other_namespace, monkeypatch, tmp_path):
    theirs, _ = other_namespace
    (tmp_path / "blue").symlink_to(f"/proc/{theirs.pid}/ns/net")
    monkeypatch.setattr(netns, "NAMES", str(tmp_path))
    here = os.readlink("/proc/thread-self/ns/net")
    for where in (theirs.pid, str(theirs.pid), f"/proc/{theirs.pid}/ns/net", "blue"):
        pair = theirs.pair()
        with pytest.raises(tcpdrop.NotFound):
            tcpdrop.drop_one(pair.local, pair.remote)
        tcpdrop.drop_one(pair.local, pair.remote, netns=where)
        assert pair.state() is None
    assert os.readlink("/proc/thread-self/ns/net") == here


@privileged
def test_a_netns_that_is_none():
    ends = ("127.0.0.1", 1), ("127.0.0.1", 2)
    with pytest.raises(tcpdrop.Error, match="no network namespace 'nosuch'") as caught:
        tcpdrop.drop_one(*ends, netns="nosuch")
    assert caught.value.errno == errno.ENOENT
    assert not isinstance(caught.value, tcpdrop.NotFound)
    with pytest.raises(ValueError, match="not an empty text"):
        tcpdrop.drop_one(*ends, netns="")


@privileged
def test_no_descriptor_is_left_open(other_namespace):
    theirs, _ = other_namespace
    before = os.listdir("/proc/self/fd")
    for _ in range(3):
        pair = theirs.pair()
        tcpdrop.drop_one(pair.local, pair.remote, netns=theirs.pid)
        with pytest.raises(tcpdrop.NotFound):
            tcpdrop.drop_one(pair.local, pair.remote, netns=theirs.pid)
        with pytest.raises(tcpdrop.NotFound):
            tcpdrop.drop_one(pair.local, pair.remote)
    assert len(os.listdir("/proc/self/fd")) == len(before)


# ---- refused before anything is opened

GOOD = ("127.0.0.1", 1)


@pytest.fixture
def closed(monkeypatch):
    def opened(*_, **__):
        raise AssertionError("opened")

    for name in ("lookup", "abort", "interfaces", "list_connections"):
        monkeypatch.setattr(_tcpdrop, name, opened)


@pytest.mark.parametrize(
    "end",
    [
        *(None, "127.0.0.1:1", "127.0.0.1", 1, b"", [], ["127.0.0.1", 1], {}, (), ("127.0.0.1",), ("::1", 1, 0), ("::1", 1, 0, 0, 0)),
        *(("127.0.0.1", "1"), ("127.0.0.1", 1.0), ("127.0.0.1", None), ("127.0.0.1", True), (b"127.0.0.1", 1), (None, 1), (2130706433, 1)),
    ],
    ids=repr,
)
def test_wrong_types(closed, end):
    with pytest.raises(TypeError, match="local"):
        tcpdrop.drop_one(end, GOOD)
    with pytest.raises(TypeError, match="remote"):
        tcpdrop.drop_one(GOOD, end)


@pytest.mark.parametrize(
    "end",
    [
        *(("127.0.0.1", 0), ("127.0.0.1", -1), ("127.0.0.1", 65536), ("127.0.0.1", 2**64), ("0.0.0.0", 1), ("::ffff:0.0.0.0", 1)),
        *(("::", 1), ("::1", 1), ("", 1), ("*", 1), ("localhost", 1), ("10.1", 1), ("127.1", 1), ("0x7f.0.0.1", 1), ("127.0.0.01", 1)),
        *(("10.0.0.0/8", 1), ("127.0.0.1 ", 1), ("127.0.0.1\0", 1), ("\udcff", 1), ("127.0.0.1%", 1), ("[127.0.0.1]", 1)),
    ],
    ids=ascii,
)
def test_what_cannot_name_one_connection(closed, end):
    for ends in ((end, GOOD), (GOOD, end)):
        with pytest.raises(ValueError) as caught:
            tcpdrop.drop_one(*ends)
        assert str(caught.value).isprintable()
        assert not isinstance(caught.value, OSError)


def test_both_unspecified_addresses(closed):
    with pytest.raises(ValueError, match="means any address"):
        tcpdrop.drop_one(("::", 1), ("::", 1))


# ---- errors


@privileged
def test_not_found():
    with pytest.raises(tcpdrop.NotFound) as caught:
        tcpdrop.drop_one(("127.0.0.1", 1), ("127.0.0.1", 2))
    error = caught.value
    assert isinstance(error, (tcpdrop.Error, OSError))
    assert (error.errno, error.what, error.step) == (errno.ENOENT, "127.0.0.1 1 127.0.0.1 2", "look-up")
    assert str(error) == "127.0.0.1 1 127.0.0.1 2: not found"
    assert not isinstance(error, FileNotFoundError)


# Run in a child that may not, or cannot: the class of the error, and all of it.
TRY = """
import sys, tcpdrop
ends = sys.argv[1:]
try:
    tcpdrop.drop_one((ends[0], int(ends[1])), (ends[2], int(ends[3])))
except OSError as e:
    names = [c.__name__ for c in (tcpdrop.Error, tcpdrop.NotPermitted, tcpdrop.NotSupported, tcpdrop.Refused, tcpdrop.Protected,
             tcpdrop.NotFound, PermissionError) if isinstance(e, c)]
    print(*names, e.errno, e.step, bool(e.hint), e.what, sep=";")
else:
    print("dropped")
"""


def tried(pair, *wrapper, **how):
    done = run(*wrapper, sys.executable, "-I", "-c", TRY, *words(pair), **how)
    assert (done.status, done.err) == (0, "")
    return done.out.rstrip("\n").split(";")


@privileged
def test_not_permitted(holder):
    pair = holder.pair()
    said = tried(pair, *needs(*NO_CAPABILITIES))
    assert said == ["Error", "NotPermitted", "PermissionError", "1", "destroy", "True", " ".join(words(pair))]
    assert pair.alive()


@privileged
def test_not_supported(holder, no_destroy):
    pair = holder.pair()
    said = tried(pair, env=no_destroy)
    assert said == ["Error", "NotSupported", str(errno.EOPNOTSUPP), "destroy", "True", " ".join(words(pair))]
    assert pair.alive()


@privileged
def test_protected(holder):
    pair = holder.pair()
    laddr, lport, raddr, rport = words(pair)
    said = tried(pair, env={"SSH_CONNECTION": f"{raddr} {rport} {laddr} {lport}"})
    assert said == ["Error", "Refused", "Protected", "None", "", "True", " ".join(words(pair))]
    assert pair.alive()
    assert tried(pair) == ["dropped"]


@privileged
def test_include_self(holder, monkeypatch):
    pair = holder.pair()
    laddr, lport, raddr, rport = words(pair)
    monkeypatch.setenv("SSH_CONNECTION", f"{raddr} {rport} {laddr} {lport}")
    with pytest.raises(tcpdrop.Protected, match="SSH_CONNECTION"):
        tcpdrop.drop_one(pair.local, pair.remote)
    assert pair.alive()
    tcpdrop.drop_one(pair.local, pair.remote, include_self=True)
    assert pair.state() is None


@privileged
def test_an_unknown_failure_names_its_step(monkeypatch, holder):
    pair = holder.pair()

    def lookup(*_, **__):
        error = OSError(errno.ENOBUFS, "No buffer space available")
        error.step = "recv"
        raise error

    monkeypatch.setattr(_tcpdrop, "lookup_each", lookup)
    with pytest.raises(tcpdrop.Error, match=r": recv: No buffer space available$") as caught:
        tcpdrop.drop_one(pair.local, pair.remote)
    assert type(caught.value) is tcpdrop.Error
    assert (caught.value.errno, caught.value.step) == (errno.ENOBUFS, "recv")


CLASSES = [errors.Error, errors.NotFound, errors.NotPermitted, errors.NotSupported, errors.Refused, errors.Protected, errors.TooMany]


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
@pytest.mark.parametrize("again", [lambda e: pickle.loads(pickle.dumps(e)), copy.copy, copy.deepcopy], ids=["pickle", "copy", "deepcopy"])
def test_errors_travel(cls, again):
    error = cls("not so", errno=errno.EPERM, what="a 1 b 2", step="destroy", hint="do this")
    twin = again(error)
    assert type(twin) is cls
    assert (twin.errno, twin.message, twin.what, twin.step, twin.hint) == (errno.EPERM, "not so", "a 1 b 2", "destroy", "do this")
    assert str(twin) == str(error) == "a 1 b 2: not so (do this)"
    assert twin.strerror == "not so"
    bare = again(cls("not so"))
    assert (bare.errno, str(bare), bare.what, bare.step, bare.hint) == (None, "not so", "", "", "")


def test_the_family_of_errors():
    assert issubclass(tcpdrop.Error, OSError)
    assert issubclass(tcpdrop.NotPermitted, PermissionError)
    assert issubclass(tcpdrop.Protected, tcpdrop.Refused)
    assert issubclass(tcpdrop.TooMany, tcpdrop.Refused)
    assert issubclass(tcpdrop.FilterError, ValueError)
    assert not issubclass(tcpdrop.FilterError, OSError)
    assert not issubclass(tcpdrop.Refused, PermissionError)
    assert {cls.outcome for cls in CLASSES} == {"failed", "gone", "not_permitted", "not_supported", "protected"}


def test_a_filter_error_has_a_column():
    assert tcpdrop.FilterError("no", 7).column == 7
    assert tcpdrop.FilterError("no").column is None


# ---- Connection


@pytest.fixture
def connection(holder):
    return connection_of(holder.pair())


@privileged
@FAMILIES
def test_what_a_connection_says(holder, family):
    pair = holder.pair(family)
    one = connection_of(pair)
    (witness,) = procnet.find(pair.tuple)
    assert one.family == ("inet6" if family == "inet6" else "inet")
    assert one.mapped is (family == "mapped")
    assert (one.local.addr, str(one.local.port), one.remote.addr, str(one.remote.port)) == tuple(words(pair))
    assert one.local == (one.local.addr, one.local.port)
    assert one.state is tcpdrop.State.ESTABLISHED
    assert one.state_name == "ESTABLISHED"
    assert (one.uid, one.inode, one.recvq, one.sendq) == (witness.uid, witness.inode, 0, 0)
    assert one.ifindex is None
    assert str(one) == " ".join(words(pair))
    assert repr(one).startswith("<Connection ")
    assert all(text in repr(one) for text in (str(one.local), str(one.remote), "ESTABLISHED"))
    assert (one.idle_ms, one.rtt_us, one.cc, one.pids, one.process, one.netns, one.zone) == (None,) * 7


@privileged
def test_a_connection_cannot_be_changed(connection):
    for name in ("local", "state", "netns", "zone", "owner", "brand_new"):
        with pytest.raises(AttributeError):
            setattr(connection, name, 1)
    with pytest.raises(AttributeError):
        connection.local.port = 1
    with pytest.raises(TypeError):
        connection.local[1] = 1
    for name in ("netns", "local"):
        with pytest.raises(AttributeError):
            delattr(connection, name)
    assert not hasattr(connection, "__dict__")


@privileged
@pytest.mark.parametrize("again", [lambda c: pickle.loads(pickle.dumps(c)), copy.copy, copy.deepcopy], ids=["pickle", "copy", "deepcopy"])
def test_a_connection_travels(connection, again):
    twin = again(connection)
    assert twin == connection
    assert hash(twin) == hash(connection)
    assert twin.as_dict() == connection.as_dict()
    assert type(twin.local) is tcpdrop.Endpoint
    assert again(connection.local) == connection.local
    assert type(again(connection.local)) is tcpdrop.Endpoint


@privileged
def test_equal_is_the_same_socket_whatever_happened_to_it(holder):
    pair = holder.pair()
    first = connection_of(pair)
    pair.peer.call("sendall", b"xyz")
    pair.peer.call("shutdown", socket.SHUT_WR)
    pair.wait_state("CLOSE_WAIT")
    second = connection_of(pair)
    assert second.state is tcpdrop.State.CLOSE_WAIT
    assert second.recvq >= 3
    assert first == second
    assert len({first, second}) == 1
    mirrored = exact.find(exact.Quad(*pair.mirrored))
    assert mirrored != first
    assert first != str(first)


@privileged
def test_a_new_connection_in_the_same_place_is_another(holder):
    ports = fresh_ports()
    pair = holder.pair(**ports)
    first = connection_of(pair)
    tcpdrop.drop_one(pair.local, pair.remote)
    pair.close()
    second = connection_of(holder.pair(**ports))
    assert str(first) == str(second)
    assert first != second


SCHEMA = (
    *("family", "mapped", "local_addr", "local_port", "remote_addr", "remote_port", "state", "pids", "pids_kind", "process"),
    *("uid", "inode", "cookie", "ifindex", "netns", "zone", "recvq", "sendq", "idle_ms", "age_ms", "rtt_us", "retrans"),
    *("bytes_sent", "bytes_received", "cc"),
)


@privileged
def test_the_keys_of_as_dict_are_the_schema(connection):
    """design.md 4.5, the same on every system; report.py adds those of a drop."""
    entry = connection.as_dict()
    assert tuple(entry) == SCHEMA == model.JSON_KEYS
    assert entry["state"] == "ESTABLISHED"
    assert entry["netns"] is None


def test_an_endpoint_is_a_pair():
    end = tcpdrop.Endpoint("::1", 80)
    assert (end.addr, end.port) == tuple(end) == end == ("::1", 80)
    assert str(end) == "[::1]:80"
    assert str(tcpdrop.Endpoint("10.0.0.1", 80)) == "10.0.0.1:80"
    assert eval(repr(end), {"Endpoint": tcpdrop.Endpoint}) == end


@pytest.mark.parametrize(
    ("member", "spellings"),
    [
        ("ESTABLISHED", "ESTABLISHED established ESTAB estab"),
        ("FIN_WAIT1", "FIN_WAIT1 FIN_WAIT_1 FIN-WAIT-1 fin-wait-1 finwait1 FinWait1"),
        ("SYN_RECV", "SYN_RECV SYN-RECV SYN_RCVD syn-rcvd SynRcvd"),
        ("CLOSE_WAIT", "CLOSE_WAIT CLOSE-WAIT CloseWait close-wait"),
        ("TIME_WAIT", "TIME_WAIT TIME-WAIT TimeWait"),
        ("LISTEN", "LISTEN listen"),
    ],
)
def test_states_in_every_spelling(member, spellings):
    for text in spellings.split():
        assert tcpdrop.State(text) is tcpdrop.State[member]


def test_a_state_that_is_none():
    for value in ("", "open", 0, 12, "1", None, "ESTABLISHEDD"):
        with pytest.raises(ValueError):
            tcpdrop.State(value)


# ---- check()


@privileged
def test_check_with_every_right():
    found = tcpdrop.check()
    assert found.ok is True
    assert (found.backend, found.listing, found.supported, found.permitted, found.problems) == ("linux", True, True, True, [])
    assert found.command.endswith(" LADDR LPORT RADDR RPORT")
    assert found.as_dict()["ok"] is True
    assert found.system.startswith("Linux ")


@privileged
def test_check_touches_nothing(holder):
    pair = holder.pair()
    listener = holder.listener()
    before = {s for s in procnet.sockets() if s.state in (1, 10)}
    tcpdrop.check()
    assert {s for s in procnet.sockets() if s.state in (1, 10)} == before
    assert pair.alive()
    listener.close()


@privileged
def test_check_without_a_right():
    code = "import json, tcpdrop; c = tcpdrop.check(); print(json.dumps(c.as_dict()))"
    done = run(*needs(*NO_CAPABILITIES), sys.executable, "-I", "-c", code)
    assert '"ok": false' in done.out
    assert '"permitted": false' in done.out
    assert '"supported": true' in done.out
    assert "CAP_NET_ADMIN" in done.out


# ---- threads


@privileged
def test_many_threads_each_its_own(holder):
    """No lock, no shared socket: each thread drops its own and nobody else's."""
    pairs = [holder.pair(family) for family in ("inet", "inet6", "mapped") for _ in range(16)]
    spared = [holder.pair() for _ in range(4)]
    start = threading.Barrier(4)
    wrong = []

    def work(mine):
        start.wait(10)
        for pair in mine:
            try:
                tcpdrop.drop_one(pair.local, pair.remote)
            except Exception as error:
                wrong.append(error)

    threads = [threading.Thread(target=work, args=(pairs[i::4],)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert wrong == []
    assert not any(pair.state() for pair in pairs)
    assert all(pair.alive() for pair in spared)


@privileged
def test_racing_for_one_connection_one_wins(holder):
    for _ in range(5):
        pair = holder.pair()
        start = threading.Barrier(4)
        results = []

        def work(pair=pair, start=start, results=results):
            start.wait(10)
            try:
                tcpdrop.drop_one(pair.local, pair.remote)
            except tcpdrop.NotFound:
                results.append("gone")
            else:
                results.append("dropped")

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert len(results) == 4
        assert "dropped" in results
        assert pair.state() is None


# ---- the package


def test_the_table_of_contents():
    assert dir(tcpdrop) == sorted(tcpdrop.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        tcpdrop.nothing  # noqa: B018


@pytest.mark.parametrize("name", tcpdrop.__all__)
def test_every_name_loads(name):
    assert getattr(tcpdrop, name) is not None


def test_the_public_api_as_a_strict_user_writes_it():
    """tests/typing_api.py is checked, never run."""
    pytest.importorskip("mypy")
    here = Path(__file__).parent
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "mypy",
            "--strict",
            "--no-incremental",
            "--cache-dir",
            os.devnull,
            "--config-file",
            os.devnull,
            "typing_api.py",
        ],
        capture_output=True,
        text=True,
        cwd=here,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
