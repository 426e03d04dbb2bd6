# SPDX-License-Identifier: BSD-2-Clause
"""MPTCP: what SOCK_DESTROY only pretends to drop is dropped, and both applications notice at once.  mptcp(7)."""

import errno
import json
import socket

import pytest
from support import procnet
from support.command import line, run, tcpdrop, words
from support.holder import Holder, Pair
from support.wait import until

from tcpdrop import _tcpdrop
from tcpdrop.model.rows import COOKIE, INODE, LPORT, ROW, RPORT, USUAL_STATES, spelled
from tcpdrop.system import mptcp

PROTOCOL = 262


def missing():
    try:
        socket.socket(socket.AF_INET, socket.SOCK_STREAM, PROTOCOL).close()
    except OSError as e:
        return f"no MPTCP here: {e}"
    return ""


pytestmark = [
    pytest.mark.privileged,
    pytest.mark.only_on("linux", reason="MPTCP is Linux's"),
    pytest.mark.skipif(bool(missing()), reason=missing() or "there is"),
]


@pytest.fixture
def mp():
    """A holder of its own: no MPTCP socket of another test is left."""
    with Holder() as h:
        yield h


def forms(pair):
    return {"classic": words(pair), "drop": ["drop", "lport", str(pair.lport)], "both ends": ["drop", "port", str(pair.lport)]}


def entries(done):
    return json.loads(done.out)["connections"]


@pytest.mark.parametrize("family", ["mptcp", "mptcp6"])
@pytest.mark.parametrize("form", ["classic", "drop", "both ends"])
def test_both_applications_notice_at_once(mp, form, family):
    pair = mp.pair(family)
    plain = mp.pair()  # beside it
    blocked = [end.start("recv", 10).asleep() for end in (pair.sock, pair.peer)]
    done = tcpdrop("--json", *forms(pair)[form])
    assert done.status == 0, done
    found = entries(done)
    assert {(entry["outcome"], entry["method"]) for entry in found} == {("dropped", "descriptor")}
    assert len(found) == (2 if form == "both ends" else 1)
    # The victim's read ends, or is EPIPE (6.12.118), its next is ENOTCONN; the peer gets a reset.  With both ends
    # selected either is the victim.
    ends = [blocked[0].errno(), blocked[1].errno()]
    peer_first = form == "both ends" and ends[0] == errno.ECONNRESET
    assert sorted(ends) in ([0, errno.ECONNRESET], [errno.EPIPE, errno.ECONNRESET])
    assert peer_first or ends[1] == errno.ECONNRESET
    victim = pair.peer if peer_first else pair.sock
    assert victim.errno("recv", 1) == errno.ENOTCONN
    assert "ENOTCONN" in {entry["victim_sees"] for entry in found}
    assert not len(_tcpdrop.mptcp_sockets())
    assert plain.alive()


def test_the_witness_sees_what_a_destroy_would_do(mp):
    """ss -K reports nothing and does not end it either; here that is said before anything is tried."""
    pair = mp.pair("mptcp")
    for form in forms(pair).values():
        for dry in (["-n"], []):
            done = tcpdrop("--method=destroy", *dry, *form)
            assert (done.status, "not supported (SOCK_DESTROY ends a subflow of MPTCP, not the connection)" in done.err) == (3, True)
    with pytest.raises(OSError) as caught:
        _tcpdrop.abort(*pair.tuple)
    assert (caught.value.errno, caught.value.step) == (errno.EOPNOTSUPP, "mptcp")
    assert pair.alive()


def test_the_preview_is_what_will_be(mp):
    pair = mp.pair("mptcp")
    for form in forms(pair).values():
        done = tcpdrop("-n", *form)
        assert (done.status, done.out.count(": would drop")) == (0, 2 if form[-2] == "port" else 1)
    assert pair.alive()


def test_the_plain_ones_beside_it_go_the_usual_way(mp):
    pairs = [mp.pair("mptcp"), mp.pair(), mp.pair("inet6"), mp.pair("mptcp6")]
    done = tcpdrop("--json", "drop", "lport", ",".join(str(pair.lport) for pair in pairs))
    ways = {entry["local_port"]: (entry["method"], entry["victim_sees"]) for entry in entries(done)}
    usual, other = ("destroy", "ECONNABORTED"), ("descriptor", "ENOTCONN")
    assert [ways[pair.lport] for pair in pairs] == [other, usual, usual, other]
    assert done.status == 0


def test_a_plain_client_of_an_mptcp_server_is_plain(mp):
    """What many servers have: they listen with MPTCP, and their clients speak TCP."""
    listener = mp.listener("mptcp")
    client = mp.socket()
    client.call("connect", listener.name())
    pair = Pair(client, listener.accept(), mp.pid)
    (entry,) = entries(tcpdrop("--json", *words(pair, swapped=True)))
    assert (entry["outcome"], entry["method"]) == ("dropped", "destroy")
    assert len(procnet.listeners(listener.name()[1])) == 1


def test_what_nobody_has_accepted_cannot_be_dropped(mp):
    """It has no inode yet: its ends tell, and destroying its subflow would tell nobody."""
    listener = mp.listener("mptcp")
    client = mp.socket("mptcp")
    client.call("connect", listener.name())
    for dry in (["-n"], []):
        done = tcpdrop(*dry, "drop", "lport", str(listener.name()[1]))
        assert (done.status, done.err.count("SOCK_DESTROY ends a subflow of MPTCP, not the connection; no process holds it")) == (3, 1)
    server = listener.accept()
    client.call("sendall", b"x")
    assert server.call("recv", 1) == b"x"


@pytest.fixture
def paths():
    """A further subflow from another address for each MPTCP connection."""
    for command in ("limits set subflows 2", "endpoint add 127.0.0.77 dev lo subflow"):
        done = run("ip", "mptcp", *command.split())
        if done.status:
            pytest.skip(f"ip mptcp: {done.err.strip()}")
    yield
    run("ip", "mptcp", "endpoint", "flush")


@pytest.fixture
def two(mp, paths):
    """A connection of two subflows: the pair, and the row of the further one."""
    listener, client = mp.listener("mptcp"), mp.socket("mptcp")  # a further one is accepted by a listener too
    client.call("bind", ("127.0.0.5", 0))  # each end of each subflow has an address of its own, as between two hosts
    client.call("connect", listener.name())
    pair = Pair(client, listener.accept(), mp.pid)
    pair.alive()
    return pair, further(pair.lport)


def further(lport):
    """The row of the further subflow, of the connection whose first has this local port."""

    def others():
        (own,) = [row for row in rows() if row[LPORT] == lport]
        return [row for row in rows() if row[INODE] == own[INODE] and row[COOKIE] != own[COOKIE]]

    return until(others, "a second subflow")[0]


def lose_first(lport, row):
    done = run("ip", "mptcp", "endpoint", "delete", "id", "0", "127.0.0.5")
    if done.status:
        pytest.skip(f"ip mptcp: {done.err.strip()}")
    until(lambda: lport not in {one[LPORT] for one in rows() if one[INODE] == row[INODE]}, "the first subflow to go")


def test_a_further_subflow_is_not_the_connection(two):
    """Aborting would end more than was named: it is refused, and says what to drop."""
    pair, row = two
    which = ["drop", "lport", str(row[LPORT])]
    for dry in (["-n"], []):
        done = tcpdrop(*dry, *which)
        assert (done.status, "a further subflow of an MPTCP connection cannot be dropped alone" in done.err) == (3, True), done
    assert pair.alive()
    # Together with the first it is selected, and goes with it.
    assert tcpdrop(*which[:2], f"{pair.lport},{row[LPORT]}").out.count(": dropped\n") == 2
    assert pair.peer.errno("recv", 1) == errno.ECONNRESET


@pytest.fixture
def rest(two):
    """A connection that has lost its first subflow: the pair, and the row of the one that is left."""
    pair, row = two
    lose_first(pair.lport, row)
    assert pair.alive()
    return pair, row


@pytest.mark.parametrize("victim", ["client", "server"])
@pytest.mark.parametrize("form", ["classic", "drop", "all"])
def test_what_is_left_when_the_first_subflow_is_lost_is_the_connection(rest, mp, form, victim):
    """There is no first by which it could be dropped."""
    pair, row = rest
    (row,) = [one for one in rows() if row[LPORT] == one[LPORT if victim == "client" else RPORT]]
    spared = [mp.pair(), mp.pair("mptcp")]  # beside it
    exactly = ["lport", str(row[LPORT]), "rport", str(row[RPORT])]
    rules = [f"--protect=port {one.lport}" for one in spared]
    how = {"classic": spelled(row).split(), "drop": ["drop", *exactly], "all": ["drop", "--all", "--yes", *rules]}[form]
    dry = tcpdrop("-n", *how)
    assert (dry.status, f"{spelled(row)}: would drop\n" in dry.out) == (0, True), dry
    assert pair.alive()
    done = tcpdrop("--json", *how)
    assert done.status == 0, done
    (entry,) = [entry for entry in entries(done) if entry["local_port"] == row[LPORT] and entry["remote_port"] == row[RPORT]]
    sees = {"ENOTCONN"} if form != "all" else {"ENOTCONN", "ECONNRESET"}  # of both ends either is the victim
    assert (entry["outcome"], entry["method"], entry["victim_sees"] in sees) == ("dropped", "descriptor", True)
    ends = {end.errno("recv", 1) for end in (pair.sock, pair.peer)}
    assert ends == {errno.ENOTCONN, errno.ECONNRESET}
    assert all(one.alive() for one in spared)


def test_the_rest_of_ones_own_session_is_spared(mp, paths):
    """An ancestor holds the connection, and no subflow has its ends any more."""
    listener = mp.listener("mptcp")
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, PROTOCOL) as ours:
        ours.bind(("127.0.0.5", 0))
        ours.connect(listener.name())
        peer = listener.accept()
        ours.sendall(b"x")
        peer.call("recv", 1)
        row = further(ours.getsockname()[1])
        lose_first(ours.getsockname()[1], row)
        for how in (spelled(row).split(), ["drop", "lport", str(row[LPORT])]):
            done = tcpdrop(*how)
            assert (done.status, "protected (held by pid" in done.err) == (4, True), done
        ours.sendall(b"x")
        assert peer.call("recv", 1) == b"x"


def test_a_rule_that_names_a_further_subflow_protects_the_first(two):
    """They would go together."""
    pair, row = two
    rule = f"--protect=lport {row[LPORT]}"
    for form in (words(pair), ["drop", "lport", str(pair.lport)]):
        for dry in (["-n"], []):
            done = tcpdrop(*dry, rule, *form)
            assert (done.status, done.err.split("\n")[0]) == (4, f"{line(pair)}: protected (by --protect 'lport {row[LPORT]}')"), done
    assert pair.alive()
    assert tcpdrop("--protect=lport 1", *words(pair)).status == 0


def rows():
    return [ROW.unpack(raw) for raw in _tcpdrop.list_connections(USUAL_STATES)]


def test_where_the_mptcp_sockets_cannot_be_listed_the_details_tell(mp, monkeypatch):
    """A kernel without mptcp_diag."""
    import tcpdrop as api

    def no_module(scope=None):
        raise OSError(errno.ENOENT, "no such module")

    pair, plain = mp.pair("mptcp"), mp.pair()
    monkeypatch.setattr(_tcpdrop, "mptcp_sockets", no_module)
    (row,) = [row for row in rows() if row[LPORT] == pair.lport]
    assert [ROW.unpack_from(raw)[COOKIE] for raw in mptcp.tied([row], None)] == [row[COOKIE]]
    report = api.drop(f"lport {pair.lport},{plain.lport}")
    assert {result.connection.local.port: result.method for result in report} == {pair.lport: "descriptor", plain.lport: "destroy"}
    assert pair.peer.errno("recv", 1) == errno.ECONNRESET


def test_as_given_connections(mp):
    import tcpdrop as api

    pair = mp.pair("mptcp")
    (connection,) = api.connections(f"lport {pair.lport}")
    report = api.drop(connection)
    assert [result.method for result in report] == ["descriptor"]
    assert str(connection) == line(pair)
    assert pair.peer.errno("recv", 1) == errno.ECONNRESET
