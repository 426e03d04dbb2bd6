# SPDX-License-Identifier: BSD-2-Clause
"""Never more than was approved: limits and bounds, what is broad, and what matches later, where nobody can be asked."""

import json

import pytest
from support.answers import forbid
from support.command import line, tcpdrop
from support.crowd import Crowd

import tcpdrop as package
from tcpdrop import cli
from tcpdrop.cli import drop

pytestmark = [pytest.mark.privileged, pytest.mark.only_on("linux", "sunos", reason="drops")]
BOTH_ENDS = pytest.mark.only_on("linux", reason="the other end of a connection goes with it")


# ---- limits


def lport(pairs):
    return "lport " + ",".join(str(pair.lport) for pair in pairs)


def test_a_limit_binds_what_is_read_from_a_file(holder, tmp_path):
    pairs = [holder.pair(), holder.pair()]
    file = tmp_path / "victims"
    file.write_text("".join(f"{line(pair)}\n" for pair in pairs))
    done = tcpdrop("drop", "--from", file, "--limit", "1")
    assert (done.status, done.out) == (0, f"{line(pairs[0])}: dropped\n")
    assert pairs[1].alive()


@pytest.mark.parametrize("form", [["drop"], ["drop", "-n"], ["list"]], ids=" ".join)
def test_a_limit_of_nothing_is_refused(holder, form):
    """Else it said that nothing matched."""
    pair = holder.pair()
    done = tcpdrop(*form, "--limit", "0", f"lport {pair.lport}")
    assert (done.status, done.out, done.err) == (2, "", "tcpdrop: --limit is 1 or more: 0 would select nothing\n")
    assert pair.alive()


def test_an_order_needs_what_a_file_does_not_have(holder, tmp_path):
    pair = holder.pair()
    file = tmp_path / "victims"
    file.write_text(f"{line(pair)}\n")
    assert tcpdrop("drop", "--from", file, "--order", "oldest").status == 2
    assert pair.alive()


@pytest.mark.parametrize("limit", [1, None])
@pytest.mark.parametrize("order", ["idlest", "largest"])
def test_an_order_that_nothing_can_be_ordered_by_is_refused(holder, order, limit):
    """Given connections carry no details: the first of them is not the one that was meant."""
    pairs = [holder.pair(), holder.pair()]
    found = package.connections(lport(pairs))
    for target in (found, list(found), list(package.connections(lport(pairs), details=True))):
        with pytest.raises(ValueError, match=f"nothing is known that order '{order}' could go by"):
            package.drop(target, order=order, limit=limit)
    assert all(pair.alive() for pair in pairs)


@pytest.mark.only_on("linux", reason="measures of tcp_info")
def test_an_order_of_measured_connections_goes_by_what_was_measured(holder):
    pairs = [holder.pair(), holder.pair()]
    pairs[1].sock.call("sendall", b"x" * 1000)
    pairs[1].peer.call("recv", 1000)
    report = package.drop(package.connections(lport(pairs), details=True), order="largest", limit=1)
    assert [str(result.connection) for result in report] == [line(pairs[1])]
    assert pairs[0].alive()


@pytest.mark.parametrize("wrong", [{"order": "best"}, {"limit": -1}, {"limit": "1"}, {"rate": 0}, {"method": "best"}])
def test_a_wrong_argument_is_refused_before_anything_is_opened(monkeypatch, wrong):
    forbid(monkeypatch)
    with pytest.raises((TypeError, ValueError)):
        package.drop("lport 1", **wrong)
    if wrong.keys() & {"rate", "method"}:
        with pytest.raises(ValueError):
            package.keep_dropping("lport 1", duration=1, **wrong)


@pytest.mark.parametrize("limit", [-1, True, "1", 1.5])
def test_a_limit_that_is_no_number_of_connections(holder, limit):
    """[:-1] would be all but one of them."""
    pairs = [holder.pair(), holder.pair()]
    with pytest.raises((TypeError, ValueError)):
        package.drop(lport(pairs), limit=limit)
    assert all(pair.alive() for pair in pairs)


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


# ---- bounds


@BOTH_ENDS
def test_without_a_terminal_a_hundred_pass_and_one_more_does_not():
    with Crowd(101) as crowd:
        done = tcpdrop("drop", crowd.servers)
        assert (done.status, done.out) == (4, "")
        assert "101 connections match, and without a terminal at most 100 are dropped: none was" in done.err
        assert crowd.alive() == (101, 101)
        done = tcpdrop("drop", "--json", crowd.servers)
        assert (done.status, json.loads(done.out)["type"]) == (4, "error")
        assert crowd.alive() == (101, 101)
        assert tcpdrop("drop", "--limit=100", crowd.servers).status == 0
        assert crowd.alive() == (1, 1)
    with Crowd(100) as crowd:
        assert tcpdrop("drop", crowd.servers).status == 0
        assert crowd.alive() == (0, 0)


BOUNDS = {
    "yes lifts the default": (("--yes",), 0),
    "an explicit bound is enough": (("--max-drops=101",), 0),
    "none is explicit": (("--max-drops", "none"), 0),
    "yes never lifts an explicit one": (("--yes", "--max-drops=100"), 4),
    "less": (("--max-drops=100",), 4),
    "zero": (("--yes", "--max-drops=0"), 4),
}


@BOTH_ENDS
@pytest.mark.parametrize("case", BOUNDS)
def test_bounds(case):
    options, status = BOUNDS[case]
    with Crowd(101) as crowd:
        done = tcpdrop("drop", *options, crowd.servers)
        assert done.status == status, done.err
        assert crowd.alive() == ((0, 0) if status == 0 else (101, 101))
        assert (done.out == "") == (status == 4)


@BOTH_ENDS
def test_protected_rows_do_not_count_towards_a_bound():
    with Crowd(101, ports=1) as crowd:
        first = json.loads(tcpdrop("list", "--jsonl", "--limit=1", crowd.servers).out.splitlines()[0])
        port = first["remote_port"]
        done = tcpdrop("drop", "--protect", f"rport {port}", crowd.servers)
        assert done.status == 0
        assert crowd.alive() == (1, 1)


# ---- what is broad


@pytest.mark.parametrize("option", ["-4", "-6"])
def test_a_family_alone_is_no_selection(holder, option):
    """`drop -4 $UNSET` must not be every IPv4 connection of the host."""
    pair = holder.pair()
    done = tcpdrop("drop", option)
    assert (done.status, done.out) == (2, "")
    assert "nothing is selected" in done.err
    assert pair.alive()


BROAD = [("-a",), ("drop", "--all"), ("-s", "established"), ("drop", "--state=established"), ("drop", "-s", "all")]
#: the same in the language, and what holds for every connection, or for all of a state, a family or a direction
BROAD += [("drop", text) for text in ("state established", "state all", "not state listen", "exclude close-wait")]
BROAD += [("drop", text) for text in ("port ge 1", "remote 0.0.0.0/0", "not rport gt 65535", "family inet", "lport 22 or not lport 22")]
BROAD += [("drop", "--remote-addr=0.0.0.0/0", "--remote-port=1-65535")]
BROAD += [("drop", "-s", "established", "port ge 1"), ("drop", "-4", "state all")]
_SHOWN = pytest.mark.only_on("linux", reason="elsewhere it rarely shows which end opened a connection, and nothing is selected")
BROAD += [pytest.param(("drop", "in or not in"), marks=_SHOWN)]


@pytest.mark.parametrize("form", BROAD)
def test_broad_forms_need_yes(holder, form):
    pair = holder.pair()
    for more in ((), ("--max-drops=none",), ("--max-drops=100000",)):
        done = tcpdrop(*form, *more)
        assert (done.status, done.out) == (4, "")
        assert "without a terminal this needs --yes" in done.err
    assert tcpdrop(*form, "-n").status == 4
    assert pair.alive()


@pytest.mark.only_on("linux", reason="a whole network namespace, and the other end of each goes with it")
@pytest.mark.parametrize("form", [("-s", "established"), ("drop", "state", "established"), ("drop", "port ge 1")])
def test_broad_forms_drop_with_yes(form):
    with Crowd(3, buckets=256) as crowd:
        done = tcpdrop(*form, "--yes", "--netns", str(crowd.pid))
        assert done.status == 0, done.err
        assert crowd.alive() == (0, 0)


#: Python and the selection -> is it broad?
SELECTIONS = [
    *[((text,), {}, True) for text in ("state established", "not state listen", "in", "port ge 1", "not rport gt 65535")],
    *[((), {"states": "established"}, True), ((), {"remote_addr": "0.0.0.0/0"}, True)],
    ((), {"local_port": "0-65535", "states": "all"}, True),
    *[(("lport 1",), {}, False), (("state established",), {"local_port": 1}, False), ((), {"remote_addr": []}, False)],
]


@pytest.mark.parametrize(("given", "selectors", "broad"), SELECTIONS, ids=str)
def test_python_types_breadth_too(holder, given, selectors, broad):
    """all=True says that it is meant, and max_drops bounds it; a dry run is no different."""
    pair = holder.pair()
    assert package.is_broad(*given, **selectors) is broad

    def calls(**how):
        yield lambda: package.drop(*given, dry_run=True, **selectors, **how)
        yield lambda: list(package.keep_dropping(*given, duration=0, protect="port 0:65535", **selectors, **how))

    for call in calls():
        if broad:
            with pytest.raises(ValueError, match="is as broad as all=True: say that too, or bound it by max_drops"):
                call()
        else:
            call()
    for call in calls(all=True):
        if broad:
            call()
        else:
            with pytest.raises(ValueError, match="all=True does not go with a selection"):
                call()
    for call in calls(max_drops=100000):
        call()
    assert pair.alive()


def test_nothing_selected_is_broad_and_given_connections_are_not_asked_about(holder):
    assert package.is_broad()
    pair = holder.pair()
    assert package.drop(package.connections(f"lport {pair.lport}")).counts == {"dropped": 1}


def test_a_state_with_another_selector_is_not_broad(holder):
    pair = holder.pair()
    assert tcpdrop("-s", "established", "--local-port", str(pair.lport)) == (0, f"{line(pair)}: dropped\n", "")


@BOTH_ENDS
def test_exact_forms_are_exempt():
    with Crowd(150) as crowd:
        saved = tcpdrop("list", "--jsonl", crowd.servers).out.encode()
        done = tcpdrop("drop", "--from", "-", "--max-drops=149", stdin=None, input=saved)
        assert done.status == 4
        assert crowd.alive() == (150, 150)
        assert tcpdrop("drop", "--from", "-", stdin=None, input=saved).status == 0
        assert crowd.alive() == (0, 0)


# ---- rounds


class Coming:
    """A connection more whenever the command looks."""

    def __init__(self, service, monkeypatch):
        self.service = service
        self.select = drop.select
        monkeypatch.setattr(drop, "select", self.look)

    def look(self, *args, **kwargs):
        self.service.connect()
        return self.select(*args, **kwargs)


@pytest.mark.parametrize(
    ("options", "dropped", "status", "says"),
    [
        ((), 1, 0, "tcpdrop: 1 more match now\n"),
        (("--yes",), 4, 0, "tcpdrop: 1 more match now\n"),
        (("--yes", "--max-drops=2"), 2, 0, "tcpdrop: 1 more match, beyond the bound of 2: they were left alone\n"),
        (("--yes", "--limit=1"), 1, 0, ""),
    ],
)
def test_further_rounds(service, monkeypatch, capsys, options, dropped, status, says):
    one = service(0)
    Coming(one, monkeypatch)
    assert cli.main(["drop", *options, f"lport {one.port}"]) == status
    out, err = capsys.readouterr()
    assert out.count(": dropped\n") == dropped
    assert says in err
    assert one.alive() == len(one.clients) - dropped


def test_rounds_end_when_nothing_is_left(service):
    one = service(3)
    assert "more match" not in tcpdrop("drop", "--yes", f"lport {one.port}").err
    assert one.alive() == 0


def test_protected_rows_are_no_new_ones(service):
    one = service(3)
    port = one.clients[0].name()[1]
    done = tcpdrop("drop", "--yes", "--protect", f"rport {port}", f"lport {one.port}")
    assert done.status == 0
    assert "more match" not in done.err
    assert done.err.count("protected (by") == 1
    assert one.alive() == 1
