# SPDX-License-Identifier: BSD-2-Clause
"""drop --for and --until-gone: a run that looks again and again, and what ends it."""

import json
import os
import signal
import subprocess

import pytest
from support.command import COMMAND, tcpdrop
from support.service import until_dropped

from tcpdrop import cli

pytestmark = [pytest.mark.privileged, pytest.mark.only_on("linux", "sunos", reason="drops")]


def test_no_time_at_all_is_one_look(holder):
    pair = holder.pair()
    done = tcpdrop("drop", "--until-gone=0s", f"lport {pair.local[1]}")
    assert done.out.endswith(": dropped\n")
    assert pair.state() is None


def test_looking_without_a_pause_is_refused(capsys):
    assert cli.main(["drop", "--for", "1s", "--interval", "0s", "lport 9"]) == 2
    assert "--interval is longer than nothing" in capsys.readouterr().err


def test_one_match_approves_no_crowd(holder):
    """--for: the first look found one, which nobody asks about; the next may find hundreds."""
    port = holder.listener(backlog=300)
    number = port.name()[1]
    first = holder.socket()
    first.call("connect", port.name())
    command = [COMMAND, "drop", "--for", "60s", "--interval", "500ms", f"rport {number}"]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        until_dropped(first)
        crowd = [holder.socket() for _ in range(101)]
        os.kill(process.pid, signal.SIGSTOP)
        for one in crowd:
            one.call("connect", port.name())
        os.kill(process.pid, signal.SIGCONT)
        _, err = process.communicate(timeout=30)
    assert "101 connections match" in err
    assert crowd[0].errno("send", b"x") == 0


def test_a_bound_that_ends_a_long_run_keeps_its_account(holder):
    """What was dropped before the bound is in the summary, and the status says that something was."""
    port = holder.listener()
    first = holder.socket()
    first.call("connect", port.name())
    command = [COMMAND, "drop", "--for", "60s", "--interval", "100ms", "--max-drops", "1", "--jsonl", f"rport {port.name()[1]}"]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        until_dropped(first)
        second = holder.socket()
        second.call("connect", port.name())
        out, err = process.communicate(timeout=30)
    found = [json.loads(one) for one in out.splitlines()]
    assert "bound of 1" in err
    assert [one["type"] for one in found] == ["connection", "summary"]
    assert found[-1]["counts"] == {"dropped": 1}
    assert process.returncode == 0
    assert second.errno("send", b"x") == 0


@pytest.mark.only_on("linux", reason="names of holders")
def test_undecided_is_not_gone(holder):
    """A connection that nobody accepted has no holder to look at: --until-gone must not call that the end."""
    port = holder.listener()
    client = holder.socket()
    client.call("connect", port.name())
    words = ["drop", "comm", "nobody-has-this", "lport", str(port.name()[1])]
    assert tcpdrop(*words).status == 3
    assert tcpdrop(*words, "--until-gone=1s").status == 3
    assert tcpdrop(*words, "--for=1s").status == 3


@pytest.fixture
def half_accepted(holder):
    """A service that has accepted one client, and not a second; the words that select what its process holds."""
    port = holder.listener()
    clients = [holder.socket() for _ in range(2)]
    clients[0].call("connect", port.name())
    accepted = port.accept()
    clients[1].call("connect", port.name())
    yield port, clients, ["drop", "pid", str(holder.pid), "lport", str(port.name()[1])]
    for sock in (*clients, accepted, port):
        sock.close()


@pytest.mark.only_on("linux", reason="what nobody has accepted has no holder")
def test_with_something_undecided_nothing_is_gone(half_accepted):
    """One was dropped, which was enough for status 0."""
    _, clients, words = half_accepted
    done = tcpdrop(*words, "--until-gone=1500ms")
    assert (done.status, len(done.out.splitlines())) == (3, 1)
    assert "1 more could not be decided" in done.err
    assert "tcpdrop: time ran out before it was certain that nothing matched any more\n" in done.err
    assert clients[1].errno("send", b"x") == 0


@pytest.mark.only_on("linux", reason="what nobody has accepted has no holder")
def test_what_is_decided_later_is_dropped_then(half_accepted):
    port, clients, words = half_accepted
    command = [COMMAND, *words, "--until-gone=60s", "--interval", "100ms"]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        until_dropped(clients[0])
        assert process.poll() is None
        later = port.accept()
        out, _ = process.communicate(timeout=30)
    assert (process.returncode, len(out.splitlines())) == (0, 2)
    assert clients[1].errno("send", b"x")
    later.close()


@pytest.mark.parametrize("more", [(), ("--limit", "1")])
def test_what_a_look_has_left_did_not_come_back(holder, more):
    """With --limit the next look drops another connection of the same peer, which was there all the time."""
    pairs = [holder.pair() for _ in range(2)]
    ports = ",".join(str(pair.lport) for pair in pairs)
    done = tcpdrop("drop", "lport", ports, "--yes", "--for=1s", "--interval=50ms", *more)
    assert (done.status, len(done.out.splitlines())) == (0, 2), done.err
    assert [pair.state() for pair in pairs] == [None, None]
    assert "came back" not in done.err
