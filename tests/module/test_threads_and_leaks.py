# SPDX-License-Identifier: BSD-2-Clause
"""_tcpdrop under load: threads, nothing left behind, sub-interpreters."""

import sys
import threading

import pytest

from tcpdrop import _tcpdrop

PYPY = sys.implementation.name == "pypy"
by_resident_memory = pytest.mark.skipif(PYPY, reason="PyPy compiles as it goes, and frees when it likes: its memory is never flat")


@pytest.mark.privileged
def test_eight_threads_list_look_up_and_abort(holder):
    pairs = [holder.pair("inet6" if i % 2 else "inet") for i in range(80)]
    spared = [holder.pair() for _ in range(4)]
    outcomes, faults = [], []
    start = threading.Barrier(8)

    def work(me):
        try:
            start.wait()
            for i, pair in enumerate(pairs):  # all eight at each: one wins, the others are told so
                if i % 8 == me:
                    _tcpdrop.list_connections(0xFFE, threads=1 + me % 3)
                try:
                    _tcpdrop.abort(*pair.tuple)
                    outcomes.append(pair)
                except FileNotFoundError:
                    pass
        except BaseException as e:
            faults.append(e)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    # Nothing is dropped twice; two at the same moment may both have found it alive.
    assert set(outcomes) == set(pairs)
    assert all(pair.state() is None for pair in pairs)
    assert all(pair.alive() for pair in spared)


LEAKS = """
import os, resource, socket, struct, sys
from tcpdrop import _tcpdrop
s = socket.create_server(("127.0.0.1", 0))
c = socket.create_connection(s.getsockname())
a, _ = s.accept()
L, R = c.getsockname(), c.getpeername()
tup = (socket.inet_aton(L[0]), L[1], socket.inet_aton(R[0]), R[1])
gone = tup[:3] + (1,)
table = _tcpdrop.list_connections(2)
LISTEN = 1 << 10
null = open("/dev/null")
kept = _tcpdrop.converse()
pipe = os.pipe()
own = open("/proc/self/ns/net") if os.path.exists("/proc/self/ns/net") else null
linux = _tcpdrop.BACKEND == "linux"
calls = [
    (1, lambda: _tcpdrop.lookup(*tup)),
    (1, lambda: _tcpdrop.lookup(*gone)),
    (1, lambda: _tcpdrop.lookup(b"", 1, b"", 1)),
    (1, lambda: _tcpdrop.lookup("", 1, b"", 1)),
    (1, lambda: _tcpdrop.lookup_each([tup, gone], bytes(4))),
    (1, lambda: _tcpdrop.lookup_each([tup, gone[:3]], bytes(4))),
    (1, lambda: _tcpdrop.lookup_each([tup, (b"", 1, b"", 1)], bytes(4))),
    (1, lambda: _tcpdrop.lookup_each([tup], bytes(3))),
    (1, lambda: _tcpdrop.lookup_each(None, bytes(4))),
    (1, lambda: _tcpdrop.abort(*gone)),
    (1, lambda: _tcpdrop.abort(*tup, cookie=1)),
    (1, lambda: _tcpdrop.abort(*tup, cookie=2**64 - 1)),
    (1, lambda: _tcpdrop.abort(*tup, cookie="")),
    (1, lambda: _tcpdrop.probe()),
    (1, lambda: _tcpdrop.interfaces()),
    (1, lambda: _tcpdrop.list_connections(LISTEN)),  # cheap: the kernel's small table
    (1, lambda: _tcpdrop.list_connections(LISTEN, details=1)),
    (20, lambda: _tcpdrop.list_connections(0xffe)),
    (20, lambda: _tcpdrop.list_connections(0xffe, details=2)),
    (1, lambda: _tcpdrop.list_connections(-1)),
    (1, lambda: list(table)),
    (1, lambda: table[99999]),
    (1, lambda: table.tobytes()),
    (1, lambda: _tcpdrop.abort_rows(table, struct.pack("=I", 99999))),
    (1, lambda: _tcpdrop.abort_rows(table, b"")),
    (1, lambda: _tcpdrop.abort_rows(table, b"1")),
    (1, lambda: _tcpdrop.Table()),
    (1, lambda: _tcpdrop.lookup_each([tup, gone], bytes(4))),
    (1, lambda: _tcpdrop.lookup_each([tup, ()], bytes(4))),
    (1, lambda: _tcpdrop.lookup_each([tup], b"1")),
    (1, lambda: _tcpdrop.converse()),
    (1, lambda: _tcpdrop.converse("")),
    (1, lambda: _tcpdrop.end(None)),
    (1, lambda: _tcpdrop.lookup_each([tup, gone], bytes(4), scope=_tcpdrop.converse())),
    (1, lambda: _tcpdrop.lookup_each([tup, gone], bytes(4), scope=kept)),
    (1, lambda: _tcpdrop.abort(*gone, scope=kept)),
    (1, lambda: _tcpdrop.is_absent("/nonexistent")),
    (1, lambda: _tcpdrop.is_absent("\\0")),
    (1, lambda: _tcpdrop.classic_lines(table[0], b" x")),
    (1, lambda: _tcpdrop.classic_lines(b"1")),
]
if linux:
    calls += [
        (1, lambda: _tcpdrop.abort_descriptor(c.fileno(), *gone)),
        (1, lambda: _tcpdrop.abort_descriptor(null.fileno(), *tup)),
        (1, lambda: _tcpdrop.list_connections(2, b"\\xff\\4\\0\\0")),
        (1, lambda: _tcpdrop.list_connections(2, b"1")),
        (20, lambda: _tcpdrop.list_connections(0xffe, threads=3)),
        (5, lambda: _tcpdrop.list_connections(LISTEN, threads=3)),
        (5, lambda: _tcpdrop.list_connections(2, scope=null.fileno(), threads=3)),
        (5, lambda: _tcpdrop.lookup(*tup, scope=null.fileno())),
        (5, lambda: _tcpdrop.lookup(*tup, scope=own.fileno())),
        (5, lambda: _tcpdrop.interfaces(null.fileno())),
        (5, lambda: _tcpdrop.interfaces(own.fileno())),
        (1, lambda: _tcpdrop.ifindices()),
        (5, lambda: _tcpdrop.ifindices(null.fileno())),
        (5, lambda: _tcpdrop.lookup_each([tup], bytes(4), scope=null.fileno())),
        (5, lambda: _tcpdrop.ifindices(null.fileno())),
        (1, lambda: _tcpdrop.ifindices()),
        (1, lambda: _tcpdrop.mptcp_sockets()),
        (5, lambda: _tcpdrop.mptcp_sockets(own.fileno())),
        (1, lambda: _tcpdrop.unix_sockets()),
        (5, lambda: _tcpdrop.unix_sockets(null.fileno())),
        (1, lambda: _tcpdrop.pipe_is_cut(os.getpid(), pipe[0], os.fstat(pipe[0]).st_ino)),
        (1, lambda: _tcpdrop.pipe_is_cut(os.getpid(), null.fileno(), 1)),
        (1, lambda: _tcpdrop.pipe_is_cut(-1, 0, 1)),
        (1, lambda: _tcpdrop.is_fifo(f"/proc/self/fd/{pipe[0]}")),
        (1, lambda: _tcpdrop.is_fifo("/nonexistent")),
        (1, lambda: _tcpdrop.routes(table[0])),
        (1, lambda: _tcpdrop.routes(b"1")),
        (5, lambda: _tcpdrop.routes(table[0], null.fileno())),
        (1, lambda: _tcpdrop.links(struct.pack("2I", 1, 999))),
        (1, lambda: _tcpdrop.links(b"1")),
        (1, lambda: _tcpdrop.rules()),
        (5, lambda: _tcpdrop.rules(null.fileno())),
        (1, lambda: _tcpdrop.process(os.getpid(), b"PATH")),
        (1, lambda: _tcpdrop.process(-1, b"PATH")),
        (1, lambda: _tcpdrop.process(1, b"")),
        (1, lambda: _tcpdrop.thread_tables(os.getpid())),
        (1, lambda: _tcpdrop.thread_tables(-1)),
        (1, lambda: _tcpdrop.socket_of(os.getpid(), c.fileno())),
        (1, lambda: _tcpdrop.socket_of(os.getpid(), null.fileno())),
        (1, lambda: _tcpdrop.socket_of(-1, 0)),
        (1, lambda: _tcpdrop.abort_held(os.getpid(), c.fileno(), *tup, cookie=1, inode=1)),
        (1, lambda: _tcpdrop.abort_held(os.getpid(), c.fileno(), *tup, cookie=0, inode=0)),
        (1, lambda: _tcpdrop.abort_held(os.getpid(), 9999, *tup, cookie=1, inode=1)),
        (5, lambda: _tcpdrop.abort(*gone, scope=-1)),
        (5, lambda: _tcpdrop.probe(-1)),
    ]

def resident():
    with open("/proc/self/statm") as f:
        return int(f.read().split()[1]) * resource.getpagesize() if os.path.exists("/proc/self/statm") else 0

def descriptors():
    return sorted(os.listdir("/proc/self/fd"))

def many(call, n):
    for _ in range(n):
        try:
            call()
        except (OSError, ValueError, TypeError, IndexError, OverflowError):
            pass

for share, call in calls:
    many(call, 300 // share)
_tcpdrop.end(kept)
before = resident(), descriptors()
for number, (share, call) in enumerate(calls):
    at = resident()
    many(call, int(sys.argv[1]) // share)
    grown = resident() - at
    assert grown < 300_000, f"call {number} left {grown} bytes behind"
_tcpdrop.end(kept)
assert descriptors() == before[1], (descriptors(), before[1])
if linux:
    assert os.listdir("/proc/self/task") == [str(os.getpid())]
assert resident() - before[0] < 1_000_000, resident() - before[0]
c.sendall(b"x")
assert a.recv(1) == b"x"
"""


@by_resident_memory
def test_nothing_is_left_behind(run):
    """Thousands of calls of each kind, on success and on each error: memory and descriptors stay flat."""
    run(LEAKS, 10_000 if _tcpdrop.BACKEND == "linux" else 400)  # elsewhere each look is a walk


@pytest.mark.privileged
@pytest.mark.only_on("linux", reason="the simulator remembers who made every socket, and so grows")
@by_resident_memory
def test_aborts_leave_nothing_behind(run):
    run("""
import os, socket
from tcpdrop import _tcpdrop
s = socket.create_server(("127.0.0.1", 0), backlog=64)
def once():
    c = socket.create_connection(s.getsockname())
    a, _ = s.accept()
    L, R = c.getsockname(), c.getpeername()
    with a, c:
        _tcpdrop.abort(socket.inet_aton(L[0]), L[1], socket.inet_aton(R[0]), R[1])
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096
for _ in range(500):
    once()
before, fds = resident(), os.listdir("/proc/self/fd")
for _ in range(2000):
    once()
assert resident() - before < 300_000, resident() - before
assert len(os.listdir("/proc/self/fd")) == len(fds)
""")


@pytest.mark.skipif(PYPY, reason="PyPy has no sub-interpreters")
def test_in_a_subinterpreter(run):
    """Also in one with a lock of its own, where this Python has them."""
    run("""
code = '''
from tcpdrop import _tcpdrop
_tcpdrop.list_connections(0xffe).tobytes()
try:
    _tcpdrop.lookup(b"\\\\x7f\\\\0\\\\0\\\\1", 1, b"\\\\x7f\\\\0\\\\0\\\\1", 2)
except OSError as e:
    assert e.step
'''
try:
    import _interpreters as api
except ImportError:
    import _xxsubinterpreters as api
from tcpdrop import _tcpdrop
def kinds():
    if hasattr(api, "new_config"):
        return [lambda: api.create("isolated"), lambda: api.create("legacy")]
    return [lambda: api.create(isolated=True), lambda: api.create(isolated=False)]
for create in kinds():
    for _ in range(3):
        there = create()
        failure = (api.exec if hasattr(api, "exec") else api.run_string)(there, code)
        assert failure is None, failure
        api.destroy(there)
_tcpdrop.list_connections(0xffe).tobytes()
""")
