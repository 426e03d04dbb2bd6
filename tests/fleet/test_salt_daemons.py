# SPDX-License-Identifier: BSD-2-Clause
"""A master and two minions on loopback: batches that stop, and a way to the master that nothing cuts."""

import contextlib
import errno
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest
from support import minions, procnet
from support.command import run
from support.private import Log
from support.wait import until

pytestmark = [pytest.mark.privileged, pytest.mark.only_on("linux", reason="the Salt here is Linux's"), minions.required()]

PUBLISH, RETURN = 4505, 4506
DEVICES = ("null", "zero", "full", "random", "urandom", "shm")
TIMES = {"timeout": 30, "gather_job_timeout": 30}


class Fleet:
    """The daemons; one's jobs are processes of its own, two's are threads."""

    def __init__(self, place):
        self.log = Log(place, DEVICES)
        self.master = minions.configure(
            *(place / "master", "master"), interface="127.0.0.1", auto_accept=True, worker_threads=2, keysize=2048, **TIMES
        )
        self._running = [self._start("salt-master", self.master)]
        for name in ("one", "two"):
            conf = minions.configure(place / name, id=name, master="127.0.0.1", multiprocessing=name == "one", keysize=2048)
            self._running.append(self._start("salt-minion", conf, self.log.wrapper))
        until(lambda: len(self.links(PUBLISH)) == 2, "both minions' connections to the master", timeout=90)
        until(lambda: self("*", "test.ping").answer == {"one": True, "two": True}, "both minions to answer", timeout=90)

    def _start(self, name, conf, wrapper=()):
        return subprocess.Popen(
            [*wrapper, minions.program(name), "-c", conf, "-lcritical"], start_new_session=True, stdin=subprocess.DEVNULL
        )

    def stop(self):
        for one in self._running:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(one.pid, signal.SIGKILL)
            one.wait(10)
        self.log.socket.close()

    def __call__(self, *words):
        done = run(minions.program("salt"), "-c", self.master, "--out=json", *words, timeout=120)
        return Answer(done)

    def links(self, *ports):
        """The minions' connections to the master: inode and ends of each."""
        return {
            (w.inode, w.ends)
            for w in procnet.sockets()
            if w.rport in (ports or (PUBLISH, RETURN)) and procnet.STATES[w.state] == "ESTABLISHED"
        }


class Answer:
    """What salt printed: a JSON document a minion, or one for all; a batch says more between them."""

    def __init__(self, done):
        self.status, self.text = done.status, done.out + done.err
        self.answer = {}
        documents = re.findall(r"^\{\}?\n(?:.*?^\}\n)?", done.out, re.M | re.S)
        for one in documents:
            self.answer.update(json.loads(one))
        for name in ("jid", "retcode"):
            self.answer.pop(name, None)


@pytest.fixture(scope="module")
def fleet():
    place = Path(tempfile.mkdtemp(prefix="salt"))  # short: there are sockets of Salt's in it
    fleet = None
    try:
        fleet = Fleet(place)
        yield fleet
    finally:
        if fleet is not None:
            fleet.stop()
        shutil.rmtree(place)


def ended(pair):
    """Both ends say so.  Where both were selected, whichever came first reset the other."""
    assert pair.state() is None
    return {pair.sock.errno("recv", 1), pair.peer.errno("recv", 1)} <= {errno.ECONNABORTED, errno.ECONNRESET}


def aborted(pair):
    return pair.state() is None and pair.sock.errno("recv", 1) == errno.ECONNABORTED and pair.peer.errno("recv", 1) == errno.ECONNRESET


def test_a_batch_stops_at_the_first_minion_that_fails(fleet, holder):
    pairs = [holder.pair(), holder.pair()]
    chosen = "local_port={},{}".format(*(pair.lport for pair in pairs))
    done = fleet("-b", "1", "--failhard", "*", "tcpdrop.drop", chosen, "max_drops=1")
    assert done.status != 0
    assert len(done.answer) == 1, done.text
    assert "2 connections match, and at most 1 may be dropped: none was" in done.text
    assert all(pair.alive() for pair in pairs)
    done = fleet("-b", "1", "--failhard", "*", "tcpdrop.drop", chosen, "max_drops=2")
    assert done.status == 0, done.text
    # Both stand on one host here: the second finds nothing, and that is success.
    assert sorted(one["comment"] for one in done.answer.values()) == ["2 dropped", "nothing matches"]
    assert all(aborted(pair) for pair in pairs)


@pytest.mark.parametrize(
    ("minion", "why"), [("one", "held by pid "), ("two", "by --protect 'remote 127.0.0.1 and (rport 4505-4506 or pid ")]
)
def test_everything_dropped_and_the_way_to_the_master_stands(fleet, holder, minion, why):
    """What an ancestor of the job holds; and where the job is a thread, what goes to the master's address and ports."""
    pair = holder.pair()
    before = fleet.links(PUBLISH)
    done = fleet(minion, "tcpdrop.drop", "all=True", "max_drops=none", "reason=drill")
    result = done.answer[minion]
    assert ended(pair)
    assert result["counts"]["dropped"] >= 2
    spared = {row["local_port"]: row["protected_by"] for row in result["connections"] if row["outcome"] == "protected"}
    assert {ends[1] for _, ends in before} <= spared.keys()
    assert any(why in text for text in spared.values())
    assert fleet.links(PUBLISH) == before  # the very same sockets
    assert fleet("*", "test.ping").answer == {"one": True, "two": True}


def test_who_asked_and_for_which_job_is_in_the_log(fleet, holder):
    fleet.log.read()
    for minion, words in (
        ("one", ["tcpdrop.drop"]),
        ("two", ["state.single", "tcpdrop.absent", "name=x"]),
    ):
        pair = holder.pair()
        fleet.log.lines.clear()
        done = fleet(minion, *words, f"local_port={pair.lport}", "reason=ticket 12", "--show-jid")
        assert done.status == 0, done.text
        assert aborted(pair)
        (line,) = (text for text in fleet.log.read() if text.startswith("selection="))
        assert line.startswith(f'selection="lport {pair.lport}" dropped=1 uid=0 euid=0')
        jid = done.text.partition("jid: ")[2].split()[0]
        assert f'reason="ticket 12 (salt user=root jid={jid})"' in line


def test_a_state_over_the_fleet(fleet, holder):
    pair = holder.pair()
    state = ("state.single", "tcpdrop.absent", "name=old-peers", f"local_port={pair.lport}")
    done = fleet("*", *state, "test=True")
    assert [one["result"] for states in done.answer.values() for one in states.values()] == [None, None]
    assert pair.alive()
    done = fleet("-b", "1", "--failhard", "*", *state, "max_drops=0")
    assert done.status != 0
    assert len(done.answer) == 1
    assert pair.alive()


def test_the_answer_arrives_whatever_a_process_is_called(fleet, named):
    """Over msgpack to the master, which takes no lone surrogate: it was dropped, and the answer never came."""
    port, spelling = named
    done = fleet("one", "tcpdrop.connections", f"local_port={port}")
    assert [row["process"] for row in done.answer["one"]["connections"]] == [spelling], done.text
    done = fleet("one", "tcpdrop.drop", f"local_port={port}", "filter=comm *")
    assert done.answer["one"]["counts"] == {"dropped": 1}, done.text


@pytest.mark.parametrize("at_most", [1, 2])
def test_the_whole_fleet_before_the_first_drop(fleet, holder, at_most):
    """The page's own lines, but for the batch, which the tests above have: both minions see the one connection, which counts twice."""
    page = (Path(__file__).resolve().parents[2] / "docs" / "fleet.md").read_text(encoding="utf-8")
    (lines,) = re.findall(r"^```sh\n(.*?)^```$", page, re.M | re.S)
    pair = holder.pair()
    salt = shlex.join([str(minions.program("salt")), "-c", str(fleet.master)])
    lines = re.sub("^salt ", f"{salt} ", lines, flags=re.M)
    lines = (
        lines.replace("'db*'", "'*'")
        .replace("5432", str(pair.lport))
        .replace("all > 200", f"all > {at_most}")
        .replace("-b 10% --failhard ", "")
    )
    done = run("sh", "-c", lines, timeout=120)
    assert done.out.splitlines()[:3] == ["one: 1", "two: 1", "all: 2"], done
    assert (done.status == 0) == (at_most == 2), done
    assert aborted(pair) if at_most == 2 else pair.alive()
