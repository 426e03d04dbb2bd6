# SPDX-License-Identifier: BSD-2-Clause
"""A dry run ends as the real one would, and what else a command line is told in advance."""

import json

import pytest
from support.command import tcpdrop, words
from support.holder import Holder

from tcpdrop import cli

pytestmark = [pytest.mark.privileged, pytest.mark.only_on("linux", "sunos", reason="drops")]


@pytest.fixture
def crowd():
    with Holder() as holder:
        yield [holder.pair() for _ in range(55)]


@pytest.mark.parametrize(
    ("form", "status", "said"),
    [
        (["drop", "--all"], 4, "without a terminal this needs --yes"),
        (["-s", "established"], 4, "without a terminal this needs --yes"),
        (["drop", "loopback"], 4, "and without a terminal at most 100 are dropped"),
        (["drop", "loopback", "--max-drops=5"], 4, "and at most 5 may be dropped"),
        (["drop", "loopback", "--max-drops=none"], 0, ""),
        (["drop", "loopback", "--limit=7"], 0, ""),
        (["drop", "--all", "--yes"], 0, ""),
        (["-l", "-a"], 0, ""),
    ],
    ids=str,
)
def test_the_refusal_that_the_real_run_would_meet(crowd, form, status, said):
    preview = tcpdrop(*form, *([] if "-l" in form else ["-n"]))
    assert preview.status == status, preview.err
    assert preview.out
    assert said in preview.err
    if said:
        real = tcpdrop(*form)
        assert (real.status, real.out) == (status, "")
        assert said in real.err
    assert all(pair.state() == "ESTABLISHED" for pair in crowd)


@pytest.mark.only_on("linux", reason="the peer is told")
def test_peer_told_of_the_classic_form(holder):
    pair = holder.pair()
    (entry,) = json.loads(tcpdrop("--json", *words(pair)).out)["connections"]
    assert (entry["outcome"], entry["peer_told"]) == ("dropped", True)


def test_a_filter_error_says_its_column():
    done = tcpdrop("list", "lport", "80", "or")
    assert done.status == 2
    assert done.err.endswith("after 'or' (column 12)\n")
    assert json.loads(tcpdrop("list", "--json", "lport 80 or").out)["error"].endswith("(column 12)")


def test_no_time_at_all_is_one_look(holder):
    pair = holder.pair()
    done = tcpdrop("drop", "--until-gone=0s", f"lport {pair.local[1]}")
    assert done.out.endswith(": dropped\n")
    assert pair.state() is None


def test_looking_without_a_pause_is_refused(capsys):
    assert cli.main(["drop", "--for", "1s", "--interval", "0s", "lport 9"]) == 2
    assert "--interval is longer than nothing" in capsys.readouterr().err
