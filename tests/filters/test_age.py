# SPDX-License-Identifier: BSD-2-Clause
"""Where the kernel keeps creation times: age in both directions, oldest and newest first."""

import json
import os

import pytest
from support.command import line, tcpdrop, words

import tcpdrop as api
from tcpdrop.model import sunos_clock as clock
from tcpdrop.model.rows import COOKIE

pytestmark = [pytest.mark.privileged, pytest.mark.only_on("sunos", reason="keeps no creation time")]

#: seconds ago
OLD, YOUNG = 7200, 600


@pytest.fixture
def aged(holder, monkeypatch):
    """An old connection and a young one; the simulator is told when they were made."""
    pairs = [holder.pair(), holder.pair()]
    now = clock.now()
    stamps = [
        f"{port}:{now - ago * clock.PER_SECOND}" for pair, ago in zip(pairs, (OLD, YOUNG)) for port in (words(pair)[1], words(pair)[3])
    ]
    monkeypatch.setenv("TCPDROP_SIM_CREATED", ",".join(stamps))
    return pairs


def both(pairs):
    return "lport " + ",".join(str(pair.lport) for pair in pairs)


@pytest.mark.parametrize(
    ("age", "found"),
    [
        ("age gt 1h", [0]),
        ("age lt 1h", [1]),
        ("not age gt 1h", [1]),
        ("age ge 5m", [0, 1]),
        ("age lt 5m", []),
        ("age gt 119m and age lt 121m", [0]),
    ],
)
def test_age_both_ways(aged, age, found):
    done = tcpdrop("list", "--json", both(aged), age)
    ports = sorted(entry["local_port"] for entry in json.loads(done.out)["connections"])
    assert ports == sorted(aged[place].lport for place in found), done.err
    assert done.status == (0 if found else 1)


def test_age_in_json_and_in_python(aged):
    entries = json.loads(tcpdrop("list", "--json", both(aged)).out)["connections"]
    ages = {entry["local_port"]: entry["age_ms"] for entry in entries}
    assert [ages[pair.lport] // 60_000 for pair in aged] == [120, 10]


@pytest.mark.parametrize(("order", "first"), [("oldest", 0), ("newest", 1)])
def test_the_first_by_age(aged, order, first):
    done = tcpdrop("list", "-o", "local_port", "--order", order, both(aged))
    assert [int(word) for word in done.out.split()[-2:]] == [aged[first].lport, aged[1 - first].lport]
    done = tcpdrop("drop", "--order", order, "--limit", "1", both(aged))
    assert (done.status, done.out) == (0, f"{line(aged[first])}: dropped\n")
    assert aged[1 - first].alive()


def test_the_age_option_and_a_rule(aged):
    assert tcpdrop("drop", "--protect", "age gt 1h", both(aged)).out == f"{line(aged[1])}: dropped\n"
    done = tcpdrop("drop", "--age", "1h", both(aged))
    assert (done.status, done.out) == (0, f"{line(aged[0])}: dropped\n")


@pytest.mark.parametrize("entries", ["56,84", "300,320"])
def test_no_creation_time_is_no_age(aged, entries):
    """A kernel that shows none, or of an unknown layout: unknown, in neither direction."""
    environment = {"TCPDROP_SIM_ENTRIES": entries}
    for comparison in ("gt", "lt"):
        done = tcpdrop("drop", both(aged), f"age {comparison} 1h", env=environment)
        assert (done.status, done.out) == (3, ""), done.err
    entries = json.loads(tcpdrop("list", "--json", both(aged), env=environment).out)["connections"]
    assert [entry["age_ms"] for entry in entries] == [None, None]
    assert all(pair.alive() for pair in aged)


def test_a_stamp_from_the_future_is_of_another_clock(aged, monkeypatch):
    monkeypatch.setenv("TCPDROP_SIM_CREATED", f"{aged[0].lport}:{clock.now() + 3600 * clock.PER_SECOND}")
    (found,) = api.connections(f"lport {aged[0].lport}")
    assert found.age_ms is None
    assert not api.connections(f"lport {aged[0].lport} age lt 1h")


def test_the_clock_is_that_of_times():
    before = os.times().elapsed
    assert before <= clock.now() / clock.PER_SECOND <= os.times().elapsed


def test_of_two_made_in_one_tick_the_other_is_no_survivor(aged, monkeypatch):
    """One process, one tick: one stamp, and yet two connections."""
    stamp = clock.now() - YOUNG * clock.PER_SECOND
    monkeypatch.setenv("TCPDROP_SIM_CREATED", ",".join(f"{pair.lport}:{stamp}" for pair in aged))
    done = tcpdrop("drop", "--limit", "1", both(aged))
    assert (done.status, done.out.count(": dropped")) == (0, 1), done.err


def test_the_stamp_is_part_of_the_identity(aged, monkeypatch):
    """A connection that has taken the tuple meanwhile is another one."""
    saved = list(api.connections(both(aged)))
    assert all(connection._row[COOKIE] for connection in saved)
    later = clock.now() - 5 * clock.PER_SECOND
    monkeypatch.setenv("TCPDROP_SIM_CREATED", ",".join(f"{pair.lport}:{later}" for pair in aged))
    assert api.drop(saved).counts == {"gone": 2}
    assert all(pair.alive() for pair in aged)
