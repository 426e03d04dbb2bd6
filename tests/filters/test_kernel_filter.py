# SPDX-License-Identifier: BSD-2-Clause
"""Filters over several hundred real sockets: the kernel against the predicate, and ss as a witness."""

import random
import shutil

import pytest
from hypothesis import HealthCheck, given, settings
from support import filter_cases as cases
from support import oracle
from support.zoo import Zoo, ends

from tcpdrop.filters import Filter, gather, plan_for
from tcpdrop.filters.facts import UNKNOWN
from tcpdrop.model.rows import ALL_STATES, COOKIE, FAMILY, IFINDEX, INODE, LADDR, LPORT, ROW, STATE, STATE_NAMES, packed_addr

pytestmark = [pytest.mark.privileged, pytest.mark.only_on("linux", reason="inet_diag bytecode and ss")]


@pytest.fixture(scope="module")
def zoo():
    found = Zoo()
    yield found
    found.close()


def everything(zoo):
    """Every row of the zoo."""
    return [ROW.unpack_from(raw) for raw in zoo.table(plan_for(Filter("state all")))]


def test_the_zoo_has_what_it_should(zoo):
    rows = everything(zoo)
    assert len(rows) > 250
    names = {STATE_NAMES[row[STATE]] for row in rows}
    assert names >= {"ESTABLISHED", "SYN_SENT", "FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT", "CLOSE_WAIT", "LAST_ACK", "LISTEN"}
    assert {(row[FAMILY], len(packed_addr(row, LADDR))) for row in rows} == {(4, 4), (6, 4), (6, 16)}
    assert {row[IFINDEX] for row in rows} >= {0, 1}
    assert {bool(row[INODE]) for row in rows} == {True, False}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cases.row_expressions)
def test_the_kernel_loses_nothing(zoo, node):
    facts = cases.Facts(interfaces={"lo": 1, "eth0": 77})
    chosen = Filter.of(node)
    for base in (ALL_STATES, None):
        plan = plan_for(chosen, facts, base=base)
        before = everything(zoo)
        table = zoo.table(plan)  # an OSError: the kernel refuses the program
        if {row[:10] for row in before} != {row[:10] for row in everything(zoo)}:
            continue  # a TIME_WAIT ended just now
        got = {ROW.unpack_from(raw)[COOKIE] for raw in table}
        looked_in = [row for row in before if (base or chosen.base_states) >> row[STATE] & 1]
        want = {row[COOKIE] for row in looked_in if oracle.answer(node, row, None, facts)}
        assert want <= got
        if plan.exact:
            assert want == got
        assert want == {row[COOKIE] for row in cases.matching(chosen, table, facts)}


@pytest.mark.parametrize("text", ["remote 127.0.0.1", "remote 127.0.0.0/8", "family inet", "lport 8080 and local 127.0.0.1"])
def test_a_mapped_socket_is_found_by_its_ipv4_address(zoo, text):
    plan = plan_for(Filter(text))
    rows = [ROW.unpack_from(raw) for raw in zoo.table(plan)]
    assert plan.exact and any(row[FAMILY] == 6 for row in rows)


def test_family_inet6_does_not_show_mapped_ones(zoo):
    rows = [ROW.unpack_from(raw) for raw in zoo.table(plan_for(Filter("state all and family inet6")))]
    assert rows and all(len(packed_addr(row, LADDR)) == 16 for row in rows)
    assert len(rows) < sum(row[FAMILY] == 6 for row in everything(zoo))


def test_in_and_out(zoo):
    facts = gather(Filter("in").needs(), zoo.scope)
    for text, clients in (("in", False), ("out", True)):
        chosen = Filter(f"state established and {text}")
        hits = cases.matching(chosen, zoo.table(plan_for(chosen, facts)), facts)
        assert hits and all((row[LPORT] >= 32768) == clients for row in hits)


# ---- ss


class Dice:
    """Random filters that both languages can say: ours and ss's text of one meaning."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.ports = [22, 80, 443, 1024, 8080, 32768, 32771, 40001, 65535]
        self.addrs = ["127.0.0.1", "127.1.0.1", "127.2.0.3", "127.3.1.2", "192.0.2.1", "10.0.0.1"]
        # ss compares the bits of an IPv6 address with an IPv4 prefix as if they were one family:
        # ::1 is in its 0.0.0.0/1.  These prefixes have no such twins in the zoo.
        self.nets = ["127.0.0.0/8", "127.1.0.0/16", "127.0.0.0/14", "127.0.0.0/30", "64.0.0.0/2", "127.1.1.0/24"]
        self.addrs6 = ["[::1]", "[fd00:1::1]", "[fd00:1::1:2]"]
        self.nets6 = ["fd00:1::/64", "fd00:1::/112", "fd00::/8", "fd00:1::1:0/124"]

    def leaf(self):
        pick = self.random.choice
        kind = self.random.randrange(6)
        if kind == 0:
            port = pick(self.ports)
            return f"lport {port}", f"sport = :{port}"
        if kind == 1:
            port = pick(self.ports)
            return f"rport {port}", f"dport = :{port}"
        if kind == 2:
            port, op = pick(self.ports), pick(["<", "<=", ">", ">=", "!="])
            side = pick(["sport", "dport"])
            return f"{side} {op} {port}", f"{side} {op} :{port}"
        side = pick(["src", "dst"])
        if kind == 3:
            text = pick(self.nets + self.addrs)
        elif kind == 4:
            text = pick(self.nets6 + self.addrs6)
        else:
            text = f"{pick(self.addrs + self.addrs6)}:{pick(self.ports)}"
        return f"{side} {text}", f"{side} {text}"

    def expression(self, depth):
        if depth == 0 or self.random.random() < 0.2:
            return self.leaf()
        kind = self.random.randrange(3)
        one, other = self.expression(depth - 1), self.expression(depth - 1)
        if kind == 0:
            return f"not ({one[0]})", f"not ( {one[1]} )"
        word = ("and", "or")[kind - 1]
        return f"({one[0]}) {word} ({other[0]})", f"( {one[1]} ) {word} ( {other[1]} )"

    def states(self):
        names = ["established", "syn-sent", "fin-wait-1", "fin-wait-2", "time-wait", "close-wait", "last-ack", "listening"]
        return self.random.sample(names, self.random.randrange(1, 5))


@pytest.mark.skipif(not shutil.which("ss"), reason="ss is not installed")
@pytest.mark.parametrize("seed", range(4))
def test_ss_selects_the_same(zoo, seed):
    dice = Dice(seed)
    found = 0
    for _ in range(500):
        ours, theirs = dice.expression(3)
        if dice.random.random() < 0.5:
            names = dice.states()
            text = f"state {','.join(names).replace('listening', 'listen')} and ({ours})"
            args = [word for name in names for word in ("state", name)] + theirs.split()
            base = None
        else:
            text, args, base = ours, theirs.split(), ALL_STATES
        chosen = Filter(text)
        while True:
            want = zoo.ss(*args)
            mine = {ends(row) for row in cases.matching(chosen, zoo.table(plan_for(chosen, base=base)), UNKNOWN)}
            if mine == want or zoo.ss(*args) == want:  # else a TIME_WAIT ended between the two
                break
        assert mine == want, (text, args)
        found += bool(want)
    assert found > 200, "most filters should find something"
