# SPDX-License-Identifier: BSD-2-Clause
"""Each line of --for, --rate and --jsonl is out when it happened: whoever is killed then has told what was dropped."""

import json
import os
import signal
import subprocess
import time

import pytest
from support.command import COMMAND, line
from support.wait import until

pytestmark = [pytest.mark.privileged, pytest.mark.only_on("linux", reason="drops")]


def begun(*arguments):
    return subprocess.Popen(
        [COMMAND, "drop", "--no-syslog", *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize("machine", [False, True], ids=["text", "jsonl"])
@pytest.mark.parametrize("how", [["--for", "60s"], ["--rate", "1", "--yes"]], ids=["for", "rate"])
def test_a_kill_leaves_what_was_dropped(holder, how, machine):
    pairs = [holder.pair() for _ in range(3)]
    chosen = "lport " + ",".join(str(pair.lport) for pair in pairs)
    with begun(*how, *(["--jsonl"] if machine else []), chosen) as process:
        first = process.stdout.readline()  # it runs on for seconds
        assert process.poll() is None
        process.kill()
    if machine:
        entry = json.loads(first)
        assert (entry["type"], entry["outcome"]) == ("connection", "dropped")
        told = entry["local_port"]
        assert {pair.lport: pair.state() for pair in pairs}[told] is None
    else:
        assert first in {f"{line(pair)}: dropped\n" for pair in pairs}


def test_jsonl_tells_each_once_and_the_summary_last(holder):
    pairs = [holder.pair() for _ in range(3)]
    with begun("--jsonl", "--yes", "lport " + ",".join(str(pair.lport) for pair in pairs)) as process:
        *rows, summary = map(json.loads, process.stdout)
    assert sorted(row["local_port"] for row in rows) == sorted(pair.lport for pair in pairs)
    assert {row["outcome"] for row in rows} == {"dropped"}
    assert (summary["type"], summary["counts"]) == ("summary", {"dropped": 3})


def test_after_a_signal_what_was_not_touched_is_counted_only(holder):
    pairs = [holder.pair() for _ in range(20)]
    with begun("--jsonl", "--yes", "--rate", "2", "lport " + ",".join(str(pair.lport) for pair in pairs)) as process:
        first = json.loads(process.stdout.readline())
        process.send_signal(signal.SIGINT)
        *rows, summary = map(json.loads, process.stdout)
    assert process.returncode == 130
    assert {row["outcome"] for row in [first, *rows]} == {"dropped"}
    assert summary["counts"] == {"dropped": len(rows) + 1, "listed": 19 - len(rows)}


def waits_in(pid):
    with open(f"/proc/{pid}/wchan", encoding="ascii") as file:
        return file.read()


def full_pipe():
    """Its two ends; nothing more goes in."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    try:
        while True:
            os.write(writer, bytes(4096))
    except BlockingIOError:
        os.set_blocking(writer, True)
    return reader, writer


@pytest.mark.parametrize("options", [[], ["-n"], ["--json"], ["--rate", "100"]], ids=" ".join)
def test_a_second_signal_does_not_wait_for_a_reader_who_reads_nothing(holder, options):
    """The first one does: who reads slowly is told all."""
    pairs = [holder.pair() for _ in range(5)]
    reader, writer = full_pipe()
    command = [COMMAND, "drop", "--no-syslog", *options, "lport " + ",".join(str(pair.lport) for pair in pairs)]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=writer, stderr=subprocess.PIPE, text=True) as process:
        os.close(writer)
        until(lambda: "pipe_write" in waits_in(process.pid), "it to wait for the reader")
        process.send_signal(signal.SIGINT)
        time.sleep(0.3)
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=10)
    os.close(reader)
    assert process.returncode == 3
    assert said.endswith("tcpdrop: cannot write to standard output: nobody read it until a second signal\n")
    dropped = sum(pair.state() is None for pair in pairs)
    assert (dropped, "5 would be dropped" in said) == (0, True) if options == ["-n"] else dropped and f"{dropped} dropped" in said


@pytest.mark.parametrize("form", [["-c"], ["-H"], ["--json"], ["-q", "lport", "9"]], ids=" ".join)
def test_one_signal_ends_a_list_that_nobody_reads(holder, form):
    """However little it is: nothing is lost by that."""
    _pair = holder.pair()
    reader, writer = full_pipe()
    with subprocess.Popen([COMMAND, "list", *form], stdin=subprocess.DEVNULL, stdout=writer, stderr=writer) as process:
        os.close(writer)
        until(lambda: "pipe_write" in waits_in(process.pid), "it to wait for the reader")
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == -signal.SIGINT
    os.close(reader)
