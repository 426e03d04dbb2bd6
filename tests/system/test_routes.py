# SPDX-License-Identifier: BSD-2-Clause
"""What is concluded from the kernel's answers, also from those that this kernel does not give.

The kernel of these tests is a table: what it says of each (source, bound to).
That the real one says so is seen on the wire (engine/test_peer_told.py).
"""

import errno
from types import SimpleNamespace

import pytest

from tcpdrop.engine.peer_told import Peers, sends_reset
from tcpdrop.errors import NotPermitted
from tcpdrop.model.connection import Connection
from tcpdrop.model.rows import IFINDEX, LADDR, MARK, RADDR, ROW, ROW_CGROUP, ROW_FIELDS, ROW_MARK, ROW_OPTIONS, ROW_TRANSPARENT, ROW_UID
from tcpdrop.model.table import batch_of
from tcpdrop.system import kernel
from tcpdrop.system.netns import Namespace
from tcpdrop.system.routes import DOWN, HOME, LEAVES, NO_ADDRESS, NO_ROUTE, UNKNOWN, ways_out

pytestmark = [pytest.mark.pure, pytest.mark.only_on("linux", reason="the peer is told")]

HERE, PEER = bytes([192, 0, 2, 1]), bytes([192, 0, 2, 2])
HERE6, PEER6 = bytes.fromhex("20010db8" + "00" * 11 + "01"), bytes.fromhex("20010db8" + "00" * 11 + "02")
ANY = bytes(16)
SHOWN = ROW_MARK | ROW_OPTIONS | ROW_UID


PLAIN = {"family": 4, "laddr": HERE + bytes(12), "raddr": PEER + bytes(12), "lport": 80, "rport": 4000}
PLAIN.update(state=1, inode=5, flags=SHOWN)


def row(**values):
    six = {"laddr": HERE6, "raddr": PEER6} if values.get("family") == 6 else {}
    return tuple({**dict.fromkeys(ROW_FIELDS, 0), **PLAIN, **six, **values}.values())


#: devices: 2 and 3 are up, 4 is a port of the VRF 9, 5 is down, 6 is gone, 1 is lo
LINKS = {1: (0, 3, 0), 2: (0, 1, 0), 3: (0, 1, 0), 4: (0, 1, 9), 5: (0, 0, 0), 6: (errno.ENODEV, 0, 0)}


class Kernel:
    """Device 2 leads everywhere, if `answers` does not say otherwise."""

    def __init__(self, monkeypatch, rules=0):
        self.answers = {}
        self.asked = []
        monkeypatch.setattr(kernel, "routes", self.routes)
        monkeypatch.setattr(kernel, "links", lambda devices, scope: [LINKS[device] for device in devices])
        monkeypatch.setattr(kernel, "rules", lambda scope: (rules, rules))

    def routes(self, rows, scope):
        asked = list(ROW.iter_unpack(rows))
        self.asked += asked
        return [self.answers.get((one[LADDR], one[IFINDEX]), (0, 2)) for one in asked]


def way(given):
    return ways_out(ROW.pack(*given), None).of(given)


@pytest.mark.parametrize(("device", "said"), [(1, HOME), (2, LEAVES), (5, DOWN), (6, UNKNOWN)])
@pytest.mark.parametrize("family", [4, 6])
def test_a_device_that_is_down_or_has_gone_meanwhile(monkeypatch, family, device, said):
    given = row(family=family)
    Kernel(monkeypatch).answers[given[LADDR], 0] = (0, device)
    assert way(given) == said


@pytest.mark.parametrize("number", [errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EACCES, errno.EINVAL])
@pytest.mark.parametrize("family", [4, 6])
def test_no_way_to_the_peer_is_no_route_while_there_is_one_to_itself(monkeypatch, family, number):
    Kernel(monkeypatch)

    def routes(rows, scope):
        return [(0, 2) if one[LADDR] == one[RADDR] else (number, 0) for one in ROW.iter_unpack(rows)]

    monkeypatch.setattr(kernel, "routes", routes)
    assert way(row(family=family)) == NO_ROUTE


@pytest.mark.parametrize(
    ("flags", "said"),
    [(SHOWN, NO_ADDRESS), (SHOWN & ~ROW_OPTIONS, UNKNOWN), (SHOWN | ROW_TRANSPARENT, LEAVES)],
    ids=["plain", "old kernel", "transparent"],
)
@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENETUNREACH])
def test_a_source_that_is_not_here(monkeypatch, flags, said, number):
    """An old kernel does not show who may send all the same."""
    given = row(flags=flags)
    Kernel(monkeypatch).answers[given[LADDR], 0] = (number, 0)
    assert way(given) == said


@pytest.mark.parametrize(
    ("rules", "flags", "said"),
    [
        (kernel.RULE_MARK, SHOWN, LEAVES),
        (kernel.RULE_MARK, SHOWN & ~ROW_MARK, UNKNOWN),
        (kernel.RULE_UID, SHOWN, LEAVES),
        (kernel.RULE_UID, SHOWN & ~ROW_UID, UNKNOWN),
        (kernel.RULE_SOURCE, SHOWN, LEAVES),
        (kernel.RULE_SOURCE, SHOWN | ROW_TRANSPARENT, UNKNOWN),
        (kernel.RULE_PORTS, 0, LEAVES),
        (kernel.RULE_OTHER, SHOWN, UNKNOWN),
    ],
)
def test_rules_that_look_at_what_is_not_shown(monkeypatch, rules, flags, said):
    Kernel(monkeypatch, rules)
    assert way(row(flags=flags)) == said


@pytest.mark.parametrize(
    ("loosely", "strictly", "rules", "said"),
    [
        ((0, 2), None, 0, LEAVES),
        ((0, 3), (0, 2), 0, LEAVES),
        ((0, 3), (0, 5), 0, DOWN),
        ((0, 3), (errno.ENETUNREACH, 0), 0, NO_ROUTE),
        ((0, 3), (errno.ENETUNREACH, 0), kernel.RULE_SOURCE, UNKNOWN),
    ],
)
def test_a_bound_socket_of_ipv6_is_asked_for_twice(monkeypatch, loosely, strictly, rules, said):
    given = row(family=6, ifindex=2)
    one = Kernel(monkeypatch, rules)
    one.answers = {(HERE6, 2): loosely, (ANY, 2): strictly}
    assert way(given) == said
    assert len(one.asked) == (1 if strictly is None else 2)


def test_a_vrf_sends_by_its_ports(monkeypatch):
    one = Kernel(monkeypatch)
    one.answers = {(HERE6, 9): (0, 4), (ANY, 9): (errno.ENETUNREACH, 0)}
    assert way(row(family=6, ifindex=9)) == LEAVES


def test_what_differs_in_nothing_that_decides_is_asked_once(monkeypatch):
    rows = [row(rport=port, sendq=port) for port in range(1, 1000)] + [row(mark=7)]
    one = Kernel(monkeypatch)
    found = ways_out(b"".join(ROW.pack(*given) for given in rows), None)
    assert {found.of(given) for given in rows} == {LEAVES}
    assert sorted(given[MARK] for given in one.asked) == [0, 7]
    several = Kernel(monkeypatch, kernel.RULE_PORTS)
    ways_out(b"".join(ROW.pack(*given) for given in rows), None)
    assert len(several.asked) == 1000


def test_what_was_not_asked_for_is_unknown(monkeypatch):
    Kernel(monkeypatch)
    assert ways_out(ROW.pack(*row()), None).of(row(mark=1)) == UNKNOWN


def told(namespace=None):
    peers = Peers(batch_of([Connection(row())], namespace), [0], {})
    return peers.told(0, row()), list(peers.untold())


@pytest.mark.parametrize("step", ["rules", "routes", "links"])
def test_where_routing_may_not_be_asked_nothing_is_known(monkeypatch, step):
    def refuse(*_):
        raise NotPermitted("not permitted", errno=errno.EPERM)

    Kernel(monkeypatch)
    assert told() == (True, [])
    monkeypatch.setattr(kernel, step, refuse)
    assert told() == (None, [])


def test_a_namespace_that_has_ended_is_unknown():
    assert told(Namespace("/nonexistent/net")) == (None, [])


def test_a_namespace_is_left_as_it_was(monkeypatch):
    Kernel(monkeypatch)
    kept, closed = Namespace("/proc/self/ns/net"), Namespace("/proc/self/ns/net")
    with kept:
        assert told(kept) == told(closed) == (True, [])
        assert (kept.is_open, closed.is_open) == (True, False)


# ---- who sends one at all

TOLD, NOT, MAYBE = True, False, None
DESCRIPTOR, REPAIRED = ("descriptor", "ECONNRESET"), ("descriptor", "ECONNABORTED")


@pytest.mark.parametrize(
    ("state", "values", "way", "said"),
    [
        (1, {}, None, TOLD),
        (1, {}, DESCRIPTOR, TOLD),
        (1, {}, REPAIRED, NOT),
        (1, {"inode": 0}, None, TOLD),  # not accepted yet
        (2, {}, None, NOT),
        (3, {"inode": 0, "flags": ROW_MARK}, None, NOT),  # a request
        (3, {"inode": 0, "flags": ROW_CGROUP}, None, TOLD),  # a socket of TCP Fast Open
        (3, {"inode": 0, "flags": ROW_OPTIONS}, None, TOLD),
        (3, {"flags": 0}, None, TOLD),
        (4, {}, None, TOLD),
        (5, {}, None, TOLD),
        (5, {"inode": 0, "timer": 3}, None, NOT),
        (6, {"inode": 0}, None, NOT),
        (8, {}, None, TOLD),
        (9, {}, None, NOT),
        (9, {}, DESCRIPTOR, MAYBE),  # only with data that was not sent
        (11, {}, None, NOT),
        (11, {}, DESCRIPTOR, MAYBE),
    ],
)
def test_who_sends_a_reset(state, values, way, said):
    assert sends_reset(row(state=state, **values), way) is said


def boot(monkeypatch, release):
    monkeypatch.setattr("os.uname", lambda: SimpleNamespace(release=release))


@pytest.mark.parametrize(
    ("release", "said"), [("6.10.9-amd64", None), ("5.15.0-91-generic", None), ("6.11.0", True), ("7.0+", True), ("8", True)]
)
@pytest.mark.parametrize("state", [4, 5])
def test_what_nobody_holds_any_more_on_an_old_kernel(monkeypatch, release, said, state):
    boot(monkeypatch, release)
    assert sends_reset(row(state=state, inode=0), None) is said
    assert sends_reset(row(state=state), None) is True


def test_a_request_on_an_old_kernel_may_be_a_socket(monkeypatch):
    boot(monkeypatch, "5.4.0-190-generic")
    assert sends_reset(row(state=3, inode=0, flags=0), None) is None
