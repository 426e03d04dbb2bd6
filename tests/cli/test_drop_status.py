# SPDX-License-Identifier: BSD-2-Clause
"""Exit statuses by counts, JSON schema 1 of a drop, and the audit's lines."""

import json
import re
import socket

import pytest
from support import private
from support.answers import answer
from support.backends import BACKENDS
from support.command import NEARLY_NOBODY, NO_CAPABILITIES, line, needs, tcpdrop
from support.crowd import Crowd

import tcpdrop as package
from tcpdrop import _tcpdrop, cli
from tcpdrop.cli.exit_status import status_of
from tcpdrop.engine import audit
from tcpdrop.model.connection import JSON_KEYS

pytestmark = [pytest.mark.privileged, pytest.mark.only_on("linux", "sunos", reason="drops")]

KEYS = {*JSON_KEYS, "method", "victim_sees", "peer_told", "protected_by", "outcome", "errno", "error"}

#: counts, undecidable -> status
STATUSES = [
    ({}, 0, 1),
    ({"gone": 3}, 0, 1),
    ({}, 2, 3),
    ({"gone": 1}, 1, 3),
    ({"dropped": 1}, 0, 0),
    ({"dropped": 1}, 5, 0),
    ({"would_drop": 1}, 0, 0),
    ({"listed": 1}, 0, 0),
    ({"dropped": 1, "gone": 9}, 0, 0),
    ({"dropped": 1, "protected": 9}, 0, 0),
    ({"protected": 1}, 0, 4),
    ({"protected": 1, "gone": 1}, 0, 4),
    ({"protected": 1}, 1, 4),
    *(({bad: 1}, 0, 3) for bad in ("failed", "not_permitted", "not_supported")),
    *(({bad: 1, "dropped": 99, "protected": 1}, 0, 3) for bad in ("failed", "not_permitted", "not_supported")),
]


@pytest.mark.parametrize(("counts", "undecidable", "status"), STATUSES)
def test_the_first_rule_that_applies(counts, undecidable, status):
    assert status_of(counts, undecidable=undecidable) == status


def test_statuses_of_real_runs(holder):
    pair = holder.pair()
    chosen = f"lport {pair.lport}"
    assert tcpdrop("drop", "lport 1").status == 1
    assert tcpdrop("drop", "--allow-none", "lport 1").status == 0
    assert tcpdrop("drop", "--allow-none", "nonsense").status == 2
    assert tcpdrop("drop").status == 2
    assert tcpdrop("drop", "--allow-none", "--protect", chosen, chosen).status == 4
    assert tcpdrop("drop", "--allow-none", "--max-drops=0", chosen).status == 4
    assert tcpdrop("drop", "lport 1", wrapper=needs(*NO_CAPABILITIES)).status == 1
    assert tcpdrop("drop", chosen, wrapper=needs(*NO_CAPABILITIES)).status == 3
    assert pair.alive()
    assert tcpdrop("drop", chosen).status == 0


@pytest.mark.parametrize("usage", [
    ["--all", "lport 1"], ["--all", "--from", "/dev/null"], ["--from", "/dev/null", "lport 1"], ["state listen"], ["--state=listen"],
    ["--max-drops=x", "lport 1"], ["--max-drops=-1", "lport 1"], ["--limit=x", "lport 1"], ["--order=best", "lport 1"],
    ["--local-port", "", "lport 1"], [""], ["--al", "lport 1"],
])  # fmt: skip
def test_usage_errors_open_nothing(holder, usage):
    pair = holder.pair()
    done = tcpdrop("drop", "--yes", *usage)
    assert (done.status, done.out) == (2, ""), done
    assert pair.alive()


@pytest.fixture
def closed(monkeypatch):
    """The host's rules, the kernel and the resolver: nobody may ask them."""
    from tcpdrop import _tcpdrop
    from tcpdrop.safety import rules

    def opened(*_, **__):
        raise AssertionError("opened")

    monkeypatch.setattr(rules, "rules", opened)
    monkeypatch.setattr(socket, "getaddrinfo", opened)
    for name in ("list_connections", "lookup", "lookup_each", "interfaces", "mptcp_sockets", "process", "probe"):
        monkeypatch.setattr(_tcpdrop, name, opened)


LATE = ["--limit=x", "--limit=-1", "--order=best", "--rate=x", "--rate=0", "--method=best", "--interval=1s", "--for=x", "--max-drops=x"]


@pytest.mark.parametrize("option", LATE)
@pytest.mark.parametrize("source", ["lport 1", "--from"])
def test_a_value_that_cannot_be_read_is_refused_before_anything_is_opened(closed, tmp_path, capsys, option, source):
    from tcpdrop import cli

    saved = tmp_path / "saved"
    saved.write_text("127.0.0.1 1 127.0.0.1 2\n", encoding="utf-8")
    assert cli.main(["drop", "--no-syslog", option, *([source, str(saved)] if source == "--from" else [source])]) == 2
    assert option.partition("=")[0].lstrip("-") in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--limit=x", "--order=best", "--summary-by=colour", "-ocolour"])
def test_so_does_list(closed, option):
    from tcpdrop import cli

    assert cli.main(["list", option, "lport 1"]) == 2


@pytest.mark.parametrize("option", ["--method=best", "--protect=nonsense", "--netns=all"])
def test_so_does_the_classic_form(closed, option):
    """Also before a name is looked up."""
    from tcpdrop import cli

    assert cli.main([option, "localhost", "1", "localhost", "2"]) == 2


def test_undecidable_rows_are_never_touched(holder):
    """Without rights to see who holds root's sockets, `pid N` may match any of them."""
    pair = holder.pair()
    wrapper = needs(*NEARLY_NOBODY)
    for selection in (f"pid {holder.pid}", f"not pid {holder.pid} and lport {pair.lport}"):
        done = tcpdrop("drop", "--yes", "--json", selection, wrapper=wrapper)
        assert done.status == 3, done
        summary = json.loads(done.out)["summary"]
        assert summary["counts"] == {}
        assert summary["undecidable"] >= 1
        assert "more could not be decided" in done.err
    assert pair.alive()


def test_a_survivor_is_named_and_is_a_failure(holder, monkeypatch, capsys):
    """The kernel says yes and the socket lives: the line was printed, so the second look must speak."""
    pair = holder.pair()
    answer(monkeypatch, 0)
    assert cli.main(["drop", "--no-syslog", f"lport {pair.lport}"]) == 3
    assert f"{line(pair)}: still present\n" in capsys.readouterr().err
    assert cli.main(["drop", "--no-syslog", "--jsonl", f"lport {pair.lport}"]) == 3
    entry = json.loads(capsys.readouterr().out.splitlines()[0])
    assert (entry["outcome"], entry["error"]) == ("failed", "still present")
    assert pair.alive()


# ---- JSON


def objects(form, out):
    if form == "json":
        document = json.loads(out)
        assert document["schema"] == 1
        return document["connections"], document["summary"]
    *entries, summary = map(json.loads, out.splitlines())
    assert all(entry.pop("schema") == 1 and entry.pop("type") == "connection" for entry in entries)
    assert (summary["schema"], summary["type"]) == (1, "summary")
    return entries, summary


@pytest.mark.parametrize("form", ["json", "jsonl"])
def test_every_key_is_there_and_the_counts_add_up(holder, form):
    safe, victim = holder.pair("inet6"), holder.pair("mapped")
    done = tcpdrop("drop", f"--{form}", "--protect", f"lport {safe.lport}", f"lport {safe.lport},{victim.lport}")
    entries, summary = objects(form, done.out)
    assert summary["counts"] == {"dropped": 1, "protected": 1}
    assert {key: summary[key] for key in ("undecidable", "later", "dry_run")} == {"undecidable": 0, "later": 0, "dry_run": False}
    assert all(set(entry) == KEYS for entry in entries)
    (dropped,) = (entry for entry in entries if entry["outcome"] == "dropped")
    (spared,) = (entry for entry in entries if entry["outcome"] == "protected")
    assert [dropped[key] for key in ("family", "mapped", "local_addr", "method", "errno", "error")] == [
        *("inet", BACKENDS[_tcpdrop.BACKEND].mapped, "127.0.0.1", "destroy", None, None)
    ]
    assert (spared["family"], spared["method"], spared["error"]) == ("inet6", None, "protected")
    assert spared["protected_by"] == f"by --protect 'lport {safe.lport}'"
    assert dropped["state"] == "ESTABLISHED"
    assert int(dropped["cookie"], 16) > 0
    assert safe.alive()


@pytest.mark.parametrize("form", ["json", "jsonl"])
def test_refusals_and_usage_errors_are_objects(holder, form):
    pair = holder.pair()
    cases = {2: ["nonsense"], 4: ["--max-drops=0", f"lport {pair.lport}"]}
    for status, options in cases.items():
        done = tcpdrop("drop", f"--{form}", *options)
        assert done.status == status
        found = json.loads(done.out)
        assert (found["schema"], found["type"]) == (1, "error")
        assert found["error"] in done.err
    assert objects(form, tcpdrop("drop", f"--{form}", "lport 1").out)[1]["counts"] == {}


@pytest.mark.only_on("linux", reason="measures of tcp_info")
def test_count_quiet_and_order(holder):
    with Crowd(20) as crowd:
        assert tcpdrop("drop", "-c", "-n", crowd.servers).out == "20\n"
        assert tcpdrop("drop", "-q", "-n", crowd.servers).out == ""
        for order in ("oldest", "newest", "idlest", "largest"):
            assert tcpdrop("drop", "-c", "--limit=3", "--order", order, crowd.servers).out == "3\n"
        assert crowd.alive() == (8, 8)


@pytest.mark.only_on("linux", reason="measures of tcp_info")
def test_largest_first(holder):
    pairs = [holder.pair() for _ in range(3)]
    pairs[1].sock.call("sendall", b"x" * 1000)
    pairs[1].peer.call("recv", 1000)
    chosen = "lport " + ",".join(str(pair.lport) for pair in pairs)
    assert tcpdrop("drop", "--limit=1", "--order=largest", chosen).out == f"{line(pairs[1])}: dropped\n"
    assert pairs[0].alive()
    assert pairs[2].alive()


# ---- the audit


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
