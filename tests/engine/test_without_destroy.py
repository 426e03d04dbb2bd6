# SPDX-License-Identifier: BSD-2-Clause
"""A kernel without INET_DIAG_DESTROY: everything works that can, and what cannot is said.

`make test-uml` runs this file inside a kernel that is built so; on any other
tests/c/no_destroy.c makes the kernel seem to be.
"""

import errno
import json
import sys

import pytest
from support import procnet
from support.command import NO_CAPABILITIES, line, needs, run, tcpdrop, words
from support.holder import Holder, fresh_ports

from tcpdrop import _tcpdrop
from tcpdrop.model.rows import ROW
from tcpdrop.system import platform

pytestmark = [pytest.mark.privileged, pytest.mark.only_on("linux", reason="an option of that kernel")]


def really():
    """Is this very kernel one of them?"""
    try:
        _tcpdrop.probe()
    except OSError as e:
        return e.errno == errno.EOPNOTSUPP
    return False


REALLY = really()
OLDER = ("setarch", "--uname-2.6")
ONLY_THERE = pytest.mark.skipif(not REALLY, reason="this kernel has INET_DIAG_DESTROY: make test-uml runs one without")


@pytest.fixture
def without(request):
    """The environment of a command on such a kernel."""
    return {} if REALLY else request.getfixturevalue("no_destroy")


def entries(done):
    found = json.loads(done.out)
    return {(one["local_port"], one["remote_port"]): one for one in found["connections"]}, found["summary"]["counts"]


def fate(entry):
    return entry["outcome"], entry["method"], entry["victim_sees"]


@pytest.mark.parametrize("family", ["inet", "inet6", "mapped"])
def test_the_classic_form_drops_and_both_ends_see_it_at_once(holder, without, family):
    pair = holder.pair(family)
    blocked = [end.start("recv", 10).asleep() for end in (pair.sock, pair.peer)]
    assert tcpdrop(*words(pair), env=without) == (0, f"{line(pair)}: dropped\n", "")
    assert blocked[0].errno() in (errno.EPIPE, errno.ECONNRESET)
    assert blocked[1].errno() == errno.ECONNRESET
    assert pair.state() is None
    assert tcpdrop(*words(pair), env=without).status == 1


@ONLY_THERE
def test_ss_says_nothing_and_does_nothing(holder):
    pair = holder.pair()
    assert run("ss", "-K", "-t", "sport", f"= :{pair.lport}").status == 0
    assert run("ss", "-K", "-t", "dport", f"= :{pair.lport}").status == 0
    assert pair.alive()
    assert tcpdrop(*words(pair)) == (0, f"{line(pair)}: dropped\n", "")


def test_a_selection_and_its_preview(without):
    with Holder() as h:
        pairs, other = [h.pair() for _ in range(12)], h.pair()
        chosen = ["lport", ",".join(str(pair.lport) for pair in pairs)]
        dry, counts = entries(tcpdrop("--json", "-n", "drop", *chosen, env=without))
        assert counts == {"would_drop": 12}
        assert {fate(entry) for entry in dry.values()} == {("would_drop", None, None)}
        assert all(pair.alive() for pair in pairs)
        done = tcpdrop("--json", "drop", *chosen, env=without)
        assert (done.status, done.err) == (0, "tcpdrop: 12 dropped\n")
        real, counts = entries(done)
        assert counts == {"dropped": 12}
        assert {fate(entry) for entry in real.values()} == {("dropped", "descriptor", "ECONNRESET")}
        assert real.keys() == dry.keys()
        assert all(pair.sock.errno("recv", 1) == pair.peer.errno("recv", 1) == errno.ECONNRESET for pair in pairs)
        assert other.alive()


def test_both_ends_of_each(without):
    """The second end goes with the first: it was dropped, and saw a reset."""
    with Holder() as h:
        pairs = [h.pair() for _ in range(4)]
        done = tcpdrop("--json", "drop", "port", ",".join(str(pair.lport) for pair in pairs), env=without)
        found, counts = entries(done)
        assert (done.status, counts) == (0, {"dropped": 8})
        assert {fate(entry) for entry in found.values()} == {("dropped", "descriptor", "ECONNRESET")}


def test_what_no_process_holds_is_not_supported_and_the_others_are_done(holder, without):
    """TIME_WAIT, and a connection that nobody has accepted yet; the listener is none of all that."""
    listener = holder.listener()
    at = listener.name()
    clients = [holder.socket() for _ in range(3)]
    for client in clients:
        client.call("connect", at)
    servers = [listener.accept() for _ in range(2)]
    ports = [client.name()[1] for client in clients]
    servers[1].close()
    clients[1].close()
    for dry in (["-n"], []):
        done = tcpdrop("--json", *dry, "drop", "state", "all", "lport", str(at[1]), env=without)
        found, counts = entries(done)
        word = "would_drop" if dry else "dropped"
        assert (done.status, counts) == (3, {word: 1, "not_supported": 2})
        assert found[at[1], ports[1]]["state"] == "TIME_WAIT"
        assert [found[at[1], port]["outcome"] for port in ports] == [word, "not_supported", "not_supported"]
        assert {found[at[1], port]["errno"] for port in ports[1:]} == {errno.EOPNOTSUPP}
        assert "CONFIG_INET_DIAG_DESTROY; no process holds it" in done.err
    assert servers[0].errno("recv", 1) == errno.ECONNRESET
    late = listener.accept()
    late.call("sendall", b"x")
    assert clients[2].call("recv", 1) == b"x"
    fresh = holder.socket()
    fresh.call("connect", at)
    for one in (late, fresh, listener, clients[0], clients[2], servers[0]):
        one.close()


def test_nothing_but_what_nobody_holds_is_refused_before_anything(holder, without):
    listener = holder.listener()
    client = holder.socket()
    client.call("connect", listener.name())
    server = (listener.name()[1], client.name()[1])
    for dry in (["-n"], []):
        done = tcpdrop(*dry, "drop", "lport", str(server[0]), "rport", str(server[1]), env=without)
        assert done.status == 3
        assert "not supported (destroy: EOPNOTSUPP; this kernel is built without CONFIG_INET_DIAG_DESTROY; no process holds it" in done.err
    listener.close()
    client.close()


def test_saved_connections(holder, without, tmp_path):
    """They carry a cookie and no inode; what has taken their place meanwhile lives."""
    pairs = [holder.pair(), holder.pair(**fresh_ports())]
    ports = ",".join(str(pair.lport) for pair in pairs)
    saved = tmp_path / "saved"
    saved.write_text(tcpdrop("list", "--jsonl", "lport", ports).out + f"127.0.0.1 1 127.0.0.1 {pairs[0].lport}\n", encoding="utf-8")
    pairs[1].close()
    _, lport, _, rport = pairs[1].tuple
    again = holder.pair(port=rport, client_port=lport)
    for dry in (["-n"], []):
        done = tcpdrop("--json", *dry, "drop", "--from", saved, env=without)
        counts = json.loads(done.out)["summary"]["counts"]
        assert (done.status, counts) == (0, {"would_drop" if dry else "dropped": 1, "gone": 2})
    assert pairs[0].sock.errno("recv", 1) == errno.ECONNRESET
    assert again.alive()


def test_by_destroy_alone_it_is_not_supported(holder, without):
    pair = holder.pair()
    for form in (words(pair), ["drop", "lport", pair.lport]):
        for dry in (["-n"], []):
            done = tcpdrop("--method=destroy", *dry, *map(str, form), env=without)
            assert (
                done.status,
                done.err.count("not supported (destroy: EOPNOTSUPP; this kernel is built without CONFIG_INET_DIAG_DESTROY)"),
            ) == (3, 1)
    assert pair.alive()


def test_half_open(holder, without):
    """A connection that is being made has no peer's name to be seen by: the table is asked."""
    full = holder.listener(backlog=0)
    waiting = []
    while not any(pair.state == "SYN_SENT" for pair in waiting):
        sock = holder.socket()
        sock.call("setblocking", False)
        sock.errno("connect", full.name())
        waiting.append(HalfOpen(sock, full.name()))
        assert len(waiting) < 20
    victim = waiting[-1]
    assert tcpdrop(*victim.words, env=without).status == 0
    assert victim.state is None
    assert victim.sock.so_error() == errno.ECONNRESET
    for one in waiting:
        one.sock.close()
    full.close()


class HalfOpen:
    def __init__(self, sock, to):
        self.sock, self.local, self.remote = sock, sock.name(), to
        self.words = words(self)

    @property
    def state(self):
        return procnet.state(self.sock.tuple_to(self.remote), self.sock.holder.pid)


OWN = """
import socket, sys, tcpdrop
listener = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(listener.getsockname())
server, _ = listener.accept()
tcpdrop.drop_one(client.getsockname(), client.getpeername(), method=sys.argv[1])
for end in (client, server):
    try:
        end.recv(1)
    except ConnectionResetError:
        print("reset", end=" ")
with socket.create_connection(listener.getsockname()):
    print(listener.accept()[0].getsockname()[1] == listener.getsockname()[1])
"""


@pytest.mark.parametrize("method", ["auto", "descriptor"])
def test_ones_own_connection_without_any_right(without, method):
    wrapper = needs(*NO_CAPABILITIES)
    assert run(*wrapper, sys.executable, "-I", "-c", OWN, method, env=without) == (0, "reset reset True\n", "")


@pytest.mark.real_root
def test_check_and_demo(without):
    done = tcpdrop("check", env=without)
    assert (done.status, done.err) == (0, "")
    assert "\nkernel can drop  no\n" in done.out
    assert "\nworks            every connection that a process holds, through its descriptor\n" in done.out
    assert "\ndoes not work    connections that no process holds (TIME_WAIT, SYN_RECV, orphans)\n" in done.out
    assert tcpdrop("demo", env=without).status == 0


def test_ones_session_and_what_a_rule_names_live_here_too(holder, without):
    pair = holder.pair()
    named = {**without, "SSH_CONNECTION": " ".join(words(pair))}
    for form in (words(pair), ["drop", "lport", str(pair.lport)], ["drop", "--protect", f"lport {pair.lport}", "port", str(pair.lport)]):
        for method in ("auto", "descriptor"):
            assert tcpdrop(f"--method={method}", *form, env=named).status == 4
    assert pair.alive()


# ---- the C module

TRY = """
import errno, sys
from tcpdrop import _tcpdrop
tup = bytes.fromhex(sys.argv[1]), int(sys.argv[2]), bytes.fromhex(sys.argv[3]), int(sys.argv[4])
gone = tup[:3] + (1,)
for call in (lambda: _tcpdrop.probe(), lambda: _tcpdrop.abort(*tup), lambda: _tcpdrop.abort(*gone)):
    try:
        call()
        print("ok", end=" ")
    except OSError as e:
        print(e.errno, e.step, end=" ")
print(len(_tcpdrop.lookup(*tup)), len(_tcpdrop.list_connections(0xffe)) > 1)
"""


def in_hex(pair):
    laddr, lport, raddr, rport = pair.tuple
    return laddr.hex(), lport, raddr.hex(), rport


@pytest.mark.parametrize("family", ["inet", "inet6", "mapped"])
def test_the_module_says_it_and_the_connection_lives(holder, run, no_destroy, family):
    pair = holder.pair(family)
    said = run(TRY, *in_hex(pair), env=no_destroy)
    missing, gone = str(errno.EOPNOTSUPP), str(errno.ENOENT)
    assert said.split() == [missing, "destroy", missing, "destroy", gone, "look-up", str(ROW.size), "True"]
    assert pair.alive()


def test_the_same_calls_without_the_shim(holder, run):
    """The control: it is the shim that makes the difference."""
    pair = holder.pair()
    code = TRY.replace("print(len(_tcpdrop.lookup(*tup)), len(_tcpdrop.list_connections(0xffe)) > 1)", "")
    assert run(code, *in_hex(pair)).split() == ["ok", "ok", str(errno.ENOENT), "look-up"]
    assert pair.sock.errno("recv", 1) == errno.ECONNABORTED


@pytest.mark.parametrize("form", ["classic", "selection"])
def test_an_older_kernel_that_ends_nothing_in_time_wait_is_named_as_that(holder, request, form):
    """Before 6.0 it refuses these alone, and is not without SOCK_DESTROY.  Elsewhere setarch(8) makes a kernel say 2.6."""
    env, wrapper = {}, ()
    if REALLY or platform.release() >= (6, 0):
        if form == "selection":
            pytest.skip("where nothing at all can be dropped, that is the reason told: an older kernel has both")
        needs(*OLDER)
        env, wrapper = request.getfixturevalue("no_destroy"), OLDER
    pair = holder.pair(**fresh_ports())
    pair.close()
    pair.wait_state("TIME_WAIT")
    argv = words(pair) if form == "classic" else ["drop", "state", "time-wait", "lport", str(pair.lport)]
    done = tcpdrop(*argv, env=env, wrapper=wrapper)
    assert done.status == 3
    assert "Linux drops what is in TIME_WAIT, or in FIN_WAIT2 and closed, since 6.0; no process holds it" in done.err
    assert "CONFIG_INET_DIAG_DESTROY" not in done.err
    assert pair.state() == "TIME_WAIT"
