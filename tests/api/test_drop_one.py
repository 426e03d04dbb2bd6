# SPDX-License-Identifier: BSD-2-Clause
"""The Python API of the exact drop."""

import errno
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from support import procnet
from support.answers import forbid
from support.command import NO_CAPABILITIES, needs, run, words
from support.marks import drops_on_linux
from support.sockets import if_nametoindex

import tcpdrop
from tcpdrop import _tcpdrop
from tcpdrop.engine.single import find
from tcpdrop.errors import StillPresent
from tcpdrop.model.connection import Connection
from tcpdrop.model.four_tuple import FourTuple
from tcpdrop.safety import rules, session
from tcpdrop.system import kernel, netns, platform

FAMILIES = pytest.mark.parametrize("family", ["inet", "inet6", "mapped"])


# ---- drop_one


@drops_on_linux
@pytest.mark.parametrize("release", ["6.1.0-9-amd64", "6.18.0"])
def test_what_the_kernel_called_dropped_and_left_is_still_present(holder, monkeypatch, release):
    """Kernels before 6.11 may end nothing that no process holds, and say that they did: here one is made to."""
    pair = holder.pair()
    pair.sock.call("setblocking", False)
    pair.sock.call("send", b"x" * 10_000_000)
    pair.sock.close()
    pair.wait_state("FIN_WAIT1")
    with monkeypatch.context() as older:
        older.setattr(kernel, "abort", lambda *_, **__: None)
        older.setattr(kernel, "abort_row", lambda *_, **__: 0)
        older.setattr(platform, "release", lambda: tuple(map(int, release.split(".")[:2])))
        with pytest.raises(tcpdrop.Error, match="still present") as caught:
            tcpdrop.drop_one(pair.local, pair.remote)
    assert isinstance(caught.value, StillPresent)
    assert ("kernels before 6.11 may not end that" in str(caught.value)) is release.startswith("6.1.")
    assert pair.state() == "FIN_WAIT1"


@drops_on_linux
@FAMILIES
@pytest.mark.parametrize("victim", ["client", "server"])
def test_drop_one(holder, family, victim):
    pair = holder.pair(family, victim=victim)
    bystander = holder.pair(family)
    assert tcpdrop.drop_one(pair.local, pair.remote) is None
    assert pair.state() is None
    assert pair.sock.errno("recv", 1) == errno.ECONNABORTED
    assert bystander.alive()


@drops_on_linux
def test_the_4_tuples_of_ipv6_getsockname():
    listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
    with listener, socket.create_connection(listener.getsockname()[:2]) as mine:
        assert len(mine.getsockname()) == 4
        tcpdrop.drop_one(mine.getsockname(), mine.getpeername())
        with pytest.raises(ConnectionAbortedError):
            mine.recv(1)


@drops_on_linux
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


@drops_on_linux
def test_the_ends_of_a_connection_are_accepted(holder):
    pair = holder.pair()
    connection = Connection(find(FourTuple(*pair.tuple)))
    tcpdrop.drop_one(connection.local, connection.remote)
    assert pair.state() is None


@drops_on_linux
def test_the_scope_id_names_the_interface(holder):
    """As getsockname() of a link-local socket gives it; lo has index 1 in every namespace."""
    pair = holder.pair("inet6", device=b"lo")
    lo = if_nametoindex("lo")
    with pytest.raises(ValueError, match="no interface '4711'"):
        tcpdrop.drop_one((*pair.local, 0, 4711), (*pair.remote, 0, 4711))
    with pytest.raises(ValueError, match="no interface '4712'"):
        tcpdrop.drop_one((*pair.local, 0, lo), (*pair.remote, 0, 4712))
    assert pair.alive()
    tcpdrop.drop_one((*pair.local, 0, lo), (*pair.remote, 0, lo))
    assert pair.state() is None


@drops_on_linux
@pytest.mark.parametrize("spelled", ["{0}%lo", "{0}%1", "{0}%25lo", "[{0}]%lo", "{0}%lo/128", "[{0}%lo]"])
def test_one_interface_as_a_number_at_one_end_and_as_text_at_the_other(holder, spelled):
    """lo has index 1 in every namespace."""
    pair = holder.pair("inet6", device=b"lo")
    tcpdrop.drop_one((*pair.local, 0, 1), (spelled.format(pair.remote[0]), pair.remote[1]))
    assert pair.state() is None


@drops_on_linux
@pytest.mark.parametrize("family", ["inet", "inet6", "mapped"])
def test_an_interface_that_the_connection_is_not_bound_to(holder, family):
    pair = holder.pair(family)
    with pytest.raises(tcpdrop.NotFound, match="without %lo there is one, which is not bound to that interface"):
        tcpdrop.drop_one((f"{pair.local[0]}%lo", pair.local[1]), pair.remote)
    assert pair.alive()


@drops_on_linux
def test_an_interface_by_name(holder):
    pair = holder.pair(device=b"lo")
    (laddr, lport), remote = pair.local, pair.remote
    with pytest.raises(ValueError, match="no interface 'nosuch'"):
        tcpdrop.drop_one((f"{laddr}%nosuch", lport), remote)
    tcpdrop.drop_one((f"{laddr}%lo", lport), remote)
    assert pair.state() is None


@drops_on_linux
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


@drops_on_linux
def test_a_netns_that_is_none():
    ends = ("127.0.0.1", 1), ("127.0.0.1", 2)
    with pytest.raises(tcpdrop.Error, match="no network namespace 'nosuch'") as caught:
        tcpdrop.drop_one(*ends, netns="nosuch")
    assert caught.value.errno == errno.ENOENT
    assert not isinstance(caught.value, tcpdrop.NotFound)
    with pytest.raises(ValueError, match="not an empty text"):
        tcpdrop.drop_one(*ends, netns="")


@drops_on_linux
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


def open_sockets():
    links = (Path("/proc/self/fd", fd) for fd in os.listdir("/proc/self/fd"))
    return {name for link in links if link.is_symlink() and (name := os.readlink(link)).startswith("socket:")}


@drops_on_linux
def test_it_looks_up_and_aborts_over_one_socket(holder, monkeypatch):
    pair = holder.pair()
    asked = []
    for name in ("lookup_each", "abort"):
        call = getattr(_tcpdrop, name)

        def noted(*arguments, call=call, **options):
            result = call(*arguments, **options)
            asked.append(open_sockets())
            return result

        monkeypatch.setattr(_tcpdrop, name, noted)
    session.own()  # it makes look-ups of its own
    before = open_sockets()
    tcpdrop.drop_one(pair.local, pair.remote)
    kept = [sockets - before for sockets in asked]
    assert len(kept) >= 2
    assert all(len(names) == 1 for names in kept)
    assert len(set.union(*kept)) == 1


@drops_on_linux
@pytest.mark.parametrize("way_out", ["not found", "protected", "session", "rule", "abort", "interrupted"])
def test_no_descriptor_is_left_open_by_what_is_not_dropped(holder, monkeypatch, way_out):
    """Also while somebody keeps the exception, and with it all that it came through."""
    pair = holder.pair()

    def fail(*_, **__):
        raise OSError(errno.ENOBUFS, "No buffer space available") if way_out != "interrupted" else KeyboardInterrupt

    local, remote = pair.local, pair.remote
    if way_out == "not found":
        local = (local[0], 1)
    elif way_out == "protected":
        monkeypatch.setenv("SSH_CONNECTION", " ".join(map(str, (*remote, *local))))
    elif way_out == "session":
        monkeypatch.setattr(session, "_latest", None)
        monkeypatch.setattr(session, "found_for_us", fail)
    elif way_out == "rule":
        monkeypatch.setattr(rules, "_stamp", fail)
    else:
        monkeypatch.setattr(_tcpdrop, "abort", fail)
    before = sorted(os.listdir("/proc/self/fd"))
    with pytest.raises(BaseException) as caught:
        tcpdrop.drop_one(local, remote)
    assert isinstance(caught.value, KeyboardInterrupt if way_out == "interrupted" else OSError)
    assert sorted(os.listdir("/proc/self/fd")) == before
    assert pair.alive()


# ---- threads


@drops_on_linux
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


@drops_on_linux
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


# ---- refused before anything is opened

GOOD = ("127.0.0.1", 1)


@pytest.fixture
def closed(monkeypatch):
    forbid(monkeypatch)


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
        *(("10.0.0.0/8", 1), ("127.0.0.1 ", 1), ("127.0.0.1\0", 1), ("\udcff", 1), ("127.0.0.1%", 1), ("[127.0.0.1", 1)),
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


@drops_on_linux
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
    tcpdrop.drop_one((ends[0], int(ends[1])), (ends[2], int(ends[3])), method=ends[4] if ends[4:] else "auto")
except OSError as e:
    names = [c.__name__ for c in (tcpdrop.Error, tcpdrop.NotPermitted, tcpdrop.NotSupported, tcpdrop.Refused, tcpdrop.Protected,
             tcpdrop.NotFound, PermissionError) if isinstance(e, c)]
    print(*names, e.errno, e.step, bool(e.hint), e.what, sep=";")
else:
    print("dropped")
"""


def tried(pair, *wrapper, method="auto", **how):
    done = run(*wrapper, sys.executable, "-I", "-c", TRY, *words(pair), method, **how)
    assert (done.status, done.err) == (0, "")
    return done.out.rstrip("\n").split(";")


@drops_on_linux
def test_not_permitted(holder):
    pair = holder.pair()
    said = tried(pair, *needs(*NO_CAPABILITIES))
    assert said == ["Error", "NotPermitted", "PermissionError", "1", "destroy", "True", " ".join(words(pair))]
    assert pair.alive()


@drops_on_linux
def test_not_supported(holder, no_destroy):
    pair = holder.pair()
    said = tried(pair, method="destroy", env=no_destroy)
    assert said == ["Error", "NotSupported", str(errno.EOPNOTSUPP), "destroy", "True", " ".join(words(pair))]
    assert pair.alive()


@drops_on_linux
def test_protected(holder):
    pair = holder.pair()
    laddr, lport, raddr, rport = words(pair)
    said = tried(pair, env={"SSH_CONNECTION": f"{raddr} {rport} {laddr} {lport}"})
    assert said == ["Error", "Refused", "Protected", "None", "", "True", " ".join(words(pair))]
    assert pair.alive()
    assert tried(pair) == ["dropped"]


@drops_on_linux
def test_include_self(holder, monkeypatch):
    pair = holder.pair()
    laddr, lport, raddr, rport = words(pair)
    monkeypatch.setenv("SSH_CONNECTION", f"{raddr} {rport} {laddr} {lport}")
    with pytest.raises(tcpdrop.Protected, match="SSH_CONNECTION"):
        tcpdrop.drop_one(pair.local, pair.remote)
    assert pair.alive()
    tcpdrop.drop_one(pair.local, pair.remote, include_self=True)
    assert pair.state() is None


@drops_on_linux
def test_an_unknown_failure_names_its_step(monkeypatch, holder):
    pair = holder.pair()

    def lookup(*_, **__):
        error = OSError(errno.ENOBUFS, "No buffer space available")
        error.step = "recv"
        raise error

    monkeypatch.setattr(_tcpdrop, "lookup_each", lookup)
    with pytest.raises(tcpdrop.Error, match=r": recv: No buffer space available \(the kernel is short of memory: try again\)$") as caught:
        tcpdrop.drop_one(pair.local, pair.remote)
    assert type(caught.value) is tcpdrop.Error
    assert (caught.value.errno, caught.value.step) == (errno.ENOBUFS, "recv")


# ---- check()


@drops_on_linux
def test_check_with_every_right():
    found = tcpdrop.check()
    assert found.ok is True
    assert (found.backend, found.listing, found.supported, found.permitted, found.problems) == ("linux", True, True, True, [])
    assert found.command.endswith(" LADDR LPORT RADDR RPORT")
    assert found.as_dict()["ok"] is True
    assert found.system.startswith("Linux ")


@drops_on_linux
def test_check_touches_nothing(holder):
    pair = holder.pair()
    listener = holder.listener()
    before = {s for s in procnet.sockets() if s.state in (1, 10)}
    tcpdrop.check()
    assert {s for s in procnet.sockets() if s.state in (1, 10)} == before
    assert pair.alive()
    listener.close()


@drops_on_linux
def test_check_without_a_right():
    code = "import json, tcpdrop; c = tcpdrop.check(); print(json.dumps(c.as_dict()))"
    done = run(*needs(*NO_CAPABILITIES), sys.executable, "-I", "-c", code)
    assert '"ok": false' in done.out
    assert '"permitted": false' in done.out
    assert '"supported": true' in done.out
    assert "CAP_NET_ADMIN" in done.out


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
    pytest.importorskip("mypy.build")  # PyPy's lacks a part of itself
    here = Path(__file__).parents[1]
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
