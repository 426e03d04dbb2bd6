# SPDX-License-Identifier: BSD-2-Clause
"""A dry run shows what the real run does, in its order, meets its refusals with its status, and drops nothing."""

import json

import pytest
from support import procnet
from support.command import COMMAND, NO_CAPABILITIES, needs, run, tcpdrop
from support.crowd import Crowd
from support.holder import Holder

import tcpdrop as package

pytestmark = [pytest.mark.privileged, pytest.mark.only_on("linux", "sunos", reason="drops")]
BOTH_ENDS = pytest.mark.only_on("linux", reason="the other end of a connection goes with it")


@BOTH_ENDS
@pytest.mark.parametrize("number", [7, 300, 12000])
def test_the_same_rows_in_the_same_order(number):
    with Crowd(number) as crowd:
        dry = tcpdrop("drop", "--yes", "-n", crowd.servers)
        assert crowd.alive() == (number, number)
        real = tcpdrop("drop", "--yes", crowd.servers)
        assert real.out == dry.out.replace(": would drop\n", ": dropped\n")
        assert real.out.count("\n") == number
        assert crowd.alive() == (0, 0)


@BOTH_ENDS
def test_limit_takes_the_rows_that_were_shown():
    with Crowd(50) as crowd:
        dry = tcpdrop("drop", "-n", "--limit=20", crowd.servers)
        real = tcpdrop("drop", "--yes", "--limit=20", crowd.servers)
        assert real.out == dry.out.replace(": would drop\n", ": dropped\n")
        assert crowd.alive() == (30, 30)


@BOTH_ENDS
@pytest.mark.parametrize("form", ["json", "jsonl"])
def test_the_same_objects(form):
    with Crowd(40) as crowd:

        def entries(*options):
            out = tcpdrop("drop", "--yes", f"--{form}", *options, crowd.servers).out
            found = json.loads(out)["connections"] if form == "json" else [json.loads(text) for text in out.splitlines()[:-1]]
            fate = ("outcome", "method", "victim_sees", "peer_told")
            return [{key: value for key, value in entry.items() if key not in fate} for entry in found]

        dry = entries("--dry-run")
        assert crowd.alive() == (40, 40)
        assert entries() == dry
        assert len(dry) == 40


OPTIONS = [
    *(("-n", "--yes"), ("-l", "--all"), ("-n", "--all", "--yes", "--include-self"), ("-l", "--all", "--yes"), ("-n", "-l", "--yes")),
    *(("-n", "--for=1s", "--yes"), ("-n", "--until-gone", "--yes"), ("-n", "--rate=1000", "--yes"), ("-n", "-q", "--yes")),
    *(("-n", "-c", "--yes"), ("-n", "--json", "--yes"), ("-n", "--max-drops=none"), ("-n", "--order=oldest", "--yes")),
    *(("-n", "--syslog", "--reason=x", "--yes"), ("-n", "-s", "established", "--yes"), ("-nq", "--protect", "lport 1", "--yes")),
]


@BOTH_ENDS
@pytest.mark.parametrize("options", OPTIONS, ids=" ".join)
def test_a_dry_run_drops_nothing_whatever_else_is_given(options):
    with Crowd(30) as crowd:
        selection = () if "--all" in options else (crowd.servers,)
        done = tcpdrop("drop", *options, *selection)
        assert done.status == 0, done
        assert crowd.alive() == (30, 30)
        assert ": dropped" not in done.out


@BOTH_ENDS
def test_saved_rows():
    with Crowd(10) as crowd:
        saved = tcpdrop("list", "--jsonl", crowd.servers).out.encode()
        done = tcpdrop("drop", "-n", "--yes", "--from", "-", stdin=None, input=saved)
        assert (done.status, done.out.count(": would drop\n")) == (0, 10)
        assert crowd.alive() == (10, 10)


@pytest.mark.parametrize("target", ["text", "list", "all"])
def test_in_python(target, holder):
    pair = holder.pair()
    chosen = f"lport {pair.lport}"
    if target == "all":
        report = package.drop(all=True, dry_run=True)
    else:
        report = package.drop(chosen if target == "text" else list(package.connections(chosen)), dry_run=True)
    assert set(report.counts) == {"would_drop"}
    assert report
    assert report.dry_run
    assert pair.alive()


# ---- the refusals of the real run


@pytest.fixture
def fifty_five():
    """Connections of a holder of their own; both ends of each show."""
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
def test_the_refusal_that_the_real_run_would_meet(fifty_five, form, status, said):
    preview = tcpdrop(*form, *([] if "-l" in form else ["-n"]))
    assert preview.status == status, preview.err
    assert preview.out
    assert said in preview.err
    if said:
        real = tcpdrop(*form)
        assert (real.status, real.out) == (status, "")
        assert said in real.err
    assert all(pair.state() == "ESTABLISHED" for pair in fifty_five)


def test_without_rights_the_selection_and_then_the_refusal(holder):
    pair = holder.pair()
    wrapper = needs(*NO_CAPABILITIES)
    dry = tcpdrop("drop", "-n", f"lport {pair.lport}", wrapper=wrapper)
    real = tcpdrop("drop", f"lport {pair.lport}", wrapper=wrapper)
    assert dry.status == real.status == 3
    assert dry.out.endswith(": would drop\n")
    assert "the real run would be refused: not permitted" in dry.err
    assert real.out == ""
    assert "not permitted" in real.err
    assert pair.alive()


@BOTH_ENDS
def test_a_bound(holder):
    with Crowd(5) as crowd:
        dry = tcpdrop("drop", "-n", "--max-drops=4", crowd.servers)
        real = tcpdrop("drop", "--max-drops=4", crowd.servers)
        assert dry.status == real.status == 4
        assert dry.out.count(": would drop\n") == 5
        assert "the real run would be refused: 5 connections match" in dry.err
        assert crowd.alive() == (5, 5)
        report = package.drop(crowd.servers, max_drops=4, dry_run=True)
        assert isinstance(report.refusal, package.TooMany)


@BOTH_ENDS
def test_without_a_terminal_the_default_bound_and_the_need_of_yes():
    """The status of the real run from the same script."""
    with Crowd(101) as crowd:
        dry = tcpdrop("drop", "-n", crowd.servers)
        assert dry.status == tcpdrop("drop", crowd.servers).status == 4
        assert dry.out.count(": would drop\n") == 101
        assert "the real run would be refused: 101 connections match" in dry.err
        assert crowd.alive() == (101, 101)
    with Crowd(2) as crowd:
        dry = tcpdrop("drop", "-n", "--all")
        assert dry.status == 4
        assert "the real run would be refused: without a terminal this needs --yes" in dry.err
        assert crowd.alive() == (2, 2)


def test_only_protected(holder):
    pair = holder.pair()
    rule = ("--protect", f"lport {pair.lport}")
    dry = tcpdrop("drop", "-n", *rule, f"port {pair.lport}")
    real = tcpdrop("drop", *rule, f"port {pair.lport}")
    assert dry == real
    assert (dry.status, dry.out) == (4, "")


# ---- -l


def test_l_prints_what_sh_can_run_and_protected_rows_as_comments(holder):
    safe, victim = holder.pair(), holder.pair()
    done = tcpdrop("-l", "-a", "--protect", f"lport {safe.lport}")
    assert done.status == 0
    lines = done.out.splitlines()
    assert all(text.startswith(("tcpdrop ", "# tcpdrop ")) for text in lines)
    ends = {text for text in lines if str(safe.lport) in text.split()}
    assert len(ends) == 2
    assert all(text.startswith("# tcpdrop ") and "protected: by --protect" in text for text in ends)
    script = f'tcpdrop() {{ "$COMMAND" "$@"; }}\n{done.out}'
    assert run("sh", "-c", script, env={"COMMAND": str(COMMAND)}).out.count(": dropped\n") >= 1
    assert victim.state() is None
    assert safe.alive()
    assert procnet.state(safe.tuple) == "ESTABLISHED"
