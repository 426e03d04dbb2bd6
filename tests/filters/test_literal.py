# SPDX-License-Identifier: BSD-2-Clause
"""Filter objects: values that never become language, composition, and matching a Connection."""

import ipaddress
import pickle
import socket

import pytest
from support import filter_cases as cases

import tcpdrop
from tcpdrop.errors import FilterError
from tcpdrop.filters import Filter, all_of, from_selectors
from tcpdrop.filters.facts import UNKNOWN
from tcpdrop.model.connection import Connection, Owner
from tcpdrop.system import netns, platform, procfs

NOT_EVERYWHERE = pytest.mark.only_on("linux", reason="comm, user, idle and dev cannot be answered elsewhere")

LITERALS = [
    "local",
    "remote",
    "host",
    "local_port",
    "remote_port",
    "port",
    "states",
    "pid",
    "process",
    "user",
    "unit",
    "cgroup",
    "dev",
    "cc",
]


@pytest.mark.parametrize("name", LITERALS)
def test_none_is_a_type_error(name):
    make = getattr(Filter, name)
    for wrong in (None, [None], 1.5, b"22", [b"x"], True):
        with pytest.raises(TypeError):
            make(wrong)


@pytest.mark.parametrize("name", LITERALS)
@pytest.mark.parametrize("wrong", [{}, {"10.0.0.1": "web"}, {"22": None}, {"established": True}], ids=str)
def test_a_mapping_is_a_type_error(name, wrong):
    """Its keys would be taken, and of a YAML file they are nobody's word: `remote_addr: {{ x }}` without quotes is one."""
    with pytest.raises(TypeError, match=r" cannot be of type dict$"):
        getattr(Filter, name)(wrong)
    with pytest.raises(TypeError):
        getattr(Filter, name)([wrong])


@NOT_EVERYWHERE
@pytest.mark.parametrize("word", ["comm", "unit", "cgroup", "dev"])
def test_a_name_that_no_bytes_spell_says_so(word):
    """A JSON document or a filter in quotes may have one half of a pair of surrogates."""
    said = r"'\\ud800' is no name: no bytes are spelled so$"
    with pytest.raises(FilterError, match=said):
        Filter(rf'{word} "\ud800"')
    with pytest.raises(FilterError, match=said):
        getattr(Filter, "process" if word == "comm" else word)("\ud800")


@pytest.mark.parametrize("name", LITERALS)
def test_an_empty_list_matches_nothing(name):
    chosen = getattr(Filter, name)([])
    assert chosen == Filter("not port 0:65535") == Filter(str(chosen))
    assert not chosen.matches(connection()) and (~chosen).matches(connection())
    assert chosen.named_states == (~chosen).named_states == 0, "what is always true names no state"


@pytest.mark.parametrize("text", ["10.0.0.1 or all", "10.0.0.1,10.0.0.2", "10.0.0.1) or (in", "", "all", "10.0.0.1 x", "10.0.0.1/8"])
def test_a_value_is_never_language(text):
    with pytest.raises(FilterError) as caught:
        Filter.remote(text)
    assert caught.value.column is None
    with pytest.raises(FilterError):
        from_selectors(remote_addr=[text])


@pytest.mark.parametrize("text", ["22 or in", "22,23", "", "-1", "ssh or in"])
def test_so_for_ports_and_states(text):
    for make in (Filter.lport, Filter.states, Filter.pid, Filter.user):
        with pytest.raises(FilterError):
            make(text)


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (lambda: Filter.remote("10.0.0.0/8"), "remote 10.0.0.0/8"),
        (lambda: Filter.remote(["10.0.0.2", "10.0.0.1"]), "remote 10.0.0.1,10.0.0.2"),
        (lambda: Filter.remote(ipaddress.ip_network("10.0.0.0/8")), "remote 10.0.0.0/8"),
        (lambda: Filter.local({ipaddress.ip_address("::1")}), "local ::1"),
        (lambda: Filter.lport(22), "lport 22"),
        (lambda: Filter.rport(range(20, 23)), "rport 20-22"),
        (lambda: Filter.local_port(["22", 443, "1000-2000"]), "lport 22,443,1000-2000"),
        (lambda: Filter.state("fin-wait-1"), "state fin-wait1"),
        (lambda: Filter.states([tcpdrop.State.ESTABLISHED, 2]), "state established,syn-sent"),
        (lambda: Filter.states("all"), "state all"),
        (lambda: Filter.pid([5, "6"]), "pid 5,6"),
        pytest.param(lambda: Filter.process("or"), 'comm "or"', marks=NOT_EVERYWHERE),
        pytest.param(lambda: Filter.process("x) or (in"), 'comm "x) or (in"', marks=NOT_EVERYWHERE),
        pytest.param(lambda: Filter.process(["a", "b c"]), 'comm a or comm "b c"', marks=NOT_EVERYWHERE),
        pytest.param(lambda: Filter.user(0), "user 0", marks=NOT_EVERYWHERE),
        pytest.param(lambda: Filter.user("root"), "user 0", marks=NOT_EVERYWHERE),
        pytest.param(lambda: Filter.idle("10m"), "idle >= 10m", marks=NOT_EVERYWHERE),
        pytest.param(lambda: Filter.idle(90), "idle >= 90s", marks=NOT_EVERYWHERE),
        (lambda: Filter.age("8h"), "age >= 8h"),
        (lambda: Filter.measure("recvq", 4096, "gt"), "recvq > 4k"),
        (lambda: Filter.family("inet"), "family inet"),
        (lambda: from_selectors(local_port=22, remote_addr="10.0.0.1"), "lport 22 and remote 10.0.0.1"),
        pytest.param(lambda: from_selectors(states="established", user=["root"]), "state established and user 0", marks=NOT_EVERYWHERE),
        (lambda: Filter.lport(1) | Filter.lport(2), "lport 1 or lport 2"),
        (lambda: all_of([Filter.lport(1), Filter.rport(2)]), "lport 1 and rport 2"),
    ],
)
def test_literals_say_the_same_as_text(made, text):
    assert str(made()) == text
    assert Filter(text) == made() and hash(Filter(text)) == hash(made())


def test_selectors():
    assert from_selectors() is None
    with pytest.raises(TypeError, match="remote_addr is None"):
        from_selectors(remote_addr=None)
    with pytest.raises(TypeError, match="unknown selector"):
        from_selectors(remote="10.0.0.1")


def test_composition():
    a, b = Filter("lport 22"), Filter("remote 10.0.0.0/8")
    assert str(a & b) == "lport 22 and remote 10.0.0.0/8"
    assert str(~(a | b) & a) == "not (lport 22 or remote 10.0.0.0/8) and lport 22"
    assert ~~a == a and {a, Filter("lport 22")} == {a}
    assert pickle.loads(pickle.dumps(a & b)) == (a & b)
    with pytest.raises(TypeError):
        bool(a)
    with pytest.raises(TypeError):
        a & "lport 22"
    with pytest.raises(AttributeError):
        a.node = b.node
    with pytest.raises(TypeError):
        Filter(None)


def connection(*, owner=None, inode=100, info=None, lport=22, laddr=(10, 0, 0, 1), **where):
    row = (
        bytes(laddr) + bytes(12),
        bytes([10, 0, 0, 2]) + bytes(12),
        1,
        inode,
        0,
        0,
        lport,
        40000,
        4,
        1,
        0,
        0,
        0,
        1000,
        0,
        0,
        0,
        3 if inode else 2,
    )
    return Connection(row, info, **({"owner": owner} if owner else {}), **where)


@NOT_EVERYWHERE
def test_matches_goes_by_what_the_connection_knows():
    known = connection(owner=Owner((5,), "nginx", ()))
    assert Filter("comm ng*").matches(known) and Filter("pid 5").matches(known)
    assert Filter("not comm sshd").matches(known) and Filter("not pid 6").matches(known)
    assert Filter("user 1000").matches(known)
    nobody = connection(owner=Owner(()))
    for text in ("kernel", "not kernel", "comm ng*", "not comm ng*", "pid 5", "not pid 5"):
        assert not Filter(text).matches(nobody), "that nobody holds it is never certain"
    assert Filter("not kernel").matches(known)


@NOT_EVERYWHERE
def test_matches_denies_only_what_nobody_may_be_who_was_not_read(monkeypatch):
    """Owners are as complete as the look that found them."""
    monkeypatch.setattr(procfs, "command_of", {8: "sshd"}.__getitem__)
    monkeypatch.setattr(platform, "process_exists", lambda pid: True)
    for unread, denied in ((None, ()), ((8,), ("redis",)), ((), ("redis", "sshd"))):
        known = connection(owner=Owner((5,), "nginx", unread))
        known = pickle.loads(pickle.dumps(known))
        assert Filter("comm nginx").matches(known)
        for name in ("redis", "sshd"):
            assert Filter(f"not comm {name}").matches(known) is (name in denied), (unread, name)
    assert not Filter("not pid 8").matches(connection(owner=Owner((5,), "nginx", (8,))))
    assert not Filter("not pid 8").matches(connection(owner=Owner((5,), "nginx")))


@NOT_EVERYWHERE
def test_unknown_never_matches_also_under_not():
    unknown = connection()
    for text in ("comm nginx", "pid 5", "kernel", "idle gt 0s", "cc cubic", "user 7"):
        assert not Filter(text).matches(unknown, UNKNOWN)
        assert not (~Filter(text)).matches(unknown, UNKNOWN)
    for text in ("user 0", "user 1000", "pid 5", "comm x"):
        assert not Filter(text).matches(connection(inode=0), UNKNOWN)
        assert not Filter(f"not {text}").matches(connection(inode=0), UNKNOWN), "nobody is not root"


@NOT_EVERYWHERE
def test_an_interface_that_is_not_there_is_unknown():
    facts = cases.Facts(interfaces={"lo": 1})
    assert not Filter("dev ethO").matches(connection(), facts) and not Filter("not dev ethO").matches(connection(), facts)
    assert Filter("not dev lo").matches(connection(), facts)


@NOT_EVERYWHERE
def test_a_connection_of_another_namespace_is_not_judged_by_our_listeners_and_interfaces():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        for where in ({}, {"netns": netns.identity()}):
            own = connection(lport=port, laddr=(127, 0, 0, 1), **where)
            assert Filter("in").matches(own) and Filter("not out").matches(own) and Filter("not dev lo").matches(own)
        for where in ({"netns": "blue"}, {"netns": "net:[1]"}, {"zone": 3}):
            other = connection(lport=port, **where)
            for text in ("in", "out", "dev lo"):
                assert not Filter(text).matches(other) and not Filter(f"not {text}").matches(other)
            facts = cases.Facts(listeners=cases.Listening([cases.listener(port)]), interfaces={"lo": 1})
            assert Filter("in and not dev lo").matches(other, facts), "facts that are given are of its namespace"
