# SPDX-License-Identifier: BSD-2-Clause
"""What may happen between finding a holder and using its descriptor: the right victim or `gone`, never another socket."""

import errno
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support import procnet
from support.holder import Holder, fresh_ports
from support.wait import until

import tcpdrop
from tcpdrop import _tcpdrop
from tcpdrop.engine import descriptor
from tcpdrop.engine.methods import DISCONNECTED
from tcpdrop.model.rows import COOKIE, INODE, ROW
from tcpdrop.system import platform, procfs

pytestmark = [pytest.mark.privileged, pytest.mark.only_on("linux", reason="descriptors")]

#: these refuse to disconnect it; of 5.10 the later ones, as Debian 11 has
REFUSE_WHERE_A_THREAD_WAITS = ((5, 10), (6, 4), (6, 5))
CHURN = Path(__file__).parents[1] / "support" / "descriptors_main.py"


def row_of(pair):
    return ROW.unpack(_tcpdrop.lookup(*pair.tuple))


@pytest.fixture
def between(monkeypatch):
    """between(pid, what): do it once, after the descriptors of that process were read and before one is used."""
    real = procfs.socket_inodes

    def arrange(pid, what):
        once = [what]

        def read(asked):
            held = real(asked)
            if asked == pid and once:
                once.pop()()
            return held

        monkeypatch.setattr(procfs, "socket_inodes", read)

    return arrange


def drop(row):
    """What the program sees of its drop, or the error."""
    ((_, answer),) = descriptor.drop([row], None)
    return answer if isinstance(answer, tcpdrop.Error) else DISCONNECTED[answer][1]


def gone(answer):
    """Not there, or closed in good order and left to the kernel, where no descriptor leads to it."""
    return isinstance(answer, tcpdrop.NotFound) or (isinstance(answer, tcpdrop.NotSupported) and "no process holds it" in answer.hint)


def fd_of(row, pid):
    return procfs.socket_inodes(pid)[row[INODE]]


def test_without_any_of_that(holder):
    pair = holder.pair()
    assert drop(row_of(pair)) == "ECONNRESET"
    assert pair.sock.errno("recv", 1) == pair.peer.errno("recv", 1) == errno.ECONNRESET


def test_the_number_means_another_connection_by_then(holder, between):
    pair = holder.pair()
    row, fd, made = row_of(pair), fd_of(row_of(pair), holder.pid), []

    def reuse():
        pair.close()
        made.extend(holder.pair() for _ in range(3))

    between(holder.pid, reuse)
    assert gone(drop(row))
    assert fd in {fd_of(row_of(other), holder.pid) for other in made}
    assert all(other.alive() for other in made)


def test_the_socket_has_another_number_by_then(holder, between):
    """It is looked for again, and found."""
    pair, made = holder.pair(), []
    row = row_of(pair)
    fd = fd_of(row, holder.pid)

    def move():
        kept = pair.sock.call("dup")
        pair.sock.close()
        pair.sock = kept
        made.append(holder.pair())

    between(holder.pid, move)
    assert drop(row) == "ECONNRESET"
    assert fd_of(row, holder.pid) != fd
    assert pair.peer.errno("recv", 1) == errno.ECONNRESET
    assert made[0].alive()


def test_the_same_ends_are_another_connection_by_then(holder, between):
    """Closed and made anew with the very same four-tuple: the cookie tells."""
    ports = fresh_ports()
    pair, made = holder.pair(**ports), []
    row = row_of(pair)

    def again():
        _tcpdrop.abort(*pair.tuple)
        pair.close()
        made.append(holder.pair(**ports))

    between(holder.pid, again)
    assert gone(drop(row))
    assert made[0].tuple == pair.tuple
    assert made[0].alive()


def test_the_number_means_a_file_by_then(holder, between):
    pair = holder.pair()
    row = row_of(pair)
    held = {row[INODE]: 0}  # a pipe
    between(holder.pid, pair.close)
    with pytest.raises(OSError) as caught:
        descriptor._abort(holder.pid, held[row[INODE]], row, None, dry_run=False)
    assert caught.value.errno == errno.ENOENT


def test_it_listens_by_then(holder):
    """Disconnected and made a listener, the socket keeps its cookie: it is never touched."""
    pair = holder.pair()
    row, fd = row_of(pair), fd_of(row_of(pair), holder.pid)
    assert drop(row) == "ECONNRESET"
    pair.sock.call("listen", 5)
    port = pair.sock.name()[1]
    with pytest.raises(OSError) as caught:
        descriptor._abort(holder.pid, fd, row, None, dry_run=False)
    assert caught.value.errno == errno.ENOENT
    assert len(procnet.listeners(port)) == 1
    client = holder.socket()
    client.call("connect", ("127.0.0.1", port))
    client.close()


def test_the_process_ends_by_then(between):
    with Holder() as h, Holder() as other:
        bystander, pair = other.pair(), h.pair()
        row = row_of(pair)
        between(h.pid, h.stop)
        assert gone(drop(row))
        assert bystander.alive()


#: holds one connection, closed by exec, and becomes another program when told to
EXEC = """
import os, socket, sys
client = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
print(client.getsockname()[1], flush=True)
sys.stdin.readline()
os.execvp("sleep", ["sleep", "60"])
"""


def test_the_process_is_another_program_by_then(holder, between):
    listener = holder.listener()
    port = listener.name()[1]
    with subprocess.Popen([sys.executable, "-I", "-c", EXEC, str(port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as held:
        client = int(held.stdout.readline())
        server = listener.accept()
        ends = (b"\x7f\0\0\1", client, b"\x7f\0\0\1", port)
        row = ROW.unpack(_tcpdrop.lookup(*ends))

        def become():
            held.stdin.write("\n")
            held.stdin.flush()
            until(lambda: Path(f"/proc/{held.pid}/comm").read_text(encoding="ascii") == "sleep\n")
            # On a busy host its end may not be answered yet: then it is there, held by nobody, and no right to it is the answer.
            until(lambda: procnet.state(ends) != "FIN_WAIT1")

        between(held.pid, become)
        assert gone(drop(row))
        assert server.call("recv", 1) == b""  # closed by the exec, in its own good order
        held.terminate()
    listener.close()


#: a connection that parent and child hold; each says what its next two reads gave
SHARED = """
import errno, os, socket, sys
client = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
child = os.fork()
if child:
    print(os.getpid(), child, client.getsockname()[1], flush=True)
reads = []
for _ in range(2):
    try:
        reads.append("data" if client.recv(1) else "end")
    except OSError as e:
        reads.append(errno.errorcode[e.errno])
print(*reads, flush=True)
if child:
    os.waitpid(child, 0)
"""


@pytest.mark.skipif(platform.release() in REFUSE_WHERE_A_THREAD_WAITS, reason="refused while one of them waits in it: see below")
def test_a_socket_that_several_processes_hold(holder):
    listener = holder.listener()
    with subprocess.Popen([sys.executable, "-I", "-c", SHARED, str(listener.name()[1])], stdout=subprocess.PIPE, text=True) as held:
        parent, child, port = map(int, held.stdout.readline().split())
        server = listener.accept()
        row = ROW.unpack(_tcpdrop.lookup(b"\x7f\0\0\1", port, b"\x7f\0\0\1", listener.name()[1]))
        assert row[INODE] in procfs.socket_inodes(parent).keys() & procfs.socket_inodes(child).keys()
        assert drop(row) == "ECONNRESET"
        lines = held.stdout.read().splitlines()
        assert len(lines) == 2
        assert not any(word in line for line in lines for word in ("data", "end"))
        assert server.errno("recv", 1) == errno.ECONNRESET
    listener.close()


@pytest.mark.parametrize("call", [("recv", 10), ("sendall", b"x" * 8_000_000)], ids=lambda call: call[0])
def test_a_thread_waits_in_it(holder, call):
    pair = holder.pair()
    job = pair.sock.start(*call).asleep()
    row = row_of(pair)
    answer = drop(row)
    if platform.release() in REFUSE_WHERE_A_THREAD_WAITS:
        assert (answer.message, answer.errno) == ("busy", errno.EBUSY)
        assert row_of(pair)[COOKIE] == row[COOKIE]
        pair.peer.close()  # the thread need not wait any more
    else:
        assert answer == "ECONNRESET"
        assert job.errno() in (errno.EPIPE, errno.ECONNRESET)


def test_a_socket_that_is_given_twice_is_dropped_once(holder):
    pair = holder.pair()
    (connection,) = tcpdrop.connections(f"lport {pair.lport} rport {pair.rport}")
    report = tcpdrop.drop([connection, connection], method="descriptor")
    assert report.counts == {"dropped": 1, "gone": 1}
    assert pair.sock.errno("recv", 1) == errno.ECONNRESET


def test_what_cannot_be_looked_up_is_not_gone(holder, monkeypatch):
    """Out of descriptors, say: the connection lives, and nobody is told that it went."""
    pair = holder.pair()
    (connection,) = tcpdrop.connections(f"lport {pair.lport} rport {pair.rport}")
    row = (*connection._row[:INODE], 0, *connection._row[INODE + 1 :])  # so it must be looked up

    def lookup(*_, **__):
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(_tcpdrop, "lookup", lookup)
    with pytest.raises(tcpdrop.Error, match="Too many open files") as caught:
        list(descriptor.drop([row], None))
    assert caught.value.errno == errno.EMFILE
    assert pair.alive()


def test_what_is_not_exact_is_refused_before_anything(holder):
    pair = holder.pair()
    row = row_of(pair)
    good = {"cookie": row[COOKIE], "inode": row[INODE]}
    fd = fd_of(row, holder.pid)
    for wrong in ({"cookie": 0}, {"inode": 0}, {"cookie": (1 << 64) - 1}):
        with pytest.raises(ValueError, match="refused"):
            _tcpdrop.abort_held(holder.pid, fd, *pair.tuple, **{**good, **wrong})
    with pytest.raises(ValueError, match="refused"):
        _tcpdrop.abort_held(holder.pid, fd, *pair.tuple)
    for tup in ((pair.laddr, 0, pair.raddr, 1), (bytes(4), 1, pair.raddr, 1)):
        with pytest.raises(ValueError, match="wildcard"):
            _tcpdrop.abort_held(holder.pid, fd, *tup, **good)
    for wrong, number in (
        ({"cookie": good["cookie"] + 1}, errno.ENOENT),
        ({}, 0),
    ):
        if number:
            with pytest.raises(OSError) as caught:
                _tcpdrop.abort_held(holder.pid, fd, *pair.tuple, **{**good, **wrong})
            assert caught.value.errno == number
    with pytest.raises(OSError) as caught:  # the right socket, other ends
        _tcpdrop.abort_held(holder.pid, fd, pair.laddr, pair.lport, pair.raddr, pair.rport ^ 1, **good)
    assert caught.value.errno == errno.ENOENT
    with pytest.raises(OSError) as caught:
        _tcpdrop.abort_held(holder.pid, 1 << 20, *pair.tuple, **good)
    assert (caught.value.errno, caught.value.step) == (errno.EBADF, "pidfd_getfd")
    assert _tcpdrop.abort_held(holder.pid, fd, *pair.tuple, **good, dry_run=True) == 0
    assert pair.alive()


def test_a_program_that_connects_the_same_socket_again_is_not_called_a_survivor(holder, monkeypatch):
    """connect(2) may follow on the same descriptor: the same cookie, another connection, and no failure of the drop."""
    pair = holder.pair()
    listener = holder.listener()
    real = descriptor.drop

    def and_again(*args, **kwargs):
        yield from real(*args, **kwargs)
        pair.sock.call("connect", listener.name())

    monkeypatch.setattr(descriptor, "drop", and_again)
    report = tcpdrop.drop(f"local 127.0.0.1:{pair.lport} or rport {listener.name()[1]}", method="descriptor")
    assert report.counts == {"dropped": 1}
    server = listener.accept()
    server.call("sendall", b"x")
    assert pair.sock.call("recv", 1) == b"x"
    listener.close()


def test_soak(monkeypatch):
    """Descriptors come, go and change hands all the time; victims die, bystanders never notice (TCPDROP_SLOW=1: 30 s)."""
    seconds = 30 if os.environ.get("TCPDROP_SLOW") == "1" else 2
    argv = [sys.executable, "-I", CHURN, str(seconds + 20)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as churn:
        assert churn.stdout.readline() == "ready\n"
        # Looking through this host's other processes could take longer than these connections live.
        monkeypatch.setattr(descriptor, "_processes", lambda first: [churn.pid])
        dropped, end = 0, time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                report = tcpdrop.drop("local 127.66.0.1 or remote 127.66.0.1", method="descriptor", verify=False)
            except tcpdrop.NotSupported:  # just now the kernel alone has them
                continue
            assert set(report.counts) <= {"dropped", "gone", "not_supported", "failed"}
            assert not [one for one in report.failed if one.error.errno not in (errno.EOPNOTSUPP, errno.EBUSY)]
            dropped += report.counts.get("dropped", 0)
        churn.stdin.close()
        reset, hurt, made = map(int, churn.stdout.read().split())
    assert hurt == 0, f"{hurt} of {made} connections were hit that nobody had selected"
    assert dropped > 2 * seconds
    assert reset > 2
