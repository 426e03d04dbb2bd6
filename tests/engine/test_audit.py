# SPDX-License-Identifier: BSD-2-Clause
"""The audit: a line in the host's log for each run and why, which no value can forge, and Python's own records."""

import re

import pytest
from support import private
from support.command import line, tcpdrop

import tcpdrop as package
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
