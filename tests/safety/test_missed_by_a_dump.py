# SPDX-License-Identifier: BSD-2-Clause
"""A dump is not a snapshot: what a rule protects must live although the rule's own dump missed it."""

import pytest

import tcpdrop
from tcpdrop.filters import selection
from tcpdrop.model.rows import LPORT, ROW, RPORT
from tcpdrop.safety import session
from tcpdrop.system import kernel

pytestmark = [pytest.mark.privileged, pytest.mark.only_on("linux", reason="how Linux walks its tables")]


@pytest.fixture
def blind(monkeypatch):
    """blind(lport, rport): every dump of a rule leaves this socket out, as one under churn may."""
    dump, victims = kernel.list_connections, set()

    def missing(states, *args, **kwargs):
        table = dump(states, *args, **kwargs)
        if states != selection.CONNECTION_STATES:
            return table
        return [raw for raw in table if (ROW.unpack_from(raw)[LPORT], ROW.unpack_from(raw)[RPORT]) not in victims]

    monkeypatch.setattr(kernel, "list_connections", missing)
    return lambda *ports: victims.add(ports)


@pytest.mark.parametrize("family", ["inet", "inet6", "mapped"])
@pytest.mark.parametrize("rule", ["rport {rport}", "state established and rport {rport}", "rport {rport} and retrans ge 0"])
def test_a_socket_that_the_rules_dump_missed_is_spared(holder, blind, family, rule):
    pair, other = holder.pair(family), holder.pair(family)
    blind(pair.lport, pair.rport)
    report = tcpdrop.drop(f"lport {pair.lport},{other.lport}", protect=rule.format(rport=pair.rport))
    assert report.counts == {"dropped": 1, "protected": 1}
    assert pair.alive()


@pytest.mark.parametrize("device", [None, b"lo"], ids=["", "bound"])
@pytest.mark.parametrize("family", ["inet", "inet6", "mapped"])
def test_a_mirror_that_the_rules_dump_missed_counts(holder, blind, family, device):
    pair = holder.pair(family, device=device)
    blind(pair.rport, pair.lport)
    report = tcpdrop.drop(f"lport {pair.lport}", protect=f"lport {pair.rport}")
    assert report.counts == {"protected": 1}
    assert pair.alive()


def test_a_session_that_its_dump_missed_is_spared(holder, monkeypatch):
    """Where ancestors' descriptors cannot be borrowed, a dump says which connections they hold."""
    pair = holder.pair()
    chosen = tcpdrop.connections(f"lport {pair.lport}")

    def held(self):
        self.holders = {chosen[0].inode: (holder.pid, 0)}
        return []

    monkeypatch.setattr(session.OwnSession, "rows", held)
    monkeypatch.setattr(session.OwnSession, "dumped", True, raising=False)
    monkeypatch.setattr(
        session.OwnSession,
        "__init__",
        lambda self: self.__dict__.update(
            tuples=set(), unreadable=[], holders={}, line=set(), carrier_unseen="", relay_unseen="", unmet=[]
        ),
    )
    assert tcpdrop.drop(chosen).counts == {"protected": 1}
    assert pair.alive()
