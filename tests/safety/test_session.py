# SPDX-License-Identifier: BSD-2-Clause
"""The operator's own session: tcpdrop does not cut the connection it is typed over."""

import errno
import os
import socket
import subprocess
import sys

import pytest
from support import procnet
from support.command import Login
from support.command import tcpdrop as command
from support.hidden import hide_sockets
from support.holder import Holder, end
from support.wait import until

import tcpdrop
from tcpdrop.safety import session, ways_in
from tcpdrop.system import procfs

pytestmark = [pytest.mark.privileged, pytest.mark.only_on("linux", "sunos", reason="drops")]

#: what sudo, su and cron leave of the environment
BARE = ("env", "-i")


def quad(local, remote):
    return [*map(str, local), *map(str, remote)]


def state(local, remote):
    return procnet.state((*end(local), *end(remote)))


class Session:
    """A login whose other end is in the holder."""

    def __init__(self, holder, *, device="", env=None):
        listener = holder.listener()
        self.login = Login(listener.name(), device=device, env=env)
        self.peer = listener.accept()
        listener.close()
        self.tuple = quad(self.login.local, self.login.remote)
        self.mirror = quad(self.login.remote, self.login.local)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.login.__exit__(*exc)
        self.peer.close()

    def lives(self):
        """Both ends, by the kernel's word and by their own."""
        ends = self.login.local, self.login.remote
        if {state(*ends), state(*reversed(ends))} != {"ESTABLISHED"}:
            return False
        return self.login.alive() and self.peer.call("recv", 1) == b"x"

    def refused(self, words):
        return f"{' '.join(words)}: protected (held by pid {self.login.pid} {procfs.command_of(self.login.pid)}; --include-self)\n"


@pytest.fixture
def own(holder):
    with Session(holder) as made:
        yield made


@pytest.mark.parametrize("wrapper", [(), BARE], ids=["environment", "bare"])
@pytest.mark.parametrize("end", ["tuple", "mirror"])
def test_a_connection_an_ancestor_holds_is_refused(own, end, wrapper):
    words = getattr(own, end)
    assert own.login.run(*words, wrapper=wrapper) == (4, "", own.refused(words))
    assert own.lives()


def test_the_dry_run_meets_the_same_refusal(own):
    assert own.login.run("-n", *own.tuple) == (4, "", own.refused(own.tuple))


def test_other_spellings_and_the_mapped_address_do_not_get_round_it(own):
    (laddr, lport), (raddr, rport) = own.login.local, own.login.remote
    for words in ([f"{laddr}.{lport}", f"{raddr}:{rport}"], [f"::ffff:{laddr}", str(lport), f"::ffff:{raddr}", str(rport)]):
        assert own.login.run(*words) == (4, "", own.refused(own.tuple))
    assert own.lives()


@pytest.mark.only_on("linux", reason="network namespaces")
def test_netns_does_not_get_round_it(own):
    assert own.login.run("--netns=/proc/self/ns/net", *own.tuple) == (4, "", own.refused(own.tuple))
    assert own.login.run(f"--netns={own.login.pid}", *own.mirror) == (4, "", own.refused(own.mirror))
    assert own.lives()


@pytest.mark.parametrize("end", ["tuple", "mirror"])
def test_include_self_drops_it(own, backend, end):
    words = getattr(own, end)
    assert own.login.run("--include-self", *words) == (0, f"{' '.join(words)}: dropped\n", "")
    if backend.takes_both_ends:
        assert not own.login.alive()
        assert own.peer.errno("recv", 1)
    else:
        assert (own.peer.errno("sendall", b"x") != 0) is (end == "mirror")


def test_another_connection_of_the_same_host_is_no_part_of_the_session(own, holder):
    pair = holder.pair()
    words = quad(pair.local, pair.remote)
    assert own.login.run(*words) == (0, f"{' '.join(words)}: dropped\n", "")
    assert own.lives()


@pytest.mark.only_on("linux", reason="SO_BINDTODEVICE")
def test_the_unbound_mirror_of_a_session_bound_to_an_interface(holder):
    with Session(holder, device="lo") as own:
        for words in (own.tuple, own.mirror):
            assert own.login.run(*words) == (4, "", own.refused(words))
        assert own.lives()


def test_a_holder_with_an_ugly_name_is_not_printed_raw(own):
    own.login.rename("\x1b[31mx\udcff")
    done = own.login.run(*own.tuple)
    assert (done.status, done.err) == (
        4,
        f"{' '.join(own.tuple)}: protected (held by pid {own.login.pid} \\x1b[31mx\\udcff; --include-self)\n",
    )


# ---- SSH_CONNECTION: client address, client port, server address, server port


def variable(server, client):
    return {"SSH_CONNECTION": f"{client[0]} {client[1]} {server[0]} {server[1]}"}


def named(words):
    return 4, "", f"{' '.join(words)}: protected (named by SSH_CONNECTION; --include-self)\n"


@pytest.mark.parametrize("family", ["inet", "inet6", "mapped"])
def test_the_tuple_in_ssh_connection_is_refused(holder, family):
    """As on a jump host's far side: no ancestor holds it."""
    pair = holder.pair(family, victim="server")
    plain = [(addr.replace("::ffff:", ""), port) for addr, port in (pair.local, pair.remote)]
    for words in (quad(*plain), quad(*reversed(plain))):
        assert command(*words, env=variable(*plain)) == named(words)
        assert command(*words, env=variable(pair.local, pair.remote)) == named(words)
    assert pair.alive()
    words = quad(*plain)
    assert command("--include-self", *words, env=variable(*plain)) == (0, f"{' '.join(words)}: dropped\n", "")


@pytest.mark.parametrize("spelled", ["{}%lo", "[{}]", "{}/128", "[{}]%25lo", "{}%1"])
def test_the_addresses_in_ssh_connection_are_read_as_everywhere(holder, spelled):
    """sshd writes a link-local one with its interface."""
    pair = holder.pair("inet6", victim="server")
    words = quad(pair.local, pair.remote)
    ends = [(spelled.format(addr), port) for addr, port in (pair.local, pair.remote)]
    assert command(*words, env=variable(*ends)) == named(words)


def test_ssh_connection_of_an_ancestor_counts_behind_sudo(holder):
    """The session's other end is held by somebody who has nothing else: what he has would carry it."""
    pair = holder.pair(victim="server")
    words = quad(pair.local, pair.remote)
    with Holder() as another, Session(another, env=variable(pair.local, pair.remote)) as own:
        assert own.login.run(*words, wrapper=BARE) == named(words)
    assert pair.alive()


@pytest.mark.parametrize("value", ["", "1 2 3", "a b c d", "127.0.0.1 x 127.0.0.1 y", "127.0.0.1 1 127.0.0.1 2 3", "\N{SNOWMAN} 1 2 3"])
def test_a_variable_nobody_can_read_protects_nothing(holder, value):
    pair = holder.pair()
    words = quad(pair.local, pair.remote)
    assert command(*words, env={"SSH_CONNECTION": value}) == (0, f"{' '.join(words)}: dropped\n", "")


# ---- a program's own sockets


def test_a_process_may_drop_its_own_socket():
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as mine:
        tcpdrop.drop_one(mine.getsockname(), mine.getpeername())
        with pytest.raises(ConnectionAbortedError):
            mine.recv(1)


def test_a_socket_shared_with_the_parent_is_the_parents(holder):
    """Inherited from an ancestor: that is what a shell below sshd looks like."""
    listener = holder.listener()
    with socket.create_connection(listener.name()) as mine:
        listener.accept()
        local, remote = mine.getsockname(), mine.getpeername()
        done = command(*quad(local, remote))
        assert done.status == 4
        assert f"held by pid {os.getpid()} " in done.err
        assert state(local, remote) == "ESTABLISHED"


def test_a_command_name_with_parentheses_does_not_break_the_walk(own):
    """/proc/PID/stat has the name in parentheses, and it may contain ') R 1 '."""
    own.login.rename(") R 1 (x")
    done = own.login.run(*own.tuple)
    assert (done.status, done.out) == (4, "")
    assert f"held by pid {own.login.pid} ) R 1 (x;" in done.err


def test_ancestors_end_at_the_first_process():
    pids = list(session.ancestors())
    assert pids[0] == os.getppid()
    assert len(pids) == len(set(pids))
    assert procfs.parent_of(pids[-1]) == 0


def test_an_ancestor_that_cannot_be_read_is_remembered(monkeypatch):
    hide_sockets(monkeypatch)
    assert [pid for pid in session.OwnSession().unreadable if pid != 1] == [pid for pid in session.ancestors() if pid != 1]


def test_the_session_is_looked_up_while_the_other_end_goes_away(own):
    """A peer that left: the session's socket is in CLOSE_WAIT and still its own."""
    own.peer.close()
    until(lambda: state(own.login.local, own.login.remote) == "CLOSE_WAIT", "CLOSE_WAIT")
    assert own.login.run(*own.tuple) == (4, "", own.refused(own.tuple))


# ---- one drop after another


def test_in_a_row_it_is_looked_at_once(monkeypatch):
    first = session.own()
    monkeypatch.setattr(session, "FRESH", 60)
    assert session.own() is session.own()
    monkeypatch.setattr(session, "FRESH", 0)
    assert session.own() is not first


@pytest.mark.parametrize("changed", ["another parent", "another process", "another login"])
def test_what_was_seen_for_another_is_not_believed(monkeypatch, changed):
    monkeypatch.setattr(session, "FRESH", 60)
    first = session.own()
    if changed == "another login":
        monkeypatch.setitem(os.environb, b"SSH_CONNECTION", b"192.0.2.1 1 192.0.2.2 22")
    else:
        call = "getppid" if changed == "another parent" else "getpid"
        other = getattr(os, call)() + 1
        monkeypatch.setattr(os, call, lambda: other)
    assert session.own() is not first


def test_what_an_ancestor_has_opened_since_is_seen_a_moment_later():
    """Told by a child of ours: the socket is not there at its first look, and is at its second."""
    code = """
import sys, time
from tcpdrop.safety import session
def seen():
    print(len(session.own().holders), flush=True)
    sys.stdin.readline()
seen()
time.sleep(session.FRESH)
seen()
"""
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd="/") as child:
        before = int(child.stdout.readline())
        with socket.socket():
            child.stdin.write("\n")
            child.stdin.flush()
            assert int(child.stdout.readline()) == before + 1
        child.communicate()


@pytest.mark.parametrize(("error", "unseen"), [(tcpdrop.Error("not now", errno=errno.EIO), True), (ValueError("no ends"), False)])
def test_what_cannot_be_asked_is_no_word_that_the_peer_is_elsewhere(error, unseen):
    class Deaf:
        scope = None

        def rows(self, quad):
            raise error

    own = session.OwnSession()
    own.unmet = [(b"\xc0\0\2\1", 22, b"\xc0\0\2\2", 40000)]
    ways_in._conclude(own, [Deaf()])
    assert bool(own.relay_unseen) is unseen
