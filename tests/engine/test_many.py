# SPDX-License-Identifier: BSD-2-Clause
"""Many at once: none survives, each is accounted for, and an interruption harms nobody else."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter

import pytest
from support import procnet
from support.command import COMMAND, tcpdrop
from support.crowd import Crowd
from support.wait import until

pytestmark = [pytest.mark.privileged, pytest.mark.only_on("linux", reason="thousands of sockets need the real kernel")]

#: the two populations that every run must tell apart
VICTIMS, OTHERS = 20000, 21000
SLOW = pytest.mark.skipif(os.environ.get("TCPDROP_SLOW") != "1", reason="TCPDROP_SLOW=1 runs it")


def listening(crowd, pid="thread-self"):
    return sum(w.state == procnet.LISTEN and crowd.port <= w.lport < crowd.port + crowd.ports for w in procnet.sockets(pid))


def ends(entry):
    return tuple(entry[key] for key in ("local_addr", "local_port", "remote_addr", "remote_port"))


def assert_all_dropped(done, expected):
    """Status, outcomes and counts say the same; each connection once."""
    assert done.status == 0, done.err
    *entries, summary = map(json.loads, done.out.splitlines())
    assert Counter(entry["outcome"] for entry in entries) == {"dropped": expected}
    assert summary["counts"] == {"dropped": expected}
    assert summary["undecidable"] == 0
    assert len({entry["cookie"] for entry in entries}) == expected
    assert len({ends(entry) for entry in entries}) == expected
    assert done.err == f"tcpdrop: {expected} dropped\n"


@pytest.mark.parametrize("number", [20000, pytest.param(100000, marks=SLOW)])
def test_one_run_leaves_no_survivor(number):
    """Both ends of every connection are selected: 2 rows each, and each row has its outcome."""
    with Crowd(number) as crowd, Crowd(500, port=OTHERS) as others:
        done = tcpdrop("drop", "--yes", "--jsonl", f"port {VICTIMS}-{VICTIMS + 3}", timeout=300)
        assert_all_dropped(done, 2 * number)
        assert crowd.alive() == (0, 0)
        assert others.alive() == (500, 500)
        assert listening(crowd) == 4


@pytest.mark.parametrize("number", [20000, pytest.param(100000, marks=SLOW)])
def test_one_end_selected_takes_the_other_along(number):
    with Crowd(number) as crowd:
        done = tcpdrop("drop", "--yes", "--jsonl", crowd.servers, timeout=300)
        assert_all_dropped(done, number)
        assert crowd.alive() == (0, 0)


def test_long_chains_in_a_small_hash_table_leave_no_survivor():
    """20,000 in 1,024 buckets: where a tool that destroys during its dump leaves some 5 of them."""
    with Crowd(20000, buckets=1024) as crowd, Crowd(200) as outside:
        done = tcpdrop("drop", "--yes", "--jsonl", f"--netns={crowd.pid}", f"port {VICTIMS}-{VICTIMS + 3}", timeout=120)
        assert_all_dropped(done, 40000)
        assert crowd.alive() == (0, 0)
        assert listening(crowd, crowd.pid) == 4
        assert outside.alive() == (200, 200)  # the same addresses and ports, in another namespace


@pytest.mark.parametrize("option", [(), ("--json",), ("-q",), ("-c",)], ids=" ".join)
def test_every_form_of_output_drops_the_same(option):
    with Crowd(300) as crowd:
        done = tcpdrop("drop", "--yes", *option, crowd.servers)
        assert done.status == 0
        assert crowd.alive() == (0, 0)
        if not option:
            lines = done.out.splitlines()
            assert len(set(lines)) == 300
            assert all(line.endswith(": dropped") for line in lines)
        elif option == ("-q",):
            assert done.out == ""
        elif option == ("-c",):
            assert done.out == "300\n"
        else:
            assert json.loads(done.out)["summary"]["counts"] == {"dropped": 300}


# ---- what goes wrong in the middle


class Slow:
    """A drop at `rate` a second, in the middle of which something happens."""

    def __init__(self, crowd, *options, rate=2000, chosen=None, **how):
        how = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **how}
        self.process = subprocess.Popen(
            [COMMAND, "drop", "--yes", f"--rate={rate}", *options, chosen or crowd.servers],
            stdin=subprocess.DEVNULL,
            cwd="/",
            text=True,
            **how,
        )
        try:
            until(lambda: crowd.alive()[1] < crowd.number, "the first drop", 30)
        except AssertionError:
            self.process.kill()
            raise

    def end(self):
        out, err = self.process.communicate(timeout=60)
        return self.process.returncode, out, err


@pytest.mark.parametrize("amid", [8000, pytest.param(100000, marks=SLOW)])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_the_run_and_the_account_is_true(number, amid):
    with Crowd(amid) as crowd, Crowd(500, port=OTHERS) as others:
        slow = Slow(crowd, "--jsonl")
        slow.process.send_signal(number)
        status, out, err = slow.end()
        assert status == 128 + number
        left = crowd.alive()
        *entries, summary = map(json.loads, out.splitlines())
        # What was left untouched is counted, and not printed: of many that takes longer than whoever stops it waits.
        assert Counter(entry["outcome"] for entry in entries) == {"dropped": amid - left[1]}
        assert summary["counts"] == {"dropped": amid - left[1], "listed": left[1]}
        assert 0 < left[1] < amid
        assert left[0] == left[1]
        assert "(stopped by a signal)" in err
        # Those called dropped are gone from the kernel's table, those that were not attempted are there.
        present = {(w.lport, w.raddr, w.rport) for w in procnet.sockets() if VICTIMS <= w.lport < VICTIMS + 4 and w.state == 1}
        for entry in entries:
            end = entry["local_port"], bytes(map(int, entry["remote_addr"].split("."))), entry["remote_port"]
            assert end not in present
        assert len(present) == left[1]
        assert others.alive() == (500, 500)
        assert listening(crowd) == 4


def test_what_died_with_its_mirror_before_its_turn_was_dropped():
    """A signal comes when one end of each connection has had its turn, and the other, which went with it, had not."""
    with Crowd(8000) as crowd:
        slow = Slow(crowd, "--jsonl", chosen=f"port {VICTIMS}-{VICTIMS + 3}")
        slow.process.send_signal(signal.SIGINT)
        _, out, _ = slow.end()
        left = crowd.alive()
        *entries, summary = map(json.loads, out.splitlines())
        assert left[0] == left[1] > 0
        assert summary["counts"] == {"dropped": 2 * (8000 - left[0]), "listed": 2 * left[0]}
        assert len(entries) == summary["counts"]["dropped"]


@pytest.mark.parametrize("amid", [20000, pytest.param(100000, marks=SLOW)])
def test_a_kill_in_the_middle_harms_nothing_that_was_not_selected(amid):
    with Crowd(amid) as crowd, Crowd(500, port=OTHERS) as others:
        slow = Slow(crowd)
        slow.process.kill()
        assert slow.end()[0] == -signal.SIGKILL
        assert 0 < crowd.alive()[1] < amid
        assert others.alive() == (500, 500)
        assert listening(crowd) == 4
        assert tcpdrop("drop", "--yes", "-q", crowd.servers).status == 0
        assert crowd.alive() == (0, 0)


def test_a_signal_before_the_first_slice_drops_nothing():
    """From Python's side: the flag is asked before each slice, also the first."""
    code = """
import sys
from tcpdrop.cli import drop
class Stopped(drop.Stop):
    def __enter__(self):
        super().__enter__()
        self.number = 2
        return self
drop.Stop = Stopped
from tcpdrop.cli import main
sys.exit(main())
"""
    with Crowd(200) as crowd:
        done = subprocess.run([sys.executable, "-c", code, "drop", "--yes", crowd.servers], capture_output=True, text=True, cwd="/")
        assert done.returncode == 130, done.stderr
        assert done.stdout == ""
        assert crowd.alive() == (200, 200)


def broken_pipe():
    read, write = os.pipe()
    os.close(read)
    return open(write, "wb")


def full_disk():
    return open("/dev/full", "wb")


OUTPUTS = {"pipe": (broken_pipe, "Broken pipe"), "full": (full_disk, "No space left on device")}


@pytest.mark.parametrize("form", [(), ("--jsonl",), ("--json",)], ids=["text", "jsonl", "json"])
@pytest.mark.parametrize("output", OUTPUTS)
def test_a_stdout_that_takes_nothing_does_not_shorten_the_run(output, form):
    make, why = OUTPUTS[output]
    with Crowd(3000) as crowd:
        with make() as out:
            done = tcpdrop("drop", "--yes", *form, crowd.servers, stdout=out)
        assert done.status == 3
        assert f"tcpdrop: cannot write to standard output: {why}" in done.err
        assert "3000 dropped" in done.err
        assert crowd.alive() == (0, 0)


def test_a_closed_stdout_and_a_closed_stderr_do_not_shorten_the_run():
    with Crowd(300) as crowd:
        done = subprocess.run(
            ["sh", "-c", 'exec "$0" drop --yes "$1" >&- 2>&-', COMMAND, crowd.servers], stdin=subprocess.DEVNULL, cwd="/", check=False
        )
        assert done.returncode == 3
        assert crowd.alive() == (0, 0)


def test_a_reader_that_does_not_read_does_not_hold_up_the_drop():
    """The pipe fills while the lines are written: by then everything is dropped."""
    with Crowd(5000) as crowd:
        process = subprocess.Popen(
            [COMMAND, "drop", "--yes", crowd.servers], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd="/"
        )
        until(lambda: crowd.alive() == (0, 0), "the drop", 30)
        out, _ = process.communicate(timeout=30)
        assert out.count(b": dropped\n") == 5000
        assert process.returncode == 0
