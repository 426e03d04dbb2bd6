# SPDX-License-Identifier: BSD-2-Clause
"""What was selected is what is dropped: never the next connection that has the same ends."""

import json
import socket

import pytest
from support import procnet
from support.command import line, tcpdrop
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
    return package.connections(f"lport {reusable.port} or rport {reusable.port}")


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
    saved.write_text(tcpdrop("list", "--jsonl", f"port {reusable.port}").out, encoding="utf-8")
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
    report = package.drop(f"port {reusable.port}")
    assert report.counts == {"gone": 2}
    assert reusable.alive()


# ---- the round trip


def jsonl(*filters):
    done = tcpdrop("list", "--jsonl", *filters)
    assert done.status == 0, done.err
    return done.out


def test_an_edited_list_drops_what_was_left_in_it(holder, tmp_path):
    pairs = [holder.pair() for _ in range(4)]
    saved = tmp_path / "victims"
    lines = jsonl("port", ",".join(str(pair.lport) for pair in pairs)).splitlines()
    keep = [text for text in lines if json.loads(text).get("local_port") in (pairs[0].lport, pairs[2].lport)]
    saved.write_text("# edited\n\n" + "\n".join(keep) + "\n", encoding="utf-8")
    done = tcpdrop("drop", "--from", saved)
    assert done.status == 0, done.err
    assert sorted(done.out.splitlines()) == sorted(f"{line(pair)}: dropped" for pair in (pairs[0], pairs[2]))
    assert pairs[1].alive()
    assert pairs[3].alive()


@pytest.mark.parametrize("spelling", ["{}", "{}: would drop", "{}: dropped", "tcpdrop {}", "tcpdrop {}  # because"])
@pytest.mark.parametrize("family", ["inet", "inet6", "mapped"])
def test_every_line_we_print_can_be_read_back(holder, family, spelling, tmp_path):
    pair = holder.pair(family)
    saved = tmp_path / "victims"
    saved.write_text(spelling.format(line(pair)) + "\n", encoding="utf-8")
    assert tcpdrop("drop", "--from", saved) == (0, f"{line(pair)}: dropped\n", "")
    assert pair.state() is None


def test_l_is_a_program_and_a_saved_list(holder, tmp_path):
    pair = holder.pair()
    saved = tmp_path / "victims"
    out = tcpdrop("drop", "-l", "lport", str(pair.lport)).out
    assert out == f"tcpdrop {line(pair)}\n"
    saved.write_text(out, encoding="utf-8")
    assert pair.alive()
    assert tcpdrop("drop", f"--from={saved}").status == 0
    assert pair.state() is None


ENTRY = {"schema": 1, "type": "connection", "cookie": "7", "local_addr": "::1", "local_port": 1, "remote_addr": "::1", "remote_port": 2}


def entry(**changed):
    return json.dumps({**ENTRY, **changed})


BAD = {
    "words": "127.0.0.1 1 127.0.0.1",
    "port": "127.0.0.1 0 127.0.0.1 5",
    "wildcard": "0.0.0.0 1 127.0.0.1 5",
    "name": "localhost 1 127.0.0.1 5",
    "no json": "{",
    "array": "[1]",
    "deep": '{"a":' * 100000,
    "bytes": "\x1b[31m\x00\udcff",
    "schema": entry(schema=2),
    "no cookie": json.dumps({name: value for name, value in ENTRY.items() if name != "cookie"}),
    "null cookie": entry(cookie=None),
    "any cookie": entry(cookie="f" * 16),
    "zero cookie": entry(cookie="0"),
    "number cookie": entry(cookie=7),
    "text port": entry(local_port="1"),
    "huge port": entry(local_port=65536),
    "null address": entry(local_addr=None),
    "wild address": entry(local_addr="::"),
    "two families": entry(local_addr="127.0.0.1"),
    "huge ifindex": entry(ifindex=99999999999),
    "list ifindex": entry(ifindex=[]),
    "text ifindex": entry(ifindex="1"),
    "namespace": entry(netns=7),
}


@pytest.mark.parametrize("bad", BAD)
def test_one_bad_line_is_named_and_nothing_is_dropped(holder, bad, tmp_path):
    pair = holder.pair()
    saved = tmp_path / "victims"
    text = f"{line(pair)}\n# a comment\n{BAD[bad]}\n{line(pair, swapped=True)}\n"
    saved.write_bytes(text.encode("utf-8", "surrogateescape"))
    for given in (("--from", saved, "--yes"), ("--from", saved, "--jsonl")):
        done = tcpdrop("drop", *given)
        assert done.status == 2, done
        assert "--from: line 3 cannot be read: " in done.err
        assert "\x1b" not in done.err
        assert "Traceback" not in done.err
        assert done.out == "" or json.loads(done.out)["type"] == "error"
    assert pair.alive()


def test_what_cannot_be_opened_is_a_usage_error(tmp_path):
    done = tcpdrop("drop", "--from", tmp_path / "absent")
    assert (done.status, done.out) == (2, "")
    assert "No such file" in done.err
    assert tcpdrop("drop", "--from", tmp_path).status == 2
    empty = tmp_path / "empty"
    empty.write_text("", encoding="utf-8")
    assert tcpdrop("drop", "--from", empty)[:2] == (1, "")


def test_a_listeners_cookie_in_a_saved_row_does_not_kill_the_listener(holder, tmp_path):
    listener = holder.listener()
    port = listener.name()[1]
    client = holder.socket()
    client.call("connect", listener.name())
    server = listener.accept()
    (listening,) = list(package.connections(f"state listen lport {port}"))
    entry = json.loads(jsonl(f"lport {port}").splitlines()[0])
    for changed in ({"cookie": listening.cookie}, {"cookie": listening.cookie, "remote_port": 1}):
        saved = tmp_path / "victims"
        saved.write_text(json.dumps({**entry, **changed}) + "\n", encoding="utf-8")
        done = tcpdrop("drop", "--from", saved)
        assert (done.status, done.out) == (1, "")
    assert len(procnet.listeners(port)) == 1
    client.call("sendall", b"x")
    assert server.call("recv", 1) == b"x"


@pytest.mark.only_on("linux", reason="network namespaces")
def test_a_saved_row_of_another_namespace_is_dropped_there(holder, other_namespace, tmp_path):
    """It says where it was seen, so that the same tuple here is left alone."""
    there, _ = other_namespace
    ports = fresh_ports()
    pair, same_here = there.pair(**ports), holder.pair(**ports)
    saved = tmp_path / "victims"
    saved.write_text(tcpdrop("list", f"--netns={there.pid}", "--jsonl", f"lport {pair.lport}").out, encoding="utf-8")
    assert tcpdrop("drop", "--from", saved)[:2] == (0, f"{line(pair)}: dropped\n")
    assert pair.state() is None
    assert same_here.alive()


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
