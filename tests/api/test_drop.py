# SPDX-License-Identifier: BSD-2-Clause
"""drop() from Python: every kind of target, what is raised before the first drop, and the Report."""

import asyncio
import errno
import threading
import time

import pytest
from support import procnet
from support.answers import answer
from support.crowd import Crowd

import tcpdrop
from tcpdrop.engine.run import Run
from tcpdrop.errors import FAILED, OUTCOMES

pytestmark = [pytest.mark.privileged, pytest.mark.only_on("linux", "sunos", reason="drops")]


@pytest.fixture
def pair(holder):
    made = holder.pair()
    yield made
    made.close()


@pytest.fixture
def other(holder):
    made = holder.pair()
    yield made
    assert made.alive()
    made.close()


def chosen(pair):
    return f"lport {pair.lport}"


TARGETS = {
    "text": lambda pair: (chosen(pair),),
    "Filter": lambda pair: (tcpdrop.Filter(chosen(pair)),),
    "combined": lambda pair: (tcpdrop.Filter("state established") & tcpdrop.Filter(chosen(pair)),),
    "Connection": lambda pair: (tcpdrop.connections(chosen(pair))[0],),
    "Connections": lambda pair: (tcpdrop.connections(chosen(pair)),),
    "slice": lambda pair: (tcpdrop.connections(chosen(pair))[:1],),
    "list": lambda pair: (list(tcpdrop.connections(chosen(pair))),),
    "tuple": lambda pair: (tuple(tcpdrop.connections(chosen(pair))),),
    "set": lambda pair: (set(tcpdrop.connections(chosen(pair))),),
    "generator": lambda pair: ((c for c in tcpdrop.connections() if c.local.port == pair.lport),),
}
SELECTORS = {
    "local_port": lambda pair: {"local_port": pair.lport},
    "ports": lambda pair: {"local_port": [pair.lport, 1]},
    "addresses": lambda pair: {"local_addr": "127.0.0.1", "remote_addr": ["127.0.0.1"], "remote_port": pair.rport},
    "states": lambda pair: {"states": ["ESTABLISHED"], "local_port": str(pair.lport)},
    "pid": lambda pair: {"pid": pair.pid, "local_port": pair.lport},
    "user": lambda pair: {"user": "root", "local_port": pair.lport},
}


@pytest.mark.parametrize("kind", TARGETS)
def test_targets(pair, other, kind):
    report = tcpdrop.drop(*TARGETS[kind](pair))
    assert report.counts == {"dropped": 1}
    assert [result.connection.local.port for result in report] == [pair.lport]
    assert pair.sock.errno("recv", 1) == errno.ECONNABORTED


@pytest.mark.parametrize("kind", SELECTORS)
def test_selectors(pair, other, kind, backend):
    if kind == "user" and not backend.uids:
        pytest.skip("no row tells its user here")
    assert tcpdrop.drop(**SELECTORS[kind](pair)).counts == {"dropped": 1}
    assert pair.state() is None


def test_a_filter_and_selectors_must_both_match(pair, other):
    assert tcpdrop.drop(chosen(pair), local_port=other.lport).counts == {}
    assert tcpdrop.drop(f"lport {pair.lport},{other.lport}", local_port=pair.lport).counts == {"dropped": 1}


def test_everything_must_be_said(pair):
    for call in (
        tcpdrop.drop,
        lambda: tcpdrop.drop(None),
        lambda: tcpdrop.drop(None, all=False),
        lambda: tcpdrop.drop(max_drops=10),
        lambda: tcpdrop.drop(chosen(pair), all=True),
        lambda: tcpdrop.drop(local_port=pair.lport, all=True),
    ):
        with pytest.raises(ValueError, match="all=True"):
            call()
    assert pair.alive()


@pytest.mark.parametrize("name", ["local_addr", "local_port", "remote_addr", "remote_port", "states", "pid", "process", "user"])
def test_a_selector_that_is_none_is_an_error(pair, name):
    """drop(remote_addr=config.get("banned")) must not drop everything."""
    with pytest.raises(TypeError):
        tcpdrop.drop(**{name: None})
    with pytest.raises(TypeError):
        tcpdrop.drop(chosen(pair), **{name: None})
    assert pair.alive()


@pytest.mark.parametrize("name", ["local_addr", "local_port", "remote_addr", "remote_port", "states", "pid", "process", "user"])
def test_an_empty_list_of_values_matches_nothing(pair, name):
    assert tcpdrop.drop(**{name: []}).counts == {}
    assert pair.alive()


@pytest.mark.parametrize("nothing", [[], (), set(), iter(())], ids=lambda empty: type(empty).__name__)
def test_nothing_given_drops_nothing(pair, nothing):
    report = tcpdrop.drop(nothing)
    assert len(report) == 0
    assert not report
    assert pair.alive()


def test_wrong_targets(pair):
    for wrong in (7, [7], [chosen(pair)], b"lport 1", {"a": 1}, object(), [None]):
        with pytest.raises(TypeError):
            tcpdrop.drop(wrong)
    for wrong in ("", "nonsense", "state listen", "lport 1 or lport 2 and lport 3"):
        with pytest.raises(tcpdrop.FilterError):
            tcpdrop.drop(wrong)
    found = list(tcpdrop.connections(chosen(pair)))
    for more in ({"all": True}, {"local_port": 1}):
        with pytest.raises(TypeError):
            tcpdrop.drop(found, **more)
    with pytest.raises(TypeError):
        tcpdrop.drop(chosen(pair), nosuchselector=1)
    with pytest.raises(ValueError, match="order"):
        tcpdrop.drop(chosen(pair), order="best")
    assert pair.alive()


def test_max_drops_raises_before_the_first_drop():
    with Crowd(5) as crowd:
        for target in (crowd.servers, tcpdrop.connections(crowd.servers), list(tcpdrop.connections(crowd.servers))):
            with pytest.raises(tcpdrop.TooMany, match="5 connections match, and at most 4") as caught:
                tcpdrop.drop(target, max_drops=4)
            assert isinstance(caught.value, tcpdrop.Refused)
        assert crowd.alive() == (5, 5)
        assert len(tcpdrop.drop(crowd.servers, max_drops=4, limit=4)) == 4
        assert tcpdrop.drop(crowd.servers, max_drops=1).counts == {"dropped": 1}


def test_a_missing_right_raises_before_the_first_drop(pair, other, monkeypatch):
    def no(*args, **kwargs):
        raise tcpdrop.NotPermitted("not permitted", errno=errno.EPERM)

    monkeypatch.setattr(Run, "_check_rights", no)
    with pytest.raises(tcpdrop.NotPermitted):
        tcpdrop.drop([*tcpdrop.connections(chosen(pair)), *tcpdrop.connections(chosen(other))])
    assert pair.alive()


def test_all_true_drops_every_connection_and_no_listener(holder):
    listener = holder.listener()
    pairs = [holder.pair(family) for family in ("inet", "inet6", "mapped")]
    report = tcpdrop.drop(all=True)
    assert report
    assert not any(pair.state() for pair in pairs)
    assert len(procnet.listeners(listener.name()[1])) == 1
    listener.close()


# ---- the report


def test_the_report(holder, pair, other):
    gone = holder.pair()
    found = tcpdrop.connections(f"lport {pair.lport},{other.lport},{gone.lport}")
    tcpdrop.drop_one(tuple(gone.local), tuple(gone.remote))
    report = tcpdrop.drop(found, protect=chosen(other))
    assert report.counts == {"dropped": 1, "gone": 1, "protected": 1}
    assert len(report) == sum(report.counts.values()) == 3
    assert report
    assert [len(kind) for kind in (report.dropped, report.gone, report.protected, report.failed)] == [1, 1, 1, 0]
    assert report.raise_for_failures() is None  # what is gone or spared is no failure
    assert [result.connection for result in report] == list(found)
    assert isinstance(report.gone[0].error, tcpdrop.NotFound)
    assert isinstance(report.protected[0].error, tcpdrop.Protected)
    assert report.dropped[0].error is None
    assert report.dropped[0].method == "destroy"
    assert repr(report) == "<Report: 1 dropped, 1 gone, 1 protected>"
    data = report.as_dict()
    assert (data["schema"], len(data["connections"]), data["summary"]["counts"]) == (1, 3, report.counts)
    assert [result.outcome for result in report] == [result.outcome for result in report]  # as often as it is asked


def test_failures_are_raised_on_demand(pair, other, monkeypatch):
    answers = {errno.EPERM: tcpdrop.NotPermitted, errno.EOPNOTSUPP: tcpdrop.NotSupported, errno.EIO: tcpdrop.Error}
    for number, kind in answers.items():
        answer(monkeypatch, number)
        report = tcpdrop.drop(chosen(pair), method="destroy")
        assert not report
        assert len(report.failed) == 1
        with pytest.raises(kind) as caught:
            report.raise_for_failures()
        assert caught.value.errno == number
        assert str(caught.value).startswith(str(report.failed[0].connection))
    assert pair.alive()


@pytest.mark.only_on("linux", reason="a kernel that lies, which test_queued.py has here")
def test_what_is_called_dropped_and_still_there_is_a_failure(pair, monkeypatch):
    """The kernel says yes and the socket lives: the second look finds it."""
    answer(monkeypatch, 0)
    for target in (chosen(pair), tcpdrop.connections(chosen(pair)), list(tcpdrop.connections(chosen(pair)))):
        report = tcpdrop.drop(target)
        assert report.counts == {OUTCOMES[FAILED]: 1}
        assert "still present" in str(report.failed[0].error)
    assert tcpdrop.drop(chosen(pair), verify=False).counts == {"dropped": 1}
    assert pair.alive()


@pytest.mark.only_on("linux", reason="a half-open connection that becomes a full one")
def test_what_outlived_a_drop_is_dropped_once_more(pair, monkeypatch):
    """As a half-open connection does that becomes a full one meanwhile."""
    answer(monkeypatch, 0, once=True)
    assert tcpdrop.drop(chosen(pair)).counts == {"dropped": 1}
    assert pair.state() is None


# ---- many at once


@pytest.mark.only_on("linux", reason="both ends go")
def test_threads():
    """Each drops its own service; nobody touches another's."""
    reports = {}
    with Crowd(400, ports=8) as crowd:

        def work(port):
            reports[port] = tcpdrop.drop(f"lport {port}")

        threads = [threading.Thread(target=work, args=(port,)) for port in range(20000, 20007)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert {port: report.counts for port, report in reports.items()} == {port: {"dropped": 50} for port in range(20000, 20007)}
        assert crowd.alive() == (50, 50)


@pytest.mark.only_on("linux", reason="a queued drop can be accepted twice elsewhere")
def test_threads_that_want_the_same_connections():
    reports = []
    with Crowd(300) as crowd:
        found = tcpdrop.connections(crowd.servers)
        threads = [threading.Thread(target=lambda: reports.append(tcpdrop.drop(found))) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert sum(len(report.dropped) for report in reports) == 300
        assert sum(len(report.gone) for report in reports) == 900
        assert crowd.alive() == (0, 0)


@pytest.mark.only_on("linux", reason="both ends go")
def test_asyncio():
    async def main(crowd):
        ticks = 0
        task = asyncio.create_task(asyncio.to_thread(tcpdrop.drop, crowd.servers))
        while not task.done():
            ticks += 1
            await asyncio.sleep(0)
        return task.result(), ticks

    with Crowd(2000) as crowd:
        report, ticks = asyncio.run(main(crowd))
        assert report.counts == {"dropped": 2000}
        assert ticks > 0
        assert crowd.alive() == (0, 0)


def test_an_exact_drop_is_logged_too(pair, caplog):
    with caplog.at_level("INFO", logger="tcpdrop"):
        tcpdrop.drop_one(pair.local, pair.remote)
    (record,) = caplog.records
    assert record.getMessage().endswith(": dropped")
    assert record.result.outcome == "dropped"


# ---- a watch


def test_a_watch_takes_what_drop_takes(pair, caplog):
    """A duration as text, a rate, a reason; everything, with what is spared beside it."""
    with caplog.at_level("INFO", logger="tcpdrop"):
        results = list(tcpdrop.keep_dropping(chosen(pair), duration="20ms", interval=0.01, rate=1000, reason="ticket 7"))
    assert [result.outcome for result in results] == ["dropped"]
    assert [record.reason for record in caplog.records] == ["ticket 7"]
    assert pair.state() is None


@pytest.mark.only_on("linux", reason="interfaces by name")
def test_names_that_nothing_has():
    assert tcpdrop.absent_names("dev nosuch", remote_addr="fe80::1%lo") == ["there is no interface 'nosuch'"]
    assert tcpdrop.absent_names(remote_addr=["fe80::1%eth7x", "192.0.2.1"]) == ["there is no interface 'eth7x'"]
    assert tcpdrop.absent_names() == tcpdrop.absent_names("dev lo") == []
    with pytest.raises(TypeError, match="netns is "):
        tcpdrop.absent_names("dev lo", netns=[])


def test_it_ends_when_it_is_told_to(holder):
    """A run with a rate between two drops, a watch between two looks; what was dropped by then is told."""
    pairs = [holder.pair(victim="server") for _ in range(3)]
    only = {"local_port": [pair.lport for pair in pairs], "remote_port": [pair.rport for pair in pairs]}
    assert tcpdrop.drop(**only, stopped=lambda: True).counts == {"listed": 3}
    assert list(tcpdrop.keep_dropping(**only, duration=60, stopped=lambda: True)) == []
    report = tcpdrop.drop(**only, rate=1, stopped=lambda: any(pair.state() is None for pair in pairs))
    assert report.counts == {"dropped": 1, "listed": 2}
    began = time.monotonic()
    watch = tcpdrop.keep_dropping(**only, duration=60, stopped=lambda: not any(pair.state() for pair in pairs))
    assert sorted(result.outcome for result in watch) == ["dropped"] * 2
    assert time.monotonic() - began < 30


def test_a_watch_over_everything(pair, other):
    spare = f"lport {other.lport} or rport {other.lport}"
    results = list(tcpdrop.keep_dropping(all=True, duration=0, protect=spare))
    assert {result.connection.local.port: result.outcome for result in results if result.outcome != "protected"}[pair.lport] == "dropped"
    assert pair.state() is None


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"duration": "soon"}, "is not a duration"),
        ({"duration": "30"}, "is not a duration"),
        ({"duration": 1, "rate": 0}, "rate is 1 or more a second"),
        ({"duration": 1, "all": True}, "all=True does not go with a selection"),
        ({"duration": 1, "remote_addr": "localhost"}, "remote_addr: "),
    ],
)
def test_a_watch_refuses_wrong_arguments_at_once(other, how, said):
    """At the call, not at the first look."""
    with pytest.raises(ValueError, match=said):
        tcpdrop.keep_dropping(chosen(other), **how)


NAN = float("nan")
#: where what was given would have been taken without a word, some of it as "everything" or "for ever"
ODD = {
    "duration": [NAN, -1, None, True, [], b"1s"],
    "interval": [NAN, -0.5, None, True, [], 0, 1e-9],
    "stopped": [None, True, []],
    "max_drops": [NAN, -1, 1.0, True, "5", [], b"5"],
    "rate": [NAN, 1.5, True, "5", []],
    "include_self": [None, "no", 0, 1, []],
    "all": [None, "no", 0, 1, []],
    "dry_run": [None, "no", 0, 1, []],
    "verify": [None, "no", 0],
    "netns": [True, [], ["all"], {}, b"x", 5.5],
    "order": [b"oldest", 5],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in ODD.items() for value in values], ids=repr)
def test_a_value_of_another_kind_is_refused_before_anything(other, name, value):
    """With its name, in the preview as in the real run, and not after the first drop."""
    if name not in ("dry_run", "verify", "order"):
        with pytest.raises((TypeError, ValueError), match=f"{name} is "):
            tcpdrop.keep_dropping(chosen(other), **{"duration": 0, name: value})
    for dry_run in (True, False):
        if name in ("duration", "interval"):
            break
        with pytest.raises((TypeError, ValueError), match=f"{name} is |no order"):
            tcpdrop.drop(chosen(other), **{"dry_run": dry_run, name: value})
    if name == "netns":
        with pytest.raises(TypeError, match="netns is "):
            tcpdrop.connections(netns=value)
    if name in ("netns", "include_self"):
        with pytest.raises(TypeError, match=f"{name} is "):
            tcpdrop.drop_one(other.local, other.remote, **{name: value})


def test_a_flag_of_a_million_letters_is_told_in_a_few(other):
    for drop in (
        lambda flag: tcpdrop.drop(chosen(other), include_self=flag),
        lambda flag: tcpdrop.drop_one(other.local, other.remote, include_self=flag),
    ):
        with pytest.raises(TypeError, match="include_self is True or False") as caught:
            drop("\x1b" + "x" * 1_000_000)
        assert len(str(caught.value)) < 400
        assert str(caught.value).isprintable()


def test_a_time_without_end_is_no_error(pair):
    assert next(tcpdrop.keep_dropping(chosen(pair), duration=10**400, interval=float("inf"))).outcome == "dropped"
    assert pair.state() is None


def test_a_rate_is_kept(holder):
    pairs = [holder.pair(port=0, victim="server") for _ in range(4)]
    ports = [pair.lport for pair in pairs]
    began = time.monotonic()
    assert tcpdrop.drop(local_port=ports, rate=20).counts == {"dropped": 4}  # two at a time, ten times a second
    assert time.monotonic() - began >= 0.1
    with pytest.raises(ValueError, match="rate is 1 or more"):
        tcpdrop.drop(local_port=ports, rate=0)


def test_a_wrong_selector_is_told_by_its_name():
    for name, value in {"local_addr": "x", "remote_addr": "x", "local_port": "x", "remote_port": "x", "states": "x", "pid": "x"}.items():
        with pytest.raises(tcpdrop.FilterError, match=f"^{name}: 'x' "):
            tcpdrop.connections(**{name: value})
