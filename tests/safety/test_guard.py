# SPDX-License-Identifier: BSD-2-Clause
"""A selection spares the operator's session, and all logins when nobody can tell which one that is."""

import array
import os
import socket
import subprocess
import sys

import pytest
from support import procnet
from support.command import COMMAND, NEARLY_NOBODY, Login, line, needs, run, tcpdrop, words
from support.hidden import hide_sockets
from support.holder import end
from support.own_pair import own_pair
from support.terminal import Terminal

import tcpdrop as package
from tcpdrop.engine.run import Run
from tcpdrop.engine.single import drop_unprotected
from tcpdrop.filters import Filter
from tcpdrop.filters.selection import select
from tcpdrop.model.four_tuple import FourTuple
from tcpdrop.safety import login_services, logins, session
from tcpdrop.safety.guard import Guard
from tcpdrop.system import holders, kernel, procfs

pytestmark = [pytest.mark.privileged, pytest.mark.only_on("linux", "sunos", reason="drops")]

BARE = ("env", "-i")


@pytest.fixture
def own(holder):
    """A login (a grandparent that holds a connection) and another connection of the same service."""
    listener = holder.listener()
    with Login(listener.name()) as login:
        peer = listener.accept()
        client = holder.socket()
        client.call("connect", listener.name())
        server = listener.accept()
        login.port, login.other, login.peer = listener.name()[1], client, peer
        yield login
        for sock in (peer, server, client, listener):
            sock.close()


def lives(login):
    """Both ends, by the kernel's word and by their own."""
    ends = (*end(login.local), *end(login.remote)), (*end(login.remote), *end(login.local))
    return [procnet.state(one) for one in ends] == ["ESTABLISHED"] * 2 and login.alive() and login.peer.errno("send", b"x") == 0


SELECTIONS = {
    "its own end": "rport {port}",
    "the other end": "lport {port}",
    "both": "port {port}",
    "state": "state established port {port}",
    "not": "port {port} and not lport 1",
}


@pytest.mark.parametrize("wrapper", [(), BARE], ids=["environment", "bare"])
@pytest.mark.parametrize("selection", SELECTIONS)
def test_the_session_is_spared_and_the_rest_is_dropped(own, backend, selection, wrapper):
    done = own.run("drop", "--yes", SELECTIONS[selection].format(port=own.port), wrapper=wrapper)
    assert done.status == 0
    assert f"protected (held by pid {own.pid} {procfs.command_of(own.pid)}; --include-self)\n" in done.err
    assert str(own.local[1]) not in done.out
    assert done.out
    assert lives(own)
    if backend.takes_both_ends or selection != "the other end":
        assert own.other.errno("send", b"x")


def test_all_from_inside_spares_the_session_and_takes_the_rest(own):
    done = own.run("drop", "--all", "--yes", wrapper=BARE)
    assert done.status == 0
    assert lives(own)
    assert own.other.errno("send", b"x")


def test_only_the_session_matches(own):
    done = own.run("drop", f"port {own.local[1]}")
    assert (done.status, done.out) == (4, "")
    assert done.err.count("protected (held by") == 2
    assert lives(own)


def test_saved_rows_do_not_get_round_it(own, tmp_path):
    saved = tmp_path / "victims"
    for form in ("--jsonl", "-l"):
        verb = "drop" if form == "-l" else "list"
        text = tcpdrop(verb, form, f"port {own.local[1]}").out
        saved.write_text(text.replace("# ", "").partition("  #")[0], encoding="utf-8")
        done = own.run("drop", "--from", str(saved))
        assert (done.status, done.out) == (4, ""), done
        assert lives(own)


def test_include_self_does_not_spare_it(own):
    done = own.run("drop", "--include-self", f"lport {own.local[1]}")
    assert done.status == 0
    assert not own.alive()


@pytest.mark.only_on("linux", reason="network namespaces")
def test_netns_does_not_get_round_it(own):
    for where in ("/proc/self/ns/net", str(own.pid)):
        done = own.run("drop", f"--netns={where}", f"port {own.local[1]}")
        assert (done.status, done.out) == (4, "")
    assert lives(own)


@pytest.mark.only_on("linux", reason="network namespaces")
def test_a_session_in_another_namespace_is_spared_there(other_namespace):
    """The login's socket was made there; the command and its ancestors live here."""
    there, fd = other_namespace
    code = """
import os, subprocess, sys
here = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
import ctypes, socket
libc = ctypes.CDLL(None)
assert libc.setns(int(sys.argv[1]), 0) == 0
sock = socket.create_connection((sys.argv[2], int(sys.argv[3])))
assert libc.setns(here, 0) == 0
done = subprocess.run(["sh", "-c", '"$@"; exit $?', "sh", *sys.argv[4:], f"port {sock.getsockname()[1]}"], capture_output=True, text=True)
sys.stderr.write(done.stdout + done.stderr)
sock.sendall(b'x')
sys.exit(done.returncode)
"""
    listener = there.listener()
    os.set_inheritable(fd, True)
    argv = [sys.executable, "-c", code, fd, *listener.name(), COMMAND, "drop", "--yes", f"--netns={there.pid}"]
    done = run(*map(str, argv), pass_fds=[fd])
    assert done.status == 4, done
    assert done.err.count("protected (held by pid ") == 2
    listener.close()


def test_a_program_may_drop_its_own_sockets_by_selection():
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as mine:
        report = package.drop(f"lport {mine.getsockname()[1]}")
        assert report.counts == {"dropped": 1}
        with pytest.raises(ConnectionAbortedError):
            mine.recv(1)


# ---- nobody can tell


@pytest.fixture
def sshd(holder):
    """A connection whose server is called sshd, and one of another name."""
    listener = holder.listener()
    with Login(listener.name()) as login:
        login.rename("sshd")
        login.listener = listener
        login.peer = listener.accept()
        login.other = holder.pair()
        yield login
        login.peer.close()
        login.other.close()
        listener.close()


WARNING = "cannot tell which connection carries your session: all 1 of login services are protected (--include-self)"


def both(login):
    return f"lport {login.local[1]},{login.other.lport}"


def test_with_a_terminal_and_no_session_every_login_is_spared(sshd):
    """As in a tmux that was attached again: no ancestor holds a connection."""
    with Terminal("drop", "--yes", both(sshd)) as terminal:
        status, out, seen = terminal.end()
    assert (status, out) == (0, f"{line(sshd.other)}: dropped\n")
    assert f"tcpdrop: {WARNING}\n" in seen
    assert "sshd, and your own login cannot be told; --include-self)" in seen
    assert lives(sshd)


def test_the_mirror_of_such_a_login_is_spared_too(sshd):
    with Terminal("drop", "--yes", f"rport {sshd.local[1]}") as terminal:
        assert terminal.end()[0] == 4
    assert lives(sshd)


def test_include_self_means_it(sshd):
    with Terminal("drop", "--yes", "--include-self", both(sshd)) as terminal:
        status, _, seen = terminal.end()
    assert status == 0
    assert "cannot tell" not in seen
    assert not sshd.alive()


def test_a_variable_of_an_older_login_does_not_count_as_the_session(sshd, monkeypatch):
    """tmux attached again: SSH_CONNECTION names the login that started it, dead or alive."""
    monkeypatch.setenv("SSH_CONNECTION", "192.0.2.1 1024 192.0.2.2 22")
    with Terminal("drop", "--yes", both(sshd)) as terminal:
        _, _, seen = terminal.end()
    assert WARNING in seen
    assert lives(sshd)


def test_a_daemon_has_no_terminal_and_is_not_held_up(sshd):
    """Cron: no controlling terminal, every ancestor can be read, none holds a connection."""
    done = tcpdrop("drop", "--yes", both(sshd), wrapper=("setsid", "-w"))
    assert done.status == 0
    assert "cannot tell" not in done.err
    assert not sshd.alive()


def test_an_ancestry_that_cannot_be_read_spares_every_login(sshd, monkeypatch):
    hide_sockets(monkeypatch)
    assert Guard().warning == WARNING
    report = package.drop(both(sshd))
    assert report.counts == {"dropped": 1, "protected": 1}
    assert report.warning == WARNING
    assert "sshd" in report.protected[0].error.hint
    assert lives(sshd)


@pytest.mark.parametrize("listens", [True, False])
def test_an_ordinary_user_with_the_right_to_drop_and_unreadable_ancestors(sshd, holder, listens):
    """Everything above setpriv belongs to root: nothing of it can be read, also not who holds what.

    What that root's sshd may have accepted is spared, whether or not anybody listens there still.
    """
    who = needs(*NEARLY_NOBODY)
    if not listens:
        sshd.listener.close()
    known = holder.pair(port=22, victim="server")  # of a login that is told by its port
    with own_pair(*who) as port:
        done = tcpdrop("drop", "--yes", f"lport {sshd.local[1]},{port}", wrapper=(*who, "sh", "-c", '"$@"; exit $?', "sh"))
    known.close()
    assert "cannot tell which connection carries your session: all" in done.err
    assert (done.status, done.out.split()[1:2], done.out.count(": dropped\n")) == (0, [str(port)], 1), done
    assert lives(sshd)


def test_port_22_stands_for_an_sshd_that_cannot_be_seen(holder, monkeypatch):
    pair = holder.pair(port=22, victim="server")
    other = holder.pair()
    hide_sockets(monkeypatch)
    monkeypatch.setattr(holders, "_read_process", lambda *args: False)
    assert pair.lport == 22
    # Others of port 22 may be on their way out yet.
    report = package.drop(f"(lport 22 and rport {pair.rport}) or lport {other.lport}")
    assert report.counts == {"dropped": 1, "protected": 1}
    assert "a process that cannot be seen" in report.protected[0].error.hint
    assert pair.alive()
    pair.close()


def test_a_walk_that_does_not_reach_the_first_process_counts_as_hidden(monkeypatch):
    """kubectl exec, docker exec: the parent lives in another PID namespace."""
    own = session.OwnSession()
    own.unreadable = []
    for chain in ([], [4711]):
        monkeypatch.setattr(logins, "ancestors", lambda chain=chain: iter(chain))
        assert logins.may_be_ours(own)


# ---- a login that comes later may be one's own


@pytest.fixture
def holder_is_a_login_service(holder, monkeypatch):
    """As in tmux; and the holder is a login service."""
    monkeypatch.setattr(logins, "may_be_ours", lambda session: True)
    monkeypatch.setattr(login_services, "LOGIN_SERVICES", frozenset([procfs.command_of(holder.pid)]))


@pytest.mark.only_on("linux", reason="sessions are found by /proc")
@pytest.mark.usefixtures("holder_is_a_login_service")
def test_a_login_that_comes_between_two_rounds_is_spared(holder):
    """--for an hour, and the operator logs in again."""
    first = holder.pair()
    watch = Run(Guard())
    assert watch.guard.warning
    watch.round(select(package.Filter.local_port(first.lport), droppable=True))
    again = holder.pair()
    watch.round(select(package.Filter.local_port(again.lport), droppable=True))
    assert watch.report.counts == {"protected": 2}
    assert first.alive()
    assert again.alive()


# ---- other network namespaces


@pytest.fixture
def elsewhere(other_namespace):
    """inside(command), here(command): wrappers into the other namespace, and back into ours; and who holds what there."""
    there, _ = other_namespace
    inside = needs("nsenter", f"--net=/proc/{there.pid}/ns/net")
    return there, inside, ("nsenter", f"--net=/proc/{os.getpid()}/ns/net")


@pytest.mark.only_on("linux", reason="network namespaces")
def test_what_carries_the_session_in_another_namespace_is_spared(elsewhere):
    """A login rides on another one there, and the command has gone to a third place: ip netns exec."""
    there, inside, here = elsewhere
    listener = there.listener()
    with Login(listener.name(), wrapper=inside) as outer:
        carrier = listener.accept()
        with Login(listener.name(), wrapper=inside) as inner:
            listener.accept()
            ends = [*outer.remote, *outer.local]
            for form in (["drop", f"rport {outer.local[1]}"], [str(word) for word in ends]):
                done = inner.run(f"--netns={there.pid}", *form, wrapper=(*here, *BARE))
                assert (done.status, f"protected (held by pid {there.pid} " in done.err) == (4, True), done
            assert outer.alive() and carrier.errno("send", b"x") == 0


@pytest.mark.only_on("linux", reason="network namespaces")
def test_where_a_login_cannot_be_told_those_of_another_namespace_count(elsewhere, monkeypatch, holder_is_a_login_service):
    there, _, _ = elsewhere
    pair = there.pair()
    report = package.drop(f"lport {pair.lport}", netns=there.pid)
    assert report.counts == {"protected": 1}
    assert "of login services are protected" in report.warning
    assert pair.alive()


# ---- what no process holds


def test_all_spares_sockets_that_no_process_holds(holder):
    """Like those of NFS: here a socket that is only in flight between two ends of a UNIX socket."""
    ordinary = holder.pair()
    listener = holder.listener()
    left, right = socket.socketpair()
    with left, right:
        sock = socket.create_connection(listener.name())
        peer = listener.accept()
        name = sock.getsockname()
        socket.socket.sendmsg(left, [b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [sock.fileno()]))])
        sock.close()
        ends = f"{name[0]} {name[1]} {peer.name()[0]} {peer.name()[1]}"
        done = tcpdrop("drop", "--all", "--yes", "--protect", f"lport {peer.name()[1]} rport 1")
        assert done.status == 0
        why = "no process holds it: the kernel's own"
        if holders.scan({1}).unread:  # in a container of a kind, not even root may look at PID 1
            why = "no process that can be seen holds it: it may be the kernel's own"
        assert f"{ends}: protected ({why}, like NFS or iSCSI; name it to drop it)" in done.err
        assert ordinary.state() is None
        # Its mirror has a holder and was dropped with the rest, or it was spared: what counts is this end.
        done = tcpdrop("drop", "--yes", f"lport {name[1]}")
        assert done.status in (0, 1)
    listener.close()


def test_classic_operands_do_not_need_the_guess(sshd):
    """One named connection: only what is certainly one's own is spared."""
    with Terminal(*words(sshd.other)) as terminal:
        assert terminal.end()[:2] == (0, f"{line(sshd.other)}: dropped\n")


def test_a_closed_stdin_and_a_pager_are_no_terminal(holder):
    pair = holder.pair()
    done = subprocess.run(["sh", "-c", 'exec "$0" drop --all <&-', COMMAND], capture_output=True, text=True, cwd="/", check=False)
    assert done.returncode == 4
    assert "needs --yes" in done.stderr
    assert pair.alive()


@pytest.mark.only_on("linux", reason="comm, and one look through /proc")
@pytest.mark.parametrize("classic", [False, True])
def test_many_rules_are_one_look(holder, monkeypatch, classic):
    """At the kernel's table and through /proc, however many rules there are, and whoever holds it by them."""
    pair = holder.pair(victim="server")
    seen = []

    def counted(module, name):
        call = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *given, **how: (seen.append(name), call(*given, **how))[1])

    counted(kernel, "list_connections")
    counted(holders, "scan")
    rules = [Filter(f"comm x{number} and lport {number}") for number in range(1, 51)] + [Filter(f"pid {pair.pid}")]
    if classic:
        ends = FourTuple(socket.inet_aton(pair.local[0]), pair.lport, socket.inet_aton(pair.remote[0]), pair.rport)
        with pytest.raises(package.Protected, match=f"by --protect 'pid {pair.pid}'"):
            drop_unprotected(ends, None, protect=rules)
    else:
        counts = package.drop(f"lport {pair.lport} and rport {pair.rport}", include_self=True, protect=rules).counts
        assert counts == {"protected": 1}
    assert seen.count("scan") == 1 and seen.count("list_connections") <= 3, seen
    assert pair.alive()
