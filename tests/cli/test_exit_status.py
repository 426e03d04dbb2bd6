# SPDX-License-Identifier: BSD-2-Clause
"""The exit status: by counts, of real runs, and of mistakes, which are refused before anything is opened."""

import json
import socket

import pytest
from support.answers import answer, forbid
from support.command import NEARLY_NOBODY, NO_CAPABILITIES, line, needs, tcpdrop

from tcpdrop import cli
from tcpdrop.cli.exit_status import status_of

pytestmark = [pytest.mark.privileged, pytest.mark.only_on("linux", "sunos", reason="drops")]


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

    def resolved(*_, **__):
        raise AssertionError("the resolver was asked")

    forbid(monkeypatch)
    monkeypatch.setattr(socket, "getaddrinfo", resolved)


LATE = ["--limit=x", "--limit=-1", "--order=best", "--rate=x", "--rate=0", "--method=best", "--interval=1s", "--for=x", "--max-drops=x"]


@pytest.mark.parametrize("option", LATE)
@pytest.mark.parametrize("source", ["lport 1", "--from"])
def test_a_value_that_cannot_be_read_is_refused_before_anything_is_opened(closed, tmp_path, capsys, option, source):
    saved = tmp_path / "saved"
    saved.write_text("127.0.0.1 1 127.0.0.1 2\n", encoding="utf-8")
    assert cli.main(["drop", "--no-syslog", option, *([source, str(saved)] if source == "--from" else [source])]) == 2
    assert option.partition("=")[0].lstrip("-") in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--limit=x", "--order=best", "--summary-by=colour", "-ocolour"])
def test_so_does_list(closed, option):
    assert cli.main(["list", option, "lport 1"]) == 2


@pytest.mark.parametrize("option", ["--method=best", "--protect=nonsense", "--netns=all"])
def test_so_does_the_classic_form(closed, option):
    """Also before a name is looked up."""
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
    *entries, summary = map(json.loads, capsys.readouterr().out.splitlines())
    assert [(entry["outcome"], entry["error"]) for entry in entries][-1] == ("failed", "still present"), "the last word about it"
    assert {entry["cookie"] for entry in entries} == {entries[0]["cookie"]}
    assert summary["counts"] == {"failed": 1}
    assert pair.alive()
