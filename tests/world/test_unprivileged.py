# SPDX-License-Identifier: BSD-2-Clause
"""Without root: what is one's own can be dropped, what is others' is refused with the reason."""

import errno
import json
import subprocess
import sys

import pytest
from support.command import NOBODY, line, needs, run, tcpdrop, words
from support.holder import Holder
from support.service import Service

pytestmark = [pytest.mark.privileged, pytest.mark.only_on("linux", reason="descriptors")]


@pytest.fixture
def nobody():
    return needs(*NOBODY)


@pytest.fixture
def mine(nobody):
    """What another process of nobody holds."""
    with Holder(wrapper=nobody) as h:
        yield h


def entries(done):
    found = json.loads(done.out)
    return {entry["local_port"]: entry for entry in found["connections"]}, found["summary"]["counts"]


def test_the_own_process_s_is_dropped_and_another_user_s_is_not(mine, holder, nobody):
    own, other = mine.pair(), holder.pair()
    assert tcpdrop("-n", *words(own), wrapper=nobody) == (0, f"{line(own)}: would drop\n", "")
    assert tcpdrop(*words(own), wrapper=nobody) == (0, f"{line(own)}: dropped\n", "")
    assert own.sock.errno("recv", 1) == own.peer.errno("recv", 1) == errno.ECONNRESET
    for dry in (["-n"], []):
        done = tcpdrop(*dry, *words(other), wrapper=nobody)
        assert done.status == 3
        assert "not permitted (destroy: EPERM; needs CAP_NET_ADMIN in the user namespace that owns network namespace net:[" in done.err
        assert "run as root: sudo " in done.err
    assert other.alive()


def test_each_connection_of_a_selection_has_its_own_outcome(mine, holder, nobody):
    own, other = [mine.pair() for _ in range(3)], [holder.pair() for _ in range(2)]
    chosen = ["drop", "lport", ",".join(str(pair.lport) for pair in [*own, *other])]
    for dry in (["-n"], []):
        done = tcpdrop("--json", *dry, *chosen, wrapper=nobody)
        found, counts = entries(done)
        word = "would_drop" if dry else "dropped"
        assert (done.status, counts) == (3, {word: 3, "not_permitted": 2})
        assert {found[pair.lport]["outcome"] for pair in own} == {word}
        assert {(found[pair.lport]["outcome"], found[pair.lport]["errno"]) for pair in other} == {("not_permitted", errno.EPERM)}
        for pair in other:
            assert f"{line(pair)}: not permitted (destroy: EPERM; needs CAP_NET_ADMIN" in done.err
    assert all(pair.alive() for pair in other)
    assert not any(pair.state() for pair in own)


def test_mine_restricts_a_selection(mine, holder, nobody):
    own, other = mine.pair(), holder.pair()
    chosen = ["lport", f"{own.lport},{other.lport}"]
    listed = tcpdrop("list", "--json", "--mine", *chosen, wrapper=nobody)
    assert entries(listed)[0].keys() == {own.lport}
    assert tcpdrop("drop", "--mine", *chosen, wrapper=nobody)[:2] == (0, f"{line(own)}: dropped\n")
    assert other.alive()
    # For root they are root's, and nobody's are not.
    again = mine.pair()
    chosen[1] += f",{again.lport}"
    assert tcpdrop("drop", "--mine", *chosen)[:2] == (0, f"{line(other)}: dropped\n")
    assert again.alive()


#: root's holds what nobody's holds as well, whose name it is not
TWO = """
import ctypes, os, socket, sys
server = socket.create_server(("127.0.0.1", 0))
keep = [socket.create_connection(server.getsockname()), server.accept()[0]]
ready, said = os.pipe()
child = os.fork()
if child == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
    ctypes.CDLL(None).prctl(4, 1)  # PR_SET_DUMPABLE: to be read by its own user
    os.write(said, b"x")
    sys.stdin.readline()
    os._exit(0)
os.read(ready, 1)
ctypes.CDLL(None).prctl(15, b"twice-held", 0, 0, 0)
print(child, server.getsockname()[1], flush=True)
os.wait()
"""

MATCHES = """
import sys, tcpdrop
for one in tcpdrop.connections(f"lport {sys.argv[1]} and state established", owners=True):
    print(one.pids, *(tcpdrop.Filter(text).matches(one) for text in ("not comm twice-held", "not comm nobody-is", "not unit nosuch*")))
"""


def test_matches_knows_that_owners_may_be_more_than_are_seen(nobody):
    with subprocess.Popen([sys.executable, "-c", TWO], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as two:
        try:
            child, port = two.stdout.readline().split()
            as_nobody = run(*nobody, sys.executable, "-c", MATCHES, port)
            assert as_nobody.out == f"({child},) False True True\n", as_nobody
            assert run(sys.executable, "-c", MATCHES, port).out == f"({two.pid}, {child}) False True True\n"
        finally:
            two.stdin.write("\n")
            two.stdin.close()


def test_mine_alone_is_no_selection(nobody):
    done = tcpdrop("drop", "--mine", wrapper=nobody)
    assert done.status == 2
    assert done.err.startswith("tcpdrop: nothing is selected")
    assert tcpdrop("drop", "--mine", "--from", "/dev/null", wrapper=nobody).status == 2


def test_all_of_mine(mine, holder, nobody):
    own, other = [mine.pair() for _ in range(2)], holder.pair()
    done = tcpdrop("drop", "--all", "--mine", "--yes", "--include-self", wrapper=nobody)
    assert (done.status, done.out.count(": dropped\n")) == (0, 4)
    assert not any(pair.state() for pair in own)
    assert other.alive()


def test_mine_is_who_holds_it_not_who_made_it(holder, nobody):
    """root's socket, handed down to nobody's process: nobody's now, root's name stands on it."""
    code = """
import os, socket, sys
listener = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(listener.getsockname())
server, _ = listener.accept()
os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534)
print(client.getsockname()[1], flush=True)
sys.stdin.read()
"""
    with subprocess.Popen([sys.executable, "-I", "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as held:
        port = held.stdout.readline().strip()
        assert tcpdrop("list", "-c", "mine", "lport", port).out == "0\n"
        assert tcpdrop("list", "-c", "user", "root", "lport", port).out == "1\n"
        held.stdin.close()


OWN = """
import socket, tcpdrop
listener = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(listener.getsockname())
server, _ = listener.accept()
tcpdrop.drop_one(client.getsockname(), client.getpeername())
for end in (client, server):
    try:
        end.recv(1)
    except ConnectionResetError:
        print("reset", end=" ")
try:
    tcpdrop.drop_one(("127.0.0.1", 1), ("127.0.0.1", 2))
except tcpdrop.NotFound:
    print("not found")
"""


def test_ones_own_in_python(nobody):
    assert run(*nobody, sys.executable, "-I", "-c", OWN) == (0, "reset reset not found\n", "")


def test_ones_own_where_no_descriptor_may_be_borrowed(nobody, mine, no_pidfd):
    """seccomp(2) forbids pidfd_getfd(2), as in many containers: one's own needs it not, others' do."""
    assert run(*nobody, *no_pidfd, sys.executable, "-I", "-c", OWN) == (0, "reset reset not found\n", "")
    pair = mine.pair()
    done = tcpdrop(*words(pair), wrapper=[*nobody, *no_pidfd])
    assert (done.status, "not permitted" in done.err) == (3, True)
    assert pair.alive()
    check = json.loads(tcpdrop("check", "--json", wrapper=[*nobody, *no_pidfd]).out)
    assert (check["ok"], check["seccomp"], check["descriptors"]) == (False, True, {"own": True, "user": False, "others": False})
    assert "a seccomp filter forbids pidfd_getfd(2)" in " ".join(check["problems"])


#: runs its arguments under a filter that answers EPERM to pidfd_getfd(2); its number is the same everywhere
FILTER = """
import ctypes, os, struct, sys
ops = [(0x20, 0, 0, 0), (0x15, 0, 1, 438), (0x06, 0, 0, 0x00050001), (0x06, 0, 0, 0x7fff0000)]
program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *op) for op in ops))
class Fprog(ctypes.Structure):
    _fields_ = [("len", ctypes.c_ushort), ("filter", ctypes.c_void_p)]
libc = ctypes.CDLL(None, use_errno=True)
fprog = Fprog(len(ops), ctypes.addressof(program))
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2, ctypes.byref(fprog), 0, 0) == 0, os.strerror(ctypes.get_errno())
os.execvp(sys.argv[1], sys.argv[1:])
"""


@pytest.fixture
def no_pidfd():
    return needs(sys.executable, "-I", "-c", FILTER)


def test_check_of_an_ordinary_user(nobody, mine):
    found = json.loads(tcpdrop("check", "--json", wrapper=nobody).out)
    assert (found["ok"], found["permitted"], found["descriptors"]) == (False, False, {"own": True, "user": True, "others": False})
    assert found["works"] == ["connections of your own processes, through their descriptors (--mine)"]
    assert found["fails"][0] == "connections of other users"
    assert found["fix"].startswith("sudo /")
    text = tcpdrop("check", wrapper=nobody)
    assert (text.status, text.err) == (3, "")
    assert "\ndescriptors      own yes, your processes' yes, others' no\n" in text.out
    assert f"\nwhat would help  {found['fix']}\n" in text.out


def test_check_behind_hidepid(nobody):
    """Where /proc hides others' processes it says so."""
    script = 'mount -t proc -o hidepid=invisible proc /proc && exec "$@"'
    done = tcpdrop("check", "--json", wrapper=["unshare", "-m", "sh", "-c", script, "sh", *nobody])
    if "proc" in done.err:
        pytest.skip(f"no /proc with hidepid here: {done.err.strip()}")
    found = json.loads(done.out)
    assert found["hidepid"] in ("invisible", "2")
    assert any("hidepid" in problem for problem in found["problems"])


def test_busy(mine, nobody, busy):
    """The kernels of mid-2023: a failure of this connection, with its reason, and nothing else is claimed."""
    pair = mine.pair()
    for form in (words(pair), ["drop", "lport", str(pair.lport)]):
        done = tcpdrop("--json", "--method=descriptor", *form, env=busy)
        (entry,) = json.loads(done.out)["connections"]
        assert (done.status, entry["outcome"], entry["errno"], entry["error"]) == (3, "failed", errno.EBUSY, "busy")
        assert done.err.count("busy") == 1
    assert pair.alive()


def test_users_of_other_connections_are_named(holder, nobody):
    """By the descriptor alone: who holds it cannot be seen."""
    pair = holder.pair()
    done = tcpdrop("--method=descriptor", *words(pair), wrapper=nobody)
    assert done.status == 3
    assert done.err.startswith(f"{line(pair)}: not permitted (the process that holds it cannot be inspected; needs ")
    assert pair.alive()


def test_method_is_checked_before_anything(nobody):
    done = tcpdrop("--method=ss", "127.0.0.1", "1", "127.0.0.1", "2", wrapper=nobody)
    assert (done.status, done.err) == (2, "tcpdrop: a method is one of auto, destroy, descriptor, not 'ss'\n")


def test_everything_names_the_right_that_is_missing(holder, nobody):
    """Not 'no process holds it' of sockets that may not be looked at."""
    pair = holder.pair()
    done = tcpdrop("drop", "--no-syslog", "--all", "--yes", wrapper=nobody)
    assert done.status == 3, done
    assert "CAP_NET_ADMIN" in done.err and "no process holds it" not in done.err
    assert pair.alive()


# ---- what may be the operator's way in, and may not be dropped anyway


MISSING = "tcpdrop: not permitted (destroy: EPERM; needs CAP_NET_ADMIN"


@pytest.mark.parametrize("words", [["lport {}"], ["--all", "--yes"]], ids=["a service", "everything"])
def test_root_s_service_is_refused_for_the_right_that_is_missing(other_namespace, nobody, words):
    """Not for a login that it is not: what no process is seen to hold only the kernel could drop."""
    h, _ = other_namespace
    service = Service(h, 3)
    inside = ("nsenter", f"--net=/proc/{h.pid}/ns/net", *nobody)
    chosen = [word.format(service.port) for word in words]
    done = tcpdrop("drop", *chosen, wrapper=inside)
    assert (done.status, done.out) == (3, "")
    assert done.err.startswith(MISSING)
    assert len(done.err.splitlines()) == 1
    dry = tcpdrop("drop", "-n", *chosen, wrapper=inside)
    assert (dry.status, dry.out.count(": would drop")) == (3, 3 if len(words) == 1 else 6)
    assert dry.err.count(f"tcpdrop: the real run would be refused: {MISSING.removeprefix('tcpdrop: ')}") == 1
    assert service.alive() == 3


def test_what_one_s_own_listener_accepted_is_protected_even_so(other_namespace, nobody):
    """A process of one's own holds it that was not started from here, and its descriptor would do."""
    inside = ("nsenter", f"--net=/proc/{other_namespace[0].pid}/ns/net", *nobody)
    with Holder(wrapper=(*inside, "setsid", "--fork")) as apart:
        service = Service(apart, 1)
        done = tcpdrop("drop", f"lport {service.port}", wrapper=inside)
        assert (done.status, done.out) == (4, "")
        assert "what other listeners accepted is protected (--include-self" in done.err
        assert ": protected (accepted by pid" in done.err
        assert service.alive() == 1
