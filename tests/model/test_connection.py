# SPDX-License-Identifier: BSD-2-Clause
"""What a drop hands out: errors, Connection, Endpoint, State."""

import copy
import errno
import pickle
import socket

import pytest
from support import procnet
from support.command import words
from support.holder import fresh_ports
from support.marks import drops_on_linux

import tcpdrop
from tcpdrop import errors
from tcpdrop.engine.single import find
from tcpdrop.model.connection import JSON_KEYS, Connection
from tcpdrop.model.four_tuple import FourTuple

FAMILIES = pytest.mark.parametrize("family", ["inet", "inet6", "mapped"])


def connection_of(pair):
    return Connection(find(FourTuple(*pair.tuple)))


CLASSES = [errors.Error, errors.NotFound, errors.NotPermitted, errors.NotSupported, errors.Refused, errors.Protected, errors.TooMany]


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
@pytest.mark.parametrize("again", [lambda e: pickle.loads(pickle.dumps(e)), copy.copy, copy.deepcopy], ids=["pickle", "copy", "deepcopy"])
def test_errors_travel(cls, again):
    error = cls("not so", errno=errno.EPERM, what="a 1 b 2", step="destroy", hint="do this")
    twin = again(error)
    assert type(twin) is cls
    assert (twin.errno, twin.message, twin.what, twin.step, twin.hint) == (errno.EPERM, "not so", "a 1 b 2", "destroy", "do this")
    assert str(twin) == str(error) == "a 1 b 2: not so (do this)"
    assert twin.strerror == "not so"
    bare = again(cls("not so"))
    assert (bare.errno, str(bare), bare.what, bare.step, bare.hint) == (None, "not so", "", "", "")


def test_the_family_of_errors():
    assert issubclass(tcpdrop.Error, OSError)
    assert issubclass(tcpdrop.NotPermitted, PermissionError)
    assert issubclass(tcpdrop.Protected, tcpdrop.Refused)
    assert issubclass(tcpdrop.TooMany, tcpdrop.Refused)
    assert issubclass(tcpdrop.FilterError, ValueError)
    assert not issubclass(tcpdrop.FilterError, OSError)
    assert not issubclass(tcpdrop.Refused, PermissionError)
    assert {cls.outcome for cls in CLASSES} == {"failed", "gone", "not_permitted", "not_supported", "protected"}


def test_a_filter_error_has_a_column():
    assert tcpdrop.FilterError("no", 7).column == 7
    assert tcpdrop.FilterError("no").column is None


# ---- Connection


@pytest.fixture
def connection(holder):
    return connection_of(holder.pair())


@drops_on_linux
@FAMILIES
def test_what_a_connection_says(holder, family):
    pair = holder.pair(family)
    one = connection_of(pair)
    (witness,) = procnet.find(pair.tuple)
    assert one.family == ("inet6" if family == "inet6" else "inet")
    assert one.mapped is (family == "mapped")
    assert (one.local.addr, str(one.local.port), one.remote.addr, str(one.remote.port)) == tuple(words(pair))
    assert one.local == (one.local.addr, one.local.port)
    assert one.state is tcpdrop.State.ESTABLISHED
    assert one.state_name == "ESTABLISHED"
    assert (one.uid, one.inode, one.recvq, one.sendq) == (witness.uid, witness.inode, 0, 0)
    assert one.ifindex is None
    assert str(one) == " ".join(words(pair))
    assert repr(one).startswith("<Connection ")
    assert all(text in repr(one) for text in (str(one.local), str(one.remote), "ESTABLISHED"))
    assert (one.idle_ms, one.rtt_us, one.cc, one.pids, one.process, one.netns, one.zone) == (None,) * 7


@drops_on_linux
def test_a_connection_cannot_be_changed(connection):
    for name in ("local", "state", "netns", "zone", "owner", "brand_new"):
        with pytest.raises(AttributeError):
            setattr(connection, name, 1)
    with pytest.raises(AttributeError):
        connection.local.port = 1
    with pytest.raises(TypeError):
        connection.local[1] = 1
    for name in ("netns", "local"):
        with pytest.raises(AttributeError):
            delattr(connection, name)
    assert not hasattr(connection, "__dict__")


@drops_on_linux
@pytest.mark.parametrize("again", [lambda c: pickle.loads(pickle.dumps(c)), copy.copy, copy.deepcopy], ids=["pickle", "copy", "deepcopy"])
def test_a_connection_travels(connection, again):
    twin = again(connection)
    assert twin == connection
    assert hash(twin) == hash(connection)
    assert twin.as_dict() == connection.as_dict()
    assert type(twin.local) is tcpdrop.Endpoint
    assert again(connection.local) == connection.local
    assert type(again(connection.local)) is tcpdrop.Endpoint


@drops_on_linux
def test_equal_is_the_same_socket_whatever_happened_to_it(holder):
    pair = holder.pair()
    first = connection_of(pair)
    pair.peer.call("sendall", b"xyz")
    pair.peer.call("shutdown", socket.SHUT_WR)
    pair.wait_state("CLOSE_WAIT")
    second = connection_of(pair)
    assert second.state is tcpdrop.State.CLOSE_WAIT
    assert second.recvq >= 3
    assert first == second
    assert len({first, second}) == 1
    mirrored = Connection(find(FourTuple(*pair.mirrored)))
    assert mirrored != first
    assert first != str(first)


@drops_on_linux
def test_a_new_connection_in_the_same_place_is_another(holder):
    ports = fresh_ports()
    pair = holder.pair(**ports)
    first = connection_of(pair)
    tcpdrop.drop_one(pair.local, pair.remote)
    pair.close()
    second = connection_of(holder.pair(**ports))
    assert str(first) == str(second)
    assert first != second


SCHEMA = (
    *("family", "mapped", "local_addr", "local_port", "remote_addr", "remote_port", "state", "pids", "pids_kind", "process"),
    *("uid", "inode", "cookie", "ifindex", "netns", "zone", "recvq", "sendq", "idle_ms", "age_ms", "rtt_us", "retrans"),
    *("bytes_sent", "bytes_received", "cc"),
)


@drops_on_linux
def test_the_keys_of_as_dict_are_the_schema(connection):
    """design.md 4.5, the same on every system; cli/as_json.py adds those of a drop."""
    entry = connection.as_dict()
    assert tuple(entry) == SCHEMA == JSON_KEYS
    assert entry["state"] == "ESTABLISHED"
    assert entry["netns"] is None


def test_an_endpoint_is_a_pair():
    end = tcpdrop.Endpoint("::1", 80)
    assert (end.addr, end.port) == tuple(end) == end == ("::1", 80)
    assert str(end) == "[::1]:80"
    assert str(tcpdrop.Endpoint("10.0.0.1", 80)) == "10.0.0.1:80"
    assert eval(repr(end), {"Endpoint": tcpdrop.Endpoint}) == end


@pytest.mark.parametrize(
    ("member", "spellings"),
    [
        ("ESTABLISHED", "ESTABLISHED established ESTAB estab"),
        ("FIN_WAIT1", "FIN_WAIT1 FIN_WAIT_1 FIN-WAIT-1 fin-wait-1 finwait1 FinWait1"),
        ("SYN_RECV", "SYN_RECV SYN-RECV SYN_RCVD syn-rcvd SynRcvd"),
        ("CLOSE_WAIT", "CLOSE_WAIT CLOSE-WAIT CloseWait close-wait"),
        ("TIME_WAIT", "TIME_WAIT TIME-WAIT TimeWait"),
        ("LISTEN", "LISTEN listen"),
    ],
)
def test_states_in_every_spelling(member, spellings):
    for text in spellings.split():
        assert tcpdrop.State(text) is tcpdrop.State[member]


def test_a_state_that_is_none():
    for value in ("", "open", 0, 12, "1", None, "ESTABLISHEDD"):
        with pytest.raises(ValueError):
            tcpdrop.State(value)
