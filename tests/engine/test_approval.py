# SPDX-License-Identifier: BSD-2-Clause
"""Never more than was approved: bounds, limits and questions, however a run is asked for."""

import json
import os
import pty
import signal
import subprocess
import time

import pytest
from support.command import COMMAND, line, tcpdrop

import tcpdrop as package

pytestmark = [pytest.mark.privileged, pytest.mark.only_on("linux", "sunos", reason="drops")]


def lport(pairs):
    return "lport " + ",".join(str(pair.lport) for pair in pairs)


def test_a_limit_binds_what_is_read_from_a_file(holder, tmp_path):
    pairs = [holder.pair(), holder.pair()]
    file = tmp_path / "victims"
    file.write_text("".join(f"{line(pair)}\n" for pair in pairs))
    done = tcpdrop("drop", "--from", file, "--limit", "1")
    assert (done.status, done.out) == (0, f"{line(pairs[0])}: dropped\n")
    assert pairs[1].alive()


def test_an_order_needs_what_a_file_does_not_have(holder, tmp_path):
    pair = holder.pair()
    file = tmp_path / "victims"
    file.write_text(f"{line(pair)}\n")
    assert tcpdrop("drop", "--from", file, "--order", "oldest").status == 2
    assert pair.alive()


@pytest.mark.parametrize("limit", [-1, True, "1", 1.5])
def test_a_limit_that_is_no_number_of_connections(holder, limit):
    """[:-1] would be all but one of them."""
    pairs = [holder.pair(), holder.pair()]
    with pytest.raises((TypeError, ValueError)):
        package.drop(lport(pairs), limit=limit)
    assert all(pair.alive() for pair in pairs)


@pytest.mark.parametrize("option", ["-4", "-6"])
def test_a_family_alone_is_no_selection(holder, option):
    """`drop -4 $UNSET` must not be every IPv4 connection of the host."""
    pair = holder.pair()
    done = tcpdrop("drop", option)
    assert (done.status, done.out) == (2, "")
    assert "nothing is selected" in done.err
    assert pair.alive()


def until_dropped(sock):
    while sock.errno("send", b"x") == 0:
        time.sleep(0.05)


def test_one_match_approves_no_crowd(holder):
    """--for: the first look found one, which nobody asks about; the next may find hundreds."""
    port = holder.listener(backlog=300)
    number = port.name()[1]
    first = holder.socket()
    first.call("connect", port.name())
    command = [COMMAND, "drop", "--for", "4s", "--interval", "500ms", f"rport {number}"]
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
    command = [COMMAND, "drop", "--for", "10s", "--interval", "100ms", "--max-drops", "1", "--jsonl", f"rport {port.name()[1]}"]
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


class Asked:
    """The command on a terminal of its own, at its question."""

    def __init__(self, *args):
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.execv(COMMAND, [COMMAND, *args])
        self.text = b""
        while b"[y/N]" not in self.text:
            self.text += os.read(self.terminal, 4096)

    def status(self):
        """How it ends, without another key."""
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.05)
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        return None


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_answers_the_question(holder, number):
    pairs = [holder.pair(), holder.pair()]
    asked = Asked("drop", lport(pairs))
    os.kill(asked.pid, number)
    assert asked.status() == 128 + number
    os.close(asked.terminal)
    assert all(pair.alive() for pair in pairs)


def test_control_c_answers_the_question(holder):
    pairs = [holder.pair(), holder.pair()]
    asked = Asked("drop", lport(pairs))
    os.write(asked.terminal, b"\x03")
    assert asked.status() == 130
    os.close(asked.terminal)
    assert all(pair.alive() for pair in pairs)


@pytest.mark.parametrize("answer", [b"\x03", b"n\n"], ids=["control-c", "no"])
def test_leaving_at_a_later_question_keeps_the_account(holder, answer):
    """--for: the first look dropped one, the second found two and asks."""
    port = holder.listener()
    first, *later = (holder.socket() for _ in range(3))
    first.call("connect", port.name())
    chosen = f"rport {port.name()[1]}"  # before the fork: a child that raised would go on as a second pytest
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(COMMAND, [COMMAND, "drop", "--for", "30s", "--interval", "2s", chosen])
    until_dropped(first)
    for one in later:
        one.call("connect", port.name())
    text = b""
    while b"[y/N]" not in text:
        text += os.read(terminal, 4096)
    os.write(terminal, answer)
    _, status = os.waitpid(pid, 0)
    text += os.read(terminal, 4096)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == (130 if answer == b"\x03" else 0)
    assert b"nothing was dropped" not in text
    assert (b"1 dropped" in text) == (answer == b"\x03")
    assert all(one.errno("send", b"x") == 0 for one in later)
