# SPDX-License-Identifier: BSD-2-Clause
"""What is as broad as --all, decided on the expression."""

import os
import socket
import sys
from itertools import product

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import filter_cases as cases
from support import oracle

from tcpdrop.filters import Filter
from tcpdrop.filters.breadth import is_broad, matches_none
from tcpdrop.filters.endpoints import Address, Port
from tcpdrop.filters.facts import UNKNOWN
from tcpdrop.filters.measures import Measure
from tcpdrop.filters.nodes import both, either, negate
from tcpdrop.filters.parser import parse
from tcpdrop.filters.sockets import Family
from tcpdrop.model.rows import ESTABLISHED, LISTEN, ROW_FIELDS, ROW_QUEUES, STATE, USUAL_STATES
from tcpdrop.system.procfs import mounts_of

pytestmark = pytest.mark.pure

BROAD = [
    *("state established", "state all", "state time-wait", "not state listen", "exclude close-wait", "state close-wait or lport 80"),
    *("in", "out", "not out", "in or out", "family inet", "not family inet6", "in and state established", "family inet6 and out"),
    *("port ge 1", "rport 0:65535", "not rport gt 65535", "rport 1-1000,1001-65535", "rport != 0-0"),
    *("lport 1-1000 or lport 1001-65535", "not (lport 22 and rport gt 65535)", "lport lt 1024 or lport ge 1024", "not port 0-0"),
    *("remote 0.0.0.0/0", "remote ::/0", "host 0.0.0.0/0,::/0", "local 0.0.0.0/1,128.0.0.0/1", "remote 0.0.0.0/0,2001:db8::1"),
    *("remote 0.0.0.0/1 or remote 128.0.0.0/1", "not remote 0.0.0.0", "not local ::", "remote ::/1,8000::/1"),
    *("lport 22 or not lport 22", "not (lport 80 and not lport 80)", "(in and not lport 22) or (in and lport 22)", "port ge 1 or lport 22"),
    *("lport lt 80 or not lport lt 50", "not (lport 80 and lport 443)", "not lport 80 or not lport 443"),
    "not (rport 1-9 and rport 10-20)",
    *("remote 10.0.0.0/8 or not remote 10.1.0.0/16", "not (remote 0.0.0.0/1 and remote 128.0.0.0/1)", "not (remote ::1 and remote ::2)"),
    *("not remote 10.0.0.1 or not remote 10.0.0.2", "recvq lt 5 or recvq ge 5", "recvq gt 1 or sendq gt 1 or recvq le 1", "sendq le 4096M"),
    "port 1 or port 2 or port 3 or port 4 or port 5 or port 6 or lport 9 or not lport 9 or pid 1 or pid 2",
    *("lport 80 or rport 80 or not port 80", "port 80 or not (lport 80 or rport 80)", "not (port 80 and not lport 80 and not rport 80)"),
    *("lport 80 or not port 80 or rport 1-100", "port lt 1024 or (lport ge 1024 and rport ge 1024)"),
    "host 10.0.0.0/8 or not (local 10.0.0.1 or remote 10.0.0.0/8)",
    "local 10.0.0.1 or remote 10.0.0.1 or not host 10.0.0.1:443",
    *("not remote 10.0.0.1:443 or rport 443", "remote 10.0.0.0/8 or not remote 10.0.0.1:443", "not (remote 10.0.0.1:443 and rport 80)"),
    *("pid 5,6 or not pid 5", "pid 5 or pid 6 or not pid 5,6"),
    *("not loopback", "local 0.0.0.0/0 rport 1-65535 state established", "recvq ge 0", "not sendq lt 0", "state established,listen"),
]
BROAD_ON_LINUX = [
    *(
        "idle lt 5s or idle ge 5s",
        "retrans le 5 or retrans gt 5",
        "idle lt 60d",
        "not (cc cubic and cc bbr)",
        "not idle gt 9s or idle gt 5s",
    ),
    "lport 22 or not lport 22 or comm a or comm b or comm c or comm d or comm e or comm f",
    *("unit -.slice", "unit ?*", "unit ???*", "unit *.scope", "unit *?.service", "not (comm nginx and not unit -.slice)"),
    *("comm a* or not comm ab", "comm * or pid 1", "comm a*c or not comm a*b*c", "not comm abc or comm a?c"),
    *("cgroup /a or not cgroup /a/b", "not cgroup //a/b/ or cgroup /a/./", "not (cgroup /a and cgroup /b)"),
    f"not mine or user {os.geteuid()}",
    *("comm ?*", "comm *?", "cgroup //", "cgroup /.", "cgroup /./"),
    *("not kernel", "comm *", "comm **", "unit *", "cgroup /", "rtt ge 0s", "idle ge 0ms", "retrans ge 0", "bytes-sent ge 0"),
]
NARROW = [
    *("loopback", "lport 22", "not lport 22", "state established and lport 22", "in and lport 80", "lport gt 1024", "rport 1-65534"),
    *("remote 10.0.0.0/8", "remote 0.0.0.0/0:443", "remote 0.0.0.0/1", "remote 0.0.0.0/1,128.0.0.0/2", "not remote 10.0.0.1"),
    *("pid 1", "recvq gt 0", "sendq lt 1", "age gt 1s", "in and loopback", "not (in or lport 22)"),
    *("rport gt 65535", "not state all", "state established and not state established", "in and not in", "family inet and family inet6"),
    *("lport lt 50 or not lport lt 80", "not (lport 80 and lport 80-443)", "not (port 80 and port 443)"),
    "not (lport 80 and rport 443)",
    *("lport 80 or rport 80 or not port 81", "port 80 or not lport 81", "lport 80 or not port 80", "not host 10.0.0.1 or remote 10.0.0.1"),
    *("rport 443 or not remote 10.0.0.1", "not remote 10.0.0.1:443 or rport 80", "pid 5 or not pid 5,6", "not (pid 5 and pid 6)"),
    *(
        "not remote 10.0.0.0/8 or remote 10.1.0.0/16",
        "recvq lt 5 or recvq gt 5",
        "recvq lt 5 or sendq ge 5",
        "sendq lt 4095M and sendq gt 1",
    ),
    *("remote 0.0.0.0/0 and remote ::/0", "state listen or lport 2", "state closed", "port 0-0", "lport 22 or not rport 22"),
]
NARROW_ON_LINUX = [
    *("comm ??*", "comm [!x]*", "idle lt 5s or idle gt 5s", "not (comm a and comm b)", "not (dev lo and dev eth0)"),
    *("unit s*", "unit ssh?.service", "unit ?.service", "comm ab or not comm a*", "comm a? or not comm a*", "comm a or not comm [a]"),
    "not comm x[a] or comm *]",
    *("cgroup /a/b or not cgroup /a", "cgroup /a or not cgroup /ab", "unit s* or not unit ssh?", f"mine or not user {os.geteuid()}"),
    *("kernel", "mine", "comm s*", "unit ssh", "cgroup /system.slice", "dev lo", "idle gt 0s", "cc cubic", "user root"),
]


def chosen(text):
    """On every system alike."""
    made = Filter.__new__(Filter)
    object.__setattr__(made, "node", parse(text, "any"))
    return made


@pytest.mark.parametrize("text", BROAD + BROAD_ON_LINUX)
def test_broad(text):
    assert is_broad(chosen(text))


@pytest.mark.parametrize("text", NARROW + NARROW_ON_LINUX)
def test_not_broad(text):
    assert not is_broad(chosen(text))


def test_many_values_are_decided_at_once():
    many = Filter.remote([f"10.{i >> 8}.{i & 255}.0/24" for i in range(20000)])
    assert not is_broad(many | Filter.lport(range(1, 20000)))
    assert is_broad(many | Filter("in"))


def test_many_predicates_are_decided_at_once():
    """Whether they look at one thing or at many, and however their answers go together."""
    ports = " or ".join(f"(lport {port} and rport {port})" for port in range(1, 90))
    assert not is_broad(Filter(ports))
    assert not is_broad(Filter(" or ".join(f"(pid {pid} and not pid {pid + 1})" for pid in range(1, 90))))
    lists = [Filter.lport(range(port, port + 200, 2)) for port in range(1, 60)]
    either = lists[0]
    for one in lists[1:]:
        either |= one & ~Filter.rport(22)
    assert not is_broad(either)


def test_where_cgroups_are_mounted_is_all_of_them():
    for place, _, _ in mounts_of("cgroup2"):
        assert is_broad(chosen(f"cgroup {place}")) and is_broad(chosen(f"cgroup {place}/"))


SORTS = [f"state established and family {family} and {way} and not loopback" for family in ("inet", "inet6") for way in ("in", "out")]


def filter_of(node):
    made = Filter.__new__(Filter)
    object.__setattr__(made, "node", node)
    return made


@settings(max_examples=300, deadline=None)
@given(cases.row_expressions, cases.rows(), cases.facts())
def test_what_is_broad_leaves_none_of_some_sort_out(node, row, facts):
    """Whatever it is: made true for a sort it is broad, and it keeps that when more is selected."""
    for text in SORTS:
        sort = parse(text, "any")
        assert is_broad(filter_of(either([node, sort])))
        if is_broad(filter_of(both([node, sort]))) and oracle.answer(sort, row, None, facts) is True:
            assert oracle.answer(node, row, None, facts) is not False
        assert not is_broad(filter_of(both([node, negate(node)])))


@settings(max_examples=500, deadline=None)
@given(cases.expressions, cases.rows(), cases.infos, cases.facts())
def test_what_matches_none_holds_for_no_connection_and_is_unknown_of_none(node, row, info, facts):
    """Whatever it is, and what excludes itself with it."""
    for one in (node, both([node, parse("lport 80 and lport 443", "any")]), both([negate(either([node, parse("lport ge 1", "any")]))])):
        if matches_none(filter_of(one)) and row[STATE] != LISTEN:
            assert oracle.answer(one, row, info, facts) is False
    assert matches_none(filter_of(both([node, parse("lport 80 and lport 443", "any")])))


#: an established IPv4 connection with each of these at each end, and so much in its queue: what predicates name, and its neighbours
GRID_PORTS, GRID_ADDRESSES, GRID_QUEUE = (1, 22, 23, 80, 81, 82, 65535), ("9.9.9.9", "10.0.0.1", "10.0.0.2", "128.0.0.1"), (0, 4, 5, 6)
grid_ports = st.sampled_from([(22, 22), (80, 81), (1, 22), (23, 80), (81, 65535), (1, 65535)])
grid_addresses = st.tuples(
    st.sampled_from([("10.0.0.1", 32), ("10.0.0.0", 8), ("0.0.0.0", 1), ("128.0.0.0", 1), ("0.0.0.0", 0)]), st.sampled_from([0, 0, 22, 80])
).map(lambda value: (socket.inet_aton(value[0][0]), value[0][1], value[1]))
grid_predicates = st.one_of(
    st.builds(Port.of, cases.ends, st.lists(grid_ports, min_size=1, max_size=2)),
    st.builds(Address.of, cases.ends, st.lists(grid_addresses, min_size=1, max_size=2)),
    st.builds(Measure, st.just("recvq"), st.sampled_from(["=", "<", ">", "!="]), st.just(5)),
)


def grid_row(lport, rport, laddr, raddr, queue):
    values = dict.fromkeys(ROW_FIELDS, 0)
    values.update(laddr=socket.inet_aton(laddr) + bytes(12), raddr=socket.inet_aton(raddr) + bytes(12), lport=lport, rport=rport)
    values.update(family=4, state=ESTABLISHED, recvq=queue, flags=ROW_QUEUES, inode=9)
    return tuple(values[name] for name in ROW_FIELDS)


GRID = [grid_row(*ends) for ends in product(GRID_PORTS, GRID_PORTS, GRID_ADDRESSES, GRID_ADDRESSES, GRID_QUEUE)]


@settings(max_examples=500, deadline=None, suppress_health_check=list(HealthCheck))
@given(cases.grown(grid_predicates))
def test_what_selects_all_of_a_grid_is_broad(node):
    """The guard is not passed by predicates that look at the same thing by another word: ports, addresses, either end."""
    test = node.compiled()
    of_ipv4 = filter_of(both([node, Family(4)]))
    assert is_broad(of_ipv4) == all(test(row, None, UNKNOWN) is True for row in GRID), str(node)


@settings(max_examples=500, deadline=None, suppress_health_check=list(HealthCheck))
@given(cases.grown(grid_predicates))
def test_what_matches_none_of_a_grid_is_known_to(node):
    """But for measures, which may be unknown."""
    test = node.compiled()
    none = matches_none(filter_of(both([node, Family(4)])))
    found = not any(test(row, None, UNKNOWN) for row in GRID)
    assert none <= found, str(node)
    assert none == found or "recvq" in str(node), str(node)


@pytest.mark.parametrize("text", ["not rport gt 65535", "not (port 0:65535 and rport gt 65535)", "lport lt 1024 or lport ge 1024"])
def test_what_is_always_true_names_no_state(text):
    assert Filter(text).base_states == USUAL_STATES
    assert not Filter(text).names_listen


@given(cases.rows(), cases.facts())
def test_nothing_and_everything(row, facts):
    nothing = Filter.remote([]).node
    assert oracle.answer(nothing, row, None, facts) is False
    assert nothing.compiled()(row, None, facts) is False
    assert negate(nothing).compiled()(row, None, facts) is True
    assert row[STATE] != LISTEN or not (~Filter.remote([])).base_states >> LISTEN & 1


def test_many_interfaces_are_not_compared_each_with_each():
    """Eight times the addresses are about eight times the work."""

    def work(number):
        chosen = Filter(" or ".join(f"remote fe80::{one:x}%va{one}" for one in range(1, number)))
        calls = 0

        def count(*_):
            nonlocal calls
            calls += 1

        sys.setprofile(count)
        try:
            assert not is_broad(chosen)
        finally:
            sys.setprofile(None)
        return calls

    assert work(2400) < 12 * work(300)


@pytest.mark.parametrize("inner", ["({})", "not ({})"])
def test_what_is_nested_is_asked_once(inner):
    """Each level had asked twice for all below it: ten of them took eleven seconds, forty would never have ended."""
    text = "lport 3"
    for _ in range(20):
        text = f"lport 1 and (rport 2 or {inner.format(text)})"
    assert not is_broad(Filter(text))
    assert is_broad(Filter(f"in or ({text})")) == is_broad(Filter("in"))
