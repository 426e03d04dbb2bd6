# SPDX-License-Identifier: BSD-2-Clause
"""A holder that is not where one looks first: another thread's table, an io_uring, a message, the gap of a fork.

That nobody holds a socket is never concluded from not having seen who does.
"""

import contextlib
import subprocess
import sys

import pytest
from support.command import COMMAND, NOBODY, needs, run

import tcpdrop
from tcpdrop import Filter
from tcpdrop.system import holders

pytestmark = [pytest.mark.privileged, pytest.mark.only_on("linux", reason="holders by /proc/PID/fd")]

BEGIN = """
import array, ctypes, os, socket, sys, threading, time
libc = ctypes.CDLL(None, use_errno=True)
server = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(server.getsockname())
def say():
    print(server.getsockname()[1], flush=True)
"""

#: how the server's end is held: a name -> Python that accepts it, says so and waits for its end of input
WAYS = {
    "a thread's own table": """
def own():
    assert libc.unshare(0x400) == 0  # CLONE_FILES
    accepted = server.accept()[0]
    say()
    sys.stdin.read()
threading.Thread(target=own).start()
""",
    "a process whose first thread has ended": """
def outlive():
    time.sleep(0.3)
    accepted = server.accept()[0]
    say()
    sys.stdin.buffer.raw.read(1)
    os._exit(0)
threading.Thread(target=outlive).start()
libc.syscall(60, 0)  # exit(2) of this thread alone
""",
}

IO_URING = """
accepted = server.accept()[0]
parameters = ctypes.create_string_buffer(120)
ring = libc.syscall(425, 4, parameters)  # io_uring_setup
if ring < 0:
    print("no io_uring here", flush=True)
    sys.exit()
one = (ctypes.c_int * 1)(accepted.fileno())
assert libc.syscall(427, ring, 2, one, 1) == 0  # io_uring_register, IORING_REGISTER_FILES
os.close(accepted.detach())
"""

WAYS["an io_uring"] = f"""{IO_URING}
say()
sys.stdin.read()
"""

#: nobody's table has it
UNSEEN = {
    "an io_uring without a descriptor": f"""{IO_URING}
libc.mmap.restype = ctypes.c_void_p
assert libc.mmap(None, ctypes.c_size_t(4096), 3, 1, ring, ctypes.c_long(0)) != ctypes.c_void_p(-1).value  # the mapping keeps it
os.close(ring)
say()
sys.stdin.read()
""",
    "a message": """
accepted = server.accept()[0]
here, there = socket.socketpair()
here.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [accepted.fileno()]))])
os.close(accepted.detach())
say()
sys.stdin.read()
""",
}


class Held:
    def __init__(self, code, wrapper=()):
        self.process = subprocess.Popen(
            [*wrapper, sys.executable, "-c", BEGIN + code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd="/"
        )
        said = self.process.stdout.readline()
        if "no " in said:
            self.__exit__()
            pytest.skip(said.strip())
        self.port, *threads = map(int, said.split())
        self.pid, self.thread = self.process.pid, next(iter(threads), None)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def alive(self):
        return len(tcpdrop.connections(f"state established and lport {self.port}")) == 1


#: the directory of a process whose first thread has ended is root's, also for its own user
ROOTS = "a process whose first thread has ended"


@pytest.fixture(params=[pytest.param(way, marks=pytest.mark.real_root) if way == ROOTS else way for way in WAYS])
def elsewhere(request):
    with Held(WAYS[request.param]) as held:
        yield held


@pytest.fixture(params=UNSEEN)
def unseen(request):
    with Held(UNSEEN[request.param]) as held:
        yield held


def comm_of(pid):
    with open(f"/proc/{pid}/comm", encoding="utf-8") as file:
        return file.read().strip()


def test_every_thread_with_a_table_of_its_own_is_looked_at(elsewhere):
    (found,) = tcpdrop.connections(f"pid {elsewhere.pid} and lport {elsewhere.port}", owners=True)
    assert found.pids == (elsewhere.pid,)
    name = comm_of(elsewhere.pid)
    assert len(tcpdrop.connections(f"comm {name} and lport {elsewhere.port}")) == 1
    missed = tcpdrop.connections(f"not comm {name} and lport {elsewhere.port}")
    assert (len(missed), missed.undecidable) == (0, 0)
    report = tcpdrop.drop(f"lport {elsewhere.port}", protect=f"pid {elsewhere.pid}")
    assert report.counts == {"protected": 1} and elsewhere.alive()


#: gives up the capability by which NOBODY reads the interpreter
HELPLESS = """
import ctypes
assert ctypes.CDLL(None).capset(ctypes.byref((ctypes.c_uint32 * 2)(0x20080522, 0)), ctypes.byref((ctypes.c_uint32 * 6)())) == 0
"""


@pytest.mark.real_root
@pytest.mark.parametrize("way", WAYS)
def test_an_ordinary_user_finds_his_own(way):
    """The directory of a first thread that has ended is root's, those of the others are his."""
    with Held(HELPLESS + WAYS[way], needs(*NOBODY)) as held:
        look = f"found = tcpdrop.connections('pid {held.pid} and lport {held.port}', owners=True)"
        lines = ["import tcpdrop", look, HELPLESS, look, "print(found[0].pids)"]  # the first look loads what it needs
        done = run(*NOBODY, sys.executable, "-c", "\n".join(lines))
        assert (done.status, done.out) == (0, f"({held.pid},)\n"), done


@pytest.mark.parametrize("text", ["kernel", "not kernel", "comm {name}", "not comm {name}", "comm *", "not pid {pid}", "not mine"])
def test_nobody_seen_is_unknown_in_a_selection(unseen, text):
    found = tcpdrop.connections(f"lport {unseen.port} and " + text.format(pid=unseen.pid, name=comm_of(unseen.pid)))
    assert (len(found), found.undecidable) == (0, 1)


@pytest.mark.real_root
def test_nobody_seen_is_denied_only_what_no_process_is(unseen):
    for text, number in (("comm nosuch", 0), ("not comm nosuch", 1), ("not user 4242", 1), (f"not pid {2**22 - 1}", 1)):
        found = tcpdrop.connections(f"lport {unseen.port} and {text}")
        assert (len(found), found.undecidable) == (number, 0), text


@pytest.mark.parametrize("rule", ["kernel", "comm {name}", "pid {pid}", "mine", "not comm nginx"])
def test_nobody_seen_protects_in_a_rule(unseen, rule):
    rule = rule.format(pid=unseen.pid, name=comm_of(unseen.pid))
    report = tcpdrop.drop(f"lport {unseen.port}", protect=rule)
    assert report.counts == {"protected": 1} and unseen.alive()
    done = run(COMMAND, "--no-syslog", "drop", f"lport {unseen.port}", "--protect", rule)
    assert done.status == 4 and "protected (by --protect" in done.err and unseen.alive()


def test_everything_spares_it(unseen):
    report = tcpdrop.drop(all=True, dry_run=True)
    fates = {result.connection.local.port: result.outcome for result in report if result.connection.remote.port != unseen.port}
    assert fates[unseen.port] == "protected"


def test_what_is_named_by_its_ends_is_dropped(unseen):
    assert tcpdrop.drop(f"lport {unseen.port}").counts == {"dropped": 1}


def test_a_socket_that_moved_between_two_reads_is_looked_for_again(monkeypatch, holder):
    """As sshd and PostgreSQL do: accepted by one process, which is read before; held by its child, which was not there yet."""
    pair = holder.pair()
    inode = tcpdrop.connections(f"lport {pair.lport}")[0].inode
    looks = []
    real = holders.procfs.all_pids

    def late():
        looks.append(1)
        return [pid for pid in real() if pid != holder.pid or len(looks) > 1]

    monkeypatch.setattr(holders.procfs, "all_pids", late)
    assert holders.scan([inode]).of(inode).pids == (holder.pid,)
    assert len(looks) == 2
    looks.clear()
    report = tcpdrop.drop(f"lport {pair.lport}", protect=f"comm {comm_of(holder.pid)}")
    assert report.counts == {"protected": 1} and pair.alive()


def test_a_second_look_is_taken_only_where_it_can_decide(monkeypatch, holder):
    pair = holder.pair()
    inode = tcpdrop.connections(f"lport {pair.lport}")[0].inode
    looks = []
    real = holders.procfs.all_pids
    monkeypatch.setattr(holders.procfs, "all_pids", lambda: looks.append(1) or real())
    assert holders.scan([inode]).of(inode) is not None
    assert len(looks) == 1


# ---- names that the kernel cuts


@pytest.mark.parametrize(
    ("pattern", "name", "answer"),
    [
        ("*playbook", "ansible-playboo", None),
        ("ansible-play*k", "ansible-playboo", None),
        ("ansible-play*", "ansible-playboo", True),
        ("*playbook", "ansible-play", False),
        ("*-console", "ansible-playboo", None),
        ("sshd*", "ansible-playboo", False),
        ("ansible-playboo[kx]", "ansible-playboo", None),
        ("ansible-pl*????", "ansible-playboo", True),
        ("*ans*e-p[l]*k?", "ansible-playboo", None),
        ("ansible-playboo", "ansible-playboo", True),
        ("[!a]*", "ansible-playboo", False),
        ("*名前", b"aaaaaaaaaaaaa\xe5\x90".decode("utf-8", "surrogateescape"), None),
    ],
)
def test_a_name_that_may_be_cut_is_not_denied(pattern, name, answer):
    from tcpdrop.filters import Facts
    from tcpdrop.model.rows import ROW_UID

    found = holders.Owners({7: [5]}, {5}, (), hidden=False, everyone=True)
    found.processes.remember(5, name)
    row = (bytes(16), bytes(16), 1, 7, 0, 0, 1, 2, 4, 1, 0, 0, 0, 1, 0, 0, 0, ROW_UID)
    assert Filter.process(pattern).test(row, None, Facts(owners=found)) is answer


def test_another_holder_does_not_hide_the_one_with_the_io_uring():
    """The parent has a descriptor, its child only the registration."""
    code = """
accepted = server.accept()[0]
came, goes = os.pipe()
child = os.fork()
if child == 0:
    libc.prctl(15, b"ring-holder", 0, 0, 0)
    ring = libc.syscall(425, 4, ctypes.create_string_buffer(120))
    one = (ctypes.c_int * 1)(accepted.fileno())
    registered = ring >= 0 and libc.syscall(427, ring, 2, one, 1) == 0
    os.close(accepted.detach())
    os.write(goes, b"1" if registered else b"0")
    sys.stdin.read()
    os._exit(0)
if os.read(came, 1) == b"0":
    print("no io_uring here", flush=True)
    sys.exit()
say()
sys.stdin.read()
"""
    with Held(code) as held:
        assert len(tcpdrop.connections(f"not comm ring-holder and lport {held.port}")) == 0
        report = tcpdrop.drop(f"lport {held.port}", protect="comm ring-holder")
        assert report.counts == {"protected": 1} and held.alive()


def test_a_thread_s_number_stands_for_its_process():
    """As top and htop show it: /proc has a directory for it, and does not list that."""
    with Held("""
def hold():
    accepted = server.accept()[0]
    print(server.getsockname()[1], threading.get_native_id(), flush=True)
    sys.stdin.read()
threading.Thread(target=hold).start()
""") as held:
        thread = held.thread
        assert thread != held.pid
        assert len(tcpdrop.connections(f"pid {thread} and lport {held.port}")) == 1
        assert len(tcpdrop.connections(f"not pid {thread} and lport {held.port}")) == 0
        report = tcpdrop.drop(f"lport {held.port}", protect=f"pid {thread}")
        assert report.counts == {"protected": 1} and held.alive()
        other = tcpdrop.connections(f"not pid {thread} and lport {held.port}")
        assert (len(other), other.undecidable) == (0, 0)


def test_a_process_that_proc_does_not_show_has_not_ended(holder):
    """hidepid=2 answers for it as for one that is gone; kill(2) tells them apart."""
    pair = holder.pair()
    hidden = ("unshare", "--mount", "sh", "-c", 'mount -t proc -o hidepid=2 proc /proc && exec "$@"', "sh", *NOBODY)
    needs(*hidden)
    list_of = ("list", "-c", f"lport {pair.lport}")
    done = run(*hidden, COMMAND, *list_of, "and", "pid", str(holder.pid))
    assert (done.status, done.out) == (3, "0\n") and "1 more could not be decided" in done.err
    done = run(*hidden, COMMAND, *list_of, "and", "pid", "4194303")
    assert (done.status, done.out) == (1, "0\n") and "there is no process 4194303" in done.err
    for pid, said in ((holder.pid, "/proc does not show that one"), (4194303, "there is no such process")):
        assert said in run(*hidden, COMMAND, *list_of, "--netns", str(pid)).err
    done = run(*hidden, COMMAND, *list_of, "--netns", "all")
    assert (done.status, done.out) == (0, "1\n") and "/proc does not show all processes (hidepid)" in done.err
    assert pair.alive()
