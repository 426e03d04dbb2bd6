# SPDX-License-Identifier: BSD-2-Clause
"""No further thread is to be had (RLIMIT_NPROC, a control group's pids.max): one thread less, and the same result."""

import json
import sys

import pytest
from support.command import COMMAND, NEARLY_NOBODY, line, needs, run, tcpdrop, words
from support.crowd import Crowd

pytestmark = [pytest.mark.privileged, pytest.mark.only_on("linux", reason="its threads")]

#: one process of this user, which is the command itself; a thread counts as one
ALONE = """
import os, resource, sys, threading
resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))
try:
    threading.Thread(target=int).start()
except RuntimeError:
    os.execv(sys.argv[1], sys.argv[1:])
sys.exit("threads are to be had all the same")
"""
#: what the module answers in four threads, told as JSON
IN_FOUR = """
import json, sys
from array import array
from tcpdrop import _tcpdrop
from tcpdrop.model.rows import LPORT, ROW
table = _tcpdrop.list_connections(0xBFE, threads=4)
places = [n for n, row in enumerate(table) if 20000 <= ROW.unpack(row)[LPORT] < 20004]
errors = array("i", _tcpdrop.abort_rows(table, array("I", places).tobytes(), threads=4))
print(json.dumps([len(places), len(errors), errors.count(0)]))
"""


@pytest.fixture
def alone():
    wrapper = (*needs(*NEARLY_NOBODY), sys.executable, "-I", "-c", ALONE)
    done = run(*wrapper, "/bin/true")
    if "all the same" in done.err:
        pytest.skip("no limit of processes binds this user")
    assert done.status == 0, done
    return wrapper


def test_four_threads_of_which_none_starts(alone):
    with Crowd(600) as crowd:
        done = run(*alone, sys.executable, "-c", IN_FOUR)
        assert done.status == 0, done.err
        assert json.loads(done.out) == [600, 600, 600]
        assert crowd.alive() == (0, 0)


def test_a_listing_and_a_drop_that_would_take_two(alone):
    """From ten thousand sockets on the command takes threads."""
    with Crowd(6000) as crowd:
        done = run(*alone, COMMAND, "list", "--count", crowd.servers)
        assert (done.status, done.out, done.err) == (0, "6000\n", "")
        done = run(*alone, COMMAND, "drop", "--yes", "--include-self", "--json", f"port {crowd.port}-{crowd.port + 3}")
        assert done.status == 0, done.err
        assert json.loads(done.out)["summary"]["counts"] == {"dropped": 12000}
        assert crowd.alive() == (0, 0)


@pytest.mark.parametrize("least", [0, 1, 2, 3])
def test_some_of_four_threads_start(no_threads, least):
    with Crowd(600) as crowd:
        done = run(sys.executable, "-c", IN_FOUR, env={**no_threads, "THREADS": str(least)})
        assert done.status == 0, done.err
        assert json.loads(done.out) == [600, 600, 600]
        assert crowd.alive() == (0, 0)


def test_another_namespace_needs_one(no_threads, other_namespace):
    """The caller's own thread never enters it: so the reason is told, and nothing is dropped."""
    holder, _ = other_namespace
    pair = holder.pair()
    env = {**no_threads, "THREADS": "0"}
    for args in (
        ["drop", "--netns", holder.pid, f"lport {pair.lport}"],
        ["--netns", holder.pid, *words(pair)],
        ["list", "--netns", holder.pid],
    ):
        done = tcpdrop(*map(str, args), env=env)
        assert (done.status, done.out) == (3, ""), done
        assert "pthread_create: Resource temporarily unavailable (no thread is to be had: ulimit -u, or " in done.err
    assert pair.alive()


def test_the_log_is_told_by_one(no_threads, holder):
    """What was dropped is said all the same, and the word is about threads, not about the log."""
    pair = holder.pair()
    done = tcpdrop(*words(pair), env={**no_threads, "THREADS": "0"})
    assert (done.status, done.out) == (0, f"{line(pair)}: dropped\n")
    assert done.err == "tcpdrop: no thread is to be had for the log: 1 of 1 lines were not written\n"
