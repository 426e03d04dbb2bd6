# SPDX-License-Identifier: BSD-2-Clause
"""What was selected is what is dropped: never the next connection that has the same ends."""

import json
import socket

import pytest
from support import procnet
from support.command import tcpdrop
from support.holder import fresh_ports
from support.wait import until

import tcpdrop as package
from tcpdrop.engine import single
from tcpdrop.engine.run import Run

pytestmark = [pytest.mark.privileged, pytest.mark.only_on("linux", "sunos", reason="drops")]


class Reusable:
    """A connection with chosen ports, which can be closed without a trace and made again."""

    def __init__(self, holder, family="inet"):
        self.holder, self.family = holder, family
        self.listener = holder.listener(family)
        self.address = tuple(self.listener.name())
        self.ends = ()
        self.port = 0
        self.connect()

    def connect(self):
        client = self.holder.socket(self.family)
        client.call("setsockopt", socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        client.call("setsockopt", socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.call("bind", (self.address[0], self.port))
        client.call("connect", self.address)
        self.port = client.name()[1]
        self.ends = client, self.listener.accept()
        self.tuple = self.ends[0].tuple_to(self.ends[1])
        # By both ports: bind() with SO_REUSEADDR may give one that another connection has too.
        port = self.address[1]
        self.both = f"(lport {self.port} and rport {port}) or (lport {port} and rport {self.port})"
        self.words = " ".join(str(x).replace("::ffff:", "") for x in (self.address[0], self.port, *self.address))

    def again(self):
        """Close both ends (a reset: no TIME_WAIT) and connect from the same port."""
        for end in self.ends:
            end.close()
        until(lambda: procnet.state(self.tuple, self.holder.pid) is None, "both ends to vanish")
        before = self.tuple
        self.connect()
        assert self.tuple == before
        return self

    def alive(self):
        client, server = self.ends
        client.call("sendall", b"x")
        server.call("sendall", b"y")
        return server.call("recv", 9) == b"x" and client.call("recv", 9) == b"y"


@pytest.fixture(params=["inet", "inet6", "mapped"])
def reusable(holder, request):
    made = Reusable(holder, request.param)
    yield made
    for end in (*made.ends, made.listener):
        end.close()


def ours(reusable):
    return package.connections(reusable.both)


KINDS = {
    "Connections": lambda found: found,
    "slice": lambda found: found[:],
    "list": list,
    "iterator": iter,
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_quadruple_used_again_between_listing_and_dropping(reusable, kind):
    found = ours(reusable)
    assert len(found) == 2
    reusable.again()
    report = package.drop(KINDS[kind](found))
    assert report.counts == {"gone": 2}
    assert not report
    assert [result.outcome for result in report.gone] == ["gone", "gone"]
    assert reusable.alive()


def test_the_one_connection_that_was_looked_at(reusable):
    one = ours(reusable)[0]
    reusable.again()
    assert package.drop(one).counts == {"gone": 1}
    assert reusable.alive()
    report = package.drop(list(ours(reusable)))
    assert report.counts == {"dropped": 2}


def test_the_same_through_a_file(reusable, tmp_path):
    """list --jsonl > victims; drop --from victims"""
    saved = tmp_path / "victims"
    saved.write_text(tcpdrop("list", "--jsonl", reusable.both).out, encoding="utf-8")
    reusable.again()
    done = tcpdrop("drop", "--from", saved)
    assert (done.status, done.out) == (1, "")
    assert f"{reusable.words}: not found\n" in done.err
    assert "2 already gone" in done.err
    assert reusable.alive()


def test_the_same_through_a_pipe(reusable):
    listed = tcpdrop("list", "--jsonl", f"rport {reusable.address[1]}").out.encode()
    reusable.again()
    done = tcpdrop("drop", "--from", "-", "--jsonl", stdin=None, input=listed)
    assert done.status == 1
    entry, summary = map(json.loads, done.out.splitlines())
    assert (entry["outcome"], summary["counts"]) == ("gone", {"gone": 1})
    assert reusable.alive()


def test_a_classic_line_has_no_identity_and_means_whoever_has_the_ends(reusable, tmp_path):
    saved = tmp_path / "victims"
    saved.write_text(f"{reusable.words}: would drop\n", encoding="utf-8")
    reusable.again()
    assert tcpdrop("drop", "--from", saved)[:2] == (0, f"{reusable.words}: dropped\n")


def test_between_the_look_up_and_the_destroy(reusable, monkeypatch):
    """drop_one() destroys the socket that it looked up, not the tuple."""
    the_one = single.the_one
    monkeypatch.setattr(single, "the_one", lambda *args: (the_one(*args), reusable.again())[0])
    client, server = (end.name() for end in reusable.ends)
    with pytest.raises(package.NotFound):
        package.drop_one(client, server)
    assert reusable.alive()


def test_between_the_selection_and_the_drop(reusable, monkeypatch):
    """Whatever takes its time between them: here the check of rights."""
    check = Run._check_rights
    monkeypatch.setattr(Run, "_check_rights", lambda run, selection: (check(run, selection), reusable.again())[0])
    report = package.drop(reusable.both)
    assert report.counts == {"gone": 2}
    assert reusable.alive()


@pytest.mark.only_on("linux", reason="network namespaces")
def test_connections_of_several_namespaces_are_dropped_where_they_are(holder, other_namespace):
    there, _ = other_namespace
    ports = fresh_ports()
    pairs = there.pair(**ports), holder.pair(**ports)
    both = f"lport {pairs[0].lport} rport {pairs[0].rport}"  # another namespace of the host may have one of them
    found = list(package.connections(both, netns="all"))
    assert len(found) == 2
    assert package.drop(found).counts == {"dropped": 2}
    assert [pair.state() for pair in pairs] == [None, None]
