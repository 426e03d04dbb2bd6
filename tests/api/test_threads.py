# SPDX-License-Identifier: BSD-2-Clause
"""Eight threads that list and drop by the public API, a fork in the middle of them, and what has no lock."""

import subprocess
import sys
import sysconfig
import threading

import pytest

import tcpdrop

pytestmark = pytest.mark.privileged

#: a crowd of its own, so that the child of a fork has it too
STRESS = """
import os, socket, sys, threading, time, traceback
sys.path.insert(0, sys.argv[1])
from support import netns
assert netns.enter() is None
import tcpdrop

server = socket.create_server(("127.0.0.1", 0), backlog=512)
port = server.getsockname()[1]
victims = [(socket.create_connection(("127.0.0.1", port)), server.accept()[0]) for _ in range(160)]
spared = [(socket.create_connection(("127.0.0.1", port)), server.accept()[0]) for _ in range(4)]
ends = [(*one.getsockname(), *one.getpeername()) for one, _ in victims]
faults, outcomes = [], []
start = threading.Barrier(8)

def work(me):
    try:
        start.wait()
        for number, (laddr, lport, raddr, rport) in enumerate(ends):
            if number % 8 == me or number % 10 == 0:
                if number % 4 == 0:
                    len(list(tcpdrop.connections(f"port {port} and not lport 1-{me + 1}")))
                try:
                    tcpdrop.drop_one((laddr, lport), (raddr, rport), include_self=True)
                    outcomes.append(number)
                except tcpdrop.NotFound:
                    pass
            elif number % 8 == (me + 1) % 8 and number % 3 == 0:
                counts = tcpdrop.drop(f"lport {lport} rport {rport}", include_self=True).counts
                outcomes.extend([number] * counts.get("dropped", 0))
    except BaseException:
        faults.append(traceback.format_exc())

def child():
    # Of eight threads one is left here, and it goes on.
    list(tcpdrop.connections(f"lport {port}"))
    tcpdrop.check()
    try:
        tcpdrop.drop_one(("127.0.0.1", 1), ("127.0.0.1", 2), include_self=True)
    except tcpdrop.NotFound:
        os._exit(7)

def load():
    # A fork while another thread imports leaves the child with a lock that nobody opens: CPython's, for any module.
    list(tcpdrop.connections(f"lport {port} and not lport 1-2"))
    tcpdrop.check()
    tcpdrop.drop("lport 1 rport 1", include_self=True)
    tcpdrop.drop("lport %d rport %d" % (ends[0][1], ends[0][3]), include_self=True)
    try:
        tcpdrop.drop_one(("127.0.0.1", 1), ("127.0.0.1", 2), include_self=True)
    except tcpdrop.NotFound:
        outcomes.append(0)

load()
threads = [threading.Thread(target=work, args=(me,)) for me in range(8)]
for thread in threads:
    thread.start()
for _ in range(5):
    pid = os.fork()
    if pid == 0:
        try:
            child()
        except BaseException:
            traceback.print_exc()
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
for thread in threads:
    thread.join()
assert not faults, faults[0]
assert set(outcomes) == set(range(len(ends))), len(set(outcomes))
assert not list(tcpdrop.connections(f"lport {','.join(str(one[1]) for one in ends)} and state established"))
for one, other in spared:
    one.sendall(b"x")
    assert other.recv(1) == b"x"
if hasattr(sys, "_is_gil_enabled"):
    print("with a lock" if sys._is_gil_enabled() else "without a lock")
"""


@pytest.mark.only_on("linux", reason="forks and drops at once; elsewhere each look is a dump")
def test_eight_threads_and_forks():
    """No deadlock, no wrong victim, each dropped once at least, and no lock that the module brings back."""
    import support

    place = next(iter(support.__path__)).rpartition("/")[0]
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-W", "ignore:This process:DeprecationWarning", "-c", STRESS, place],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            cwd="/",
        )
        assert (done.returncode, done.stderr) == (0, ""), done
        if sysconfig.get_config_var("Py_GIL_DISABLED"):
            assert done.stdout == "without a lock\n"


@pytest.mark.only_on("linux", reason="a greenlet waits as any thread does")
def test_gevent():
    """Whatever patches the standard library: a call still blocks, and gives the same."""
    pytest.importorskip("gevent", reason="no gevent here (pip install gevent)")
    code = (
        "from gevent import monkey; monkey.patch_all()\n"
        "import gevent, tcpdrop\n"
        "jobs = [gevent.spawn(lambda: len(list(tcpdrop.connections('state all')))) for _ in range(8)]\n"
        "gevent.joinall(jobs, raise_error=True)\n"
        "assert all(job.value is not None for job in jobs)\n"
        "pool = gevent.get_hub().threadpool\n"
        "assert pool.apply(lambda: bool(tcpdrop.check().works)) is True\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False, cwd="/")
    assert (done.returncode, done.stderr) == (0, "")


def test_one_filter_for_many_threads():
    """What is made on first use is the same for all."""
    chosen = tcpdrop.Filter("lport 1-9 or (rport 5 and not loopback)")
    seen, barrier = [], threading.Barrier(8)

    def use():
        barrier.wait()
        seen.append((hash(chosen), str(chosen), chosen.test))

    threads = [threading.Thread(target=use) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({pair[:2] for pair in seen}) == 1 and len(seen) == 8
