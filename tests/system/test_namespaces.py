# SPDX-License-Identifier: BSD-2-Clause
"""A network namespace is opened once a run, whatever its name leads to later, and no descriptor outlives the run."""

import os

import pytest
from support.holder import Holder

import tcpdrop
from tcpdrop.engine.run import Run
from tcpdrop.filters import Filter
from tcpdrop.filters.selection import select
from tcpdrop.safety.guard import Guard
from tcpdrop.system import netns

pytestmark = [pytest.mark.privileged, pytest.mark.only_on("linux", reason="network namespaces")]


@pytest.fixture
def name(other_namespace, monkeypatch, tmp_path):
    """(the holder in there, lead): the name 'blue' leads to its namespace, or by lead(pid) to another's."""
    theirs, _ = other_namespace
    monkeypatch.setattr(netns, "NAMES", str(tmp_path))

    def lead(pid):
        (tmp_path / "new").symlink_to(f"/proc/{pid}/ns/net")
        (tmp_path / "new").replace(tmp_path / "blue")

    lead(theirs.pid)
    return theirs, lead


def descriptors():
    return sorted(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize("step", ["protected", "_check_rights", "verify"])
def test_a_name_that_leads_elsewhere_meanwhile_changes_nothing(name, monkeypatch, step):
    theirs, lead = name
    pair = theirs.pair()
    where = Guard if step == "protected" else Run
    real = getattr(where, step)
    with Holder(netns=True) as others:
        monkeypatch.setattr(where, step, lambda *arguments: (lead(others.pid), real(*arguments))[1])
        report = tcpdrop.drop(f"lport {pair.lport}", netns="blue", protect="lport 1")
    assert report.counts == {"dropped": 1}
    assert report.unverified is None
    assert pair.state() is None


def test_it_is_opened_once(name, monkeypatch):
    theirs, _ = name
    pairs = [theirs.pair() for _ in range(3)]
    opened, real = [], netns.Namespace._open
    monkeypatch.setattr(netns.Namespace, "_open", lambda self, path: opened.append(path) or real(self, path))
    ports = ",".join(str(pair.lport) for pair in pairs)
    assert tcpdrop.drop(f"lport {ports}", netns="blue", protect="lport 1").counts == {"dropped": 3}
    assert len(opened) == 1


def test_what_is_kept_keeps_no_descriptor(name):
    theirs, _ = name
    pair, other = theirs.pair(), theirs.pair()
    before = descriptors()
    everything = tcpdrop.connections(netns="all")
    kept = tcpdrop.connections(f"lport {pair.lport},{other.lport}", netns="blue")
    report = tcpdrop.drop(kept[:1])
    again = tcpdrop.drop(f"lport {kept[1].local.port}", netns="blue")
    assert (len(kept), report.counts, again.counts) == (2, {"dropped": 1}, {"dropped": 1})
    assert descriptors() == before
    assert kept[1].netns == "blue" and len(everything) >= 2


def test_a_run_that_fails_keeps_none_either(name):
    theirs, _ = name
    pair = theirs.pair()
    before = descriptors()
    with pytest.raises(tcpdrop.TooMany):
        tcpdrop.drop(f"lport {pair.lport}", netns="blue", max_drops=0)
    assert descriptors() == before
    assert pair.alive()


def test_a_long_watch_does_not_grow(name):
    theirs, _ = name
    before = len(descriptors())
    theirs.pair()
    seen = []
    # A minute for what takes a third of a second: four of these suites on two processors saw six in one.
    watch = tcpdrop.keep_dropping("loopback", duration=60, interval=0.05, netns="blue")
    for result in watch:
        seen.append((result.outcome, len(descriptors()) - before))
        if len(seen) == 8:
            watch.close()
        else:
            theirs.pair()  # found by a further look
    assert seen == [("dropped", 1)] * 8
    assert len(descriptors()) == before
    theirs.pair()
    rest = [result.outcome for result in tcpdrop.keep_dropping("loopback", duration=0.5, interval=0.05, netns="blue")]
    assert rest and set(rest) == {"dropped"}
    assert len(descriptors()) == before  # and one that ended by itself


def test_connections_that_were_kept_are_not_dropped_in_another_of_that_name(name):
    theirs, lead = name
    pair = theirs.pair()
    kept = tcpdrop.connections(f"lport {pair.lport}", netns="blue")
    with Holder(netns=True) as others:
        lead(others.pid)
        with pytest.raises(tcpdrop.Error, match="'blue' is another one by now"):
            tcpdrop.drop(kept)
        assert pair.alive()
        lead(theirs.pid)
        assert tcpdrop.drop(kept).counts == {"dropped": 1}


def test_one_that_is_shown_by_its_number_is_that_one_or_none(name):
    theirs, _ = name
    label = os.readlink(f"/proc/{theirs.pid}/ns/net")
    with netns.Namespace(label) as scope:
        assert f"net:[{os.fstat(scope).st_ino}]" == label
    stale = netns.Namespace(label)
    stale.path = "/proc/self/ns/net"  # the process that showed it is another by now
    with pytest.raises(tcpdrop.Error, match="is another one by now"):
        stale.scope  # noqa: B018


def test_one_of_all_that_ends_meanwhile_is_no_error(other_namespace):
    """Found by a process that has ended by the time it is opened: by another one if it lives on, else not at all."""
    theirs, _ = other_namespace
    pair = theirs.pair()
    label = os.readlink(f"/proc/{theirs.pid}/ns/net")
    with Holder(netns=True) as others:
        gone = os.readlink(f"/proc/{others.pid}/ns/net")
        spaces = netns.namespaces("all")
        assert {label, gone} <= {space.label for space in spaces}
    spaces = [space for space in spaces if space.label in (label, gone)]  # not those of everybody else here
    for space in spaces:
        space.path = f"/proc/{others.pid}/ns/net"
    found = select(Filter(f"lport {pair.lport}"), where=spaces)
    assert [connection.netns for connection in found] == [label]
