# SPDX-License-Identifier: BSD-2-Clause
"""The audit: a line in the host's log for each run and why, which no value can forge, and Python's own records."""

import contextlib
import re
import socket
import subprocess
import time

import pytest
from support import private
from support.command import COMMAND, line, tcpdrop, words

import tcpdrop as package
from tcpdrop import cli
from tcpdrop.engine import audit

pytestmark = [pytest.mark.privileged, pytest.mark.only_on("linux", "sunos", reason="drops")]


def test_one_line_a_run_when_root(holder, log):
    pairs = [holder.pair() for _ in range(2)]
    chosen = "lport {},{}".format(*sorted(pair.lport for pair in pairs))
    env = {"SUDO_USER": "ann"}
    assert tcpdrop("drop", "--reason", "ticket 7", chosen, wrapper=log.wrapper, env=env).status == 0
    (text,) = log.read()
    assert text.startswith(f'selection="{chosen}" dropped=2 uid=0 euid=0 sudo_user=ann ')
    assert 'reason="ticket 7"' in text
    assert log.lines[0].startswith("<85>")  # authpriv.notice


FROM_PYTHON = """
import sys, tcpdrop
chosen = f"lport {sys.argv[1]}"
how = dict(max_drops=1, reason="ticket 7", syslog=True)
tcpdrop.drop(chosen, dry_run=True, **how)
if sys.argv[2] == "once":
    tcpdrop.drop(chosen, **how)
else:
    list(tcpdrop.keep_dropping(chosen, duration=0.05, **how))
"""


@pytest.mark.parametrize("way", ["once", "keep"])
def test_one_line_a_run_from_python_when_asked(holder, log, way):
    pair = holder.pair()
    assert private.python(log.wrapper, FROM_PYTHON, str(pair.lport), way).status == 0
    (text,) = log.read()
    assert text.startswith(f'selection="lport {pair.lport}" dropped=1 uid=0 euid=0')
    assert 'reason="ticket 7"' in text
    assert pair.state() is None


def test_each_connection_with_syslog_and_none_with_no_syslog(holder, log):
    pair, other, third = holder.pair(), holder.pair(), holder.pair()
    tcpdrop("drop", "--syslog", f"lport {pair.lport}", wrapper=log.wrapper)
    first, second = log.read()
    assert first.startswith(f'connection="{line(pair)}" outcome=dropped uid=0 euid=0')
    assert "dropped=1" in second
    log.lines.clear()
    tcpdrop("drop", "--no-syslog", f"lport {other.lport}", wrapper=log.wrapper)
    tcpdrop("drop", "-n", "--syslog", f"lport {third.lport}", wrapper=log.wrapper)
    assert log.read() == []
    assert other.state() is None
    assert third.alive()


def test_a_value_cannot_pretend_to_be_more(holder, log):
    pair = holder.pair()
    evil = 'x" dropped=999 uid=7\nOct 1 sshd: "\x1b[31m\\'
    env = {"SUDO_USER": "root uid=7"}
    tcpdrop("drop", "--reason", evil, f"lport {pair.lport}", wrapper=log.wrapper, env=env)
    (text,) = log.read()
    assert "\n" not in text
    assert "\x1b" not in text
    assert 'sudo_user="root uid=7"' in text
    # Read as key=value, with quotes: no key of ours twice, and none of theirs.
    pairs = re.findall(r'(\w+)=("(?:[^"\\]|\\.)*"|\S+)', text)
    assert " ".join(f"{key}={value}" for key, value in pairs) == text
    assert [key for key, _ in pairs] == ["selection", "dropped", "uid", "euid", "sudo_user", "reason"]


@pytest.mark.parametrize("long", ["\x01" * 50_000, "x" * 120_000, "\N{RIGHT-TO-LEFT OVERRIDE}" * 30_000], ids=["control", "plain", "rtl"])
def test_a_value_without_end_does_not_keep_the_line_from_the_log(holder, log, long):
    """A datagram that is too long is refused, and syslog(3) says nothing of it: nobody must hide a drop so."""
    pair = holder.pair()
    done = tcpdrop("--reason", long, *words(pair), wrapper=log.wrapper, env={"SUDO_USER": long[:25_000]})
    assert (done.status, done.err) == (0, "")
    (text,) = log.read()
    assert text.startswith(f'selection="{line(pair)}" dropped=1 uid=0 euid=0 sudo_user=')
    assert text.endswith(f'... ({len(long)} characters)"')


def test_a_log_that_is_not_there_or_full_does_not_stop_a_drop(holder, log):
    log.socket.close()
    pair = holder.pair()
    assert tcpdrop("drop", "--syslog", f"lport {pair.lport}", wrapper=log.wrapper)[:2] == (0, f"{line(pair)}: dropped\n")


def test_quoting():
    assert audit._value("plain-1.2/x:y@z") == "plain-1.2/x:y@z"
    assert audit._value("") == '""'
    assert audit._value("a b") == '"a b"'
    for hard in ('a"b', "a\\b", "a\nb", "a=b", "\x00", "\u2028", "\udcff"):
        quoted = audit._value(hard)
        assert quoted[0] == quoted[-1] == '"'
        assert "\n" not in quoted
        assert '"' not in quoted[1:-1].replace('\\"', "")


def test_python_logs_a_record_a_drop(holder, caplog):
    pair, other = holder.pair(), holder.pair()
    with caplog.at_level("INFO", "tcpdrop"):
        package.drop(f"lport {pair.lport},{other.lport}", reason="why", protect=f"lport {other.lport}")
    (record,) = caplog.records
    assert record.getMessage() == f"{line(pair)}: dropped"
    assert record.result.outcome == "dropped"
    assert record.reason == "why"


@pytest.fixture
def full(log):
    """The log is full, and nobody reads it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as writer:
        writer.setblocking(False)
        writer.connect(log.socket.getsockname())
        with contextlib.suppress(BlockingIOError):
            while True:
                writer.send(b"x")
    return log.wrapper


@pytest.mark.only_on("linux", reason="/dev/log is a socket")
@pytest.mark.parametrize("form", ["classic", "drop", "json", "each of many"])
def test_a_log_that_nobody_reads_does_not_keep_the_answer(holder, full, form):
    pairs = [holder.pair() for _ in range(60 if form == "each of many" else 1)]
    if form == "classic":
        arguments = words(pairs[0])
    else:
        more = {"json": ["--json"], "each of many": ["--syslog", "--yes"]}.get(form, [])
        arguments = ["drop", *more, "lport " + ",".join(str(pair.lport) for pair in pairs)]
    begun = time.monotonic()
    done = tcpdrop(*arguments, wrapper=full)
    assert (done.status, [pair.state() for pair in pairs]) == (0, [None] * len(pairs))
    number = len(pairs) + 1 if form == "each of many" else 1
    assert f"tcpdrop: the log takes nothing just now: {number} of {number} lines were not written\n" in done.err
    assert done.out.count("dropped") == (2 if form == "json" else len(pairs))
    assert time.monotonic() - begun < 15  # a loaded machine; half a second for each line were 30


@pytest.mark.only_on("linux", reason="/dev/log is a socket")
def test_the_line_is_out_before_the_log_is_told(holder, full):
    pair = holder.pair()
    with subprocess.Popen([*full, COMMAND, *words(pair)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == f"{line(pair)}: dropped\n"
        assert process.poll() is None  # it still waits for the log
        assert "the log takes nothing just now" in process.stderr.read()


UNLOGGED = """
import sys, tcpdrop
for port in sys.argv[1:]:
    print(tcpdrop.drop(f"lport {port}", syslog=True, include_self=True).warning)
"""


@pytest.mark.only_on("linux", reason="/dev/log is a socket")
def test_python_is_told_once_the_log_takes_nothing(holder, full):
    ports = [str(holder.pair().lport)] + ["1"] * 49
    begun = time.monotonic()
    done = private.python(full, UNLOGGED, *ports)
    assert done.out == "the log takes nothing just now: 1 of 1 lines were not written\n" * 50
    assert time.monotonic() - begun < 15  # half a second for each were 25


def test_without_a_further_thread_the_drop_is_told(holder, monkeypatch):
    def refuse(*_):
        raise RuntimeError("can't start new thread")

    pair = holder.pair()
    monkeypatch.setattr(audit, "start_new_thread", refuse)
    report = package.drop(f"lport {pair.lport}", syslog=True)
    assert report.counts == {"dropped": 1}
    assert report.warning.endswith("no thread is to be had for the log: 1 of 1 lines were not written")


def test_without_memory_after_the_drop_it_is_told(holder, monkeypatch, capsys):
    def fail(*_, **__):
        raise MemoryError

    told = []
    pair = holder.pair()
    monkeypatch.setattr("tcpdrop.cli.messages.Teller.round", fail)
    monkeypatch.setattr("tcpdrop.cli.drop.to_syslog", lambda outcomes, counts, **_: told.append(counts) or "")
    assert cli.main(["drop", "--syslog", f"lport {pair.lport}"]) == 3
    done = capsys.readouterr()
    assert done.err == "tcpdrop: out of memory: 1 dropped\n"
    assert (told, pair.state()) == ([{"dropped": 1}], None)
