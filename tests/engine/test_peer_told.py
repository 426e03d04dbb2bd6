# SPDX-License-Identifier: BSD-2-Clause
"""peer_told against what a packet socket on the peer's side of the wire has seen.

Each case is a host in some condition.  What is said must be what was seen, or
None; which are None is written down here.
"""

import errno
import json
import socket

import pytest
from support.command import tcpdrop as tcpdrop_command
from support.lan import ADDRESSES, FAR, FAR6, FOREIGN, NEAR, NEAR6, Lan, Witness, run_in, why_not

import tcpdrop
from tcpdrop.engine import peer_told
from tcpdrop.model.addresses import unpack
from tcpdrop.model.rows import ROW

pytestmark = [pytest.mark.privileged, pytest.mark.only_on("linux", reason="the peer is told")]

MARK = (socket.SOL_SOCKET, 36)  # SO_MARK
TRANSPARENT = (socket.IPPROTO_IP, 19, 1)
REPAIR = (socket.IPPROTO_TCP, 19)
WAY4, WAY6 = "192.0.2.0/24 dev va", "2001:db8::/64 dev va"


@pytest.fixture(scope="module")
def possible():
    why = why_not()
    if why:
        pytest.skip(why)


@pytest.fixture
def lan(possible):
    one = Lan()
    yield one
    one.close()


def agrees(lan, expected, witness=None, **options):
    """What is said of each is what is expected, {tuple: True, False or None}, and the wire says so too."""
    ports = {(tup[1], tup[3]): told for tup, told in expected.items()}
    chosen = " or ".join(f"(lport {lport} and rport {rport})" for lport, rport in ports)
    report = tcpdrop.drop(chosen, netns=lan.near.pid, **options)
    seen = (witness or lan.witness).resets()
    assert report.counts == {"dropped": len(ports)}
    said = {(result.connection.local.port, result.connection.remote.port): result.peer_told for result in report}
    assert said == ports
    assert {ends for ends, told in said.items() if told} == seen - {ends for ends, told in said.items() if told is None}
    return report


#: what happens to near between the connection and its drop -> is the peer told, by IPv4 and by IPv6
GONE4, GONE6 = f"ip addr del {NEAR}/24 dev va", f"ip addr del {NEAR6}/64 dev va"
CASES = {
    "nothing": ([], [], True, True),
    "its address has left": ([GONE4], [GONE6], False, False),
    "its address has left, the route is there": ([GONE4, f"ip route add {WAY4}"], [GONE6, f"ip -6 route add {WAY6}"], False, True),
    "its address is on lo": (
        [GONE4, f"ip addr add {NEAR}/32 dev lo", f"ip route add {WAY4}"],
        [GONE6, f"ip addr add {NEAR6}/128 dev lo nodad", f"ip -6 route add {WAY6}"],
        True,
        True,
    ),
    "its address is in a local prefix": (
        [GONE4, "ip route add local 192.0.2.0/31 dev lo", f"ip route add {WAY4}"],
        [GONE6, "ip -6 route add local 2001:db8::/127 dev lo", f"ip -6 route add {FAR6} dev va"],
        True,
        True,
    ),
    "the peer's address is here by now": ([f"ip addr add {FAR}/32 dev lo"], [f"ip -6 addr add {FAR6}/128 dev lo nodad"], None, None),
    "the device is off": (["ip link set va down"], ["ip link set va down"], False, False),
    "no route": ([f"ip route del {WAY4}"], [f"ip -6 route del {WAY6}"], False, False),
    "another route": (
        [f"ip route del {WAY4}", f"ip route add {FAR} dev va"],
        [f"ip -6 route del {WAY6}", f"ip -6 route add {FAR6} dev va"],
        True,
        True,
    ),
    **{
        kind: ([f"ip route add {kind} {FAR}"], [f"ip -6 route add {kind} {FAR6}"], False, False)
        for kind in ("unreachable", "blackhole", "prohibit", "throw")
    },
    "a rule by source": ([f"ip rule add from {NEAR} prohibit"], [f"ip -6 rule add from {NEAR6} prohibit"], False, False),
    "a rule by another source": (["ip rule add from 10.9.9.9 prohibit"], ["ip -6 rule add from fd00::9 prohibit"], True, True),
    "a table of its own by source": (
        [f"ip rule add from {NEAR} lookup 77", f"ip route add {WAY4} table 77", f"ip route del {WAY4}"],
        [f"ip -6 rule add from {NEAR6} lookup 77", f"ip -6 route add {WAY6} table 77", f"ip -6 route del {WAY6}"],
        True,
        True,
    ),
    "a rule by destination": ([f"ip rule add to {FAR} blackhole"], [f"ip -6 rule add to {FAR6} blackhole"], False, False),
    "a rule by device": (["ip rule add oif va unreachable"], ["ip -6 rule add oif va unreachable"], True, True),
    "a rule by incoming device": (["ip rule add iif va unreachable"], ["ip -6 rule add iif va unreachable"], True, True),
    "a rule for what is our own": (["ip rule add iif lo unreachable"], ["ip -6 rule add iif lo unreachable"], False, False),
    "a rule by mark": (["ip rule add fwmark 7 prohibit"], ["ip -6 rule add fwmark 7 prohibit"], True, True),
    "a rule by user": (["ip rule add uidrange 0-0 unreachable"], ["ip -6 rule add uidrange 0-0 unreachable"], False, False),
    "a rule by another user": (["ip rule add uidrange 7-9 unreachable"], ["ip -6 rule add uidrange 7-9 unreachable"], True, True),
    "a rule by protocol": (["ip rule add ipproto 6 blackhole"], ["ip -6 rule add ipproto 6 blackhole"], False, False),
    "a rule by type of service": (["ip rule add tos 0x10 prohibit"], ["ip -6 rule add tos 0x10 prohibit"], None, None),
}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.real_root) if name == "a rule by another user" else name for name in CASES]
)
def test_what_is_said_is_what_was_seen(lan, name):
    four, six, told, told6 = CASES[name]
    connected = {lan.connect(family)[2]: told6 if family == "inet6" else told for family in ADDRESSES}
    lan.on_near(*dict.fromkeys(four + six))
    agrees(lan, connected)


def test_what_cannot_be_told_is_counted():
    """A rule by type of service, which no row shows; and whether a connection within the host was meant."""
    assert {name for name, (_, _, *told) in CASES.items() if None in told} == {
        "a rule by type of service",
        "the peer's address is here by now",
    }


def test_a_device_without_a_carrier(lan):
    connected = {lan.connect(family)[2]: False for family in ADDRESSES}
    run_in(lan.far, "ip", "link", "set", "vb", "down")
    agrees(lan, connected)


def test_binding_to_what_is_not_here_is_not_sending_from_it(lan):
    _, _, tup = lan.connect()
    run_in(lan.near, "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_nonlocal_bind")
    lan.on_near(GONE4, f"ip route add {WAY4}")
    agrees(lan, {tup: False})


@pytest.mark.parametrize("rule", [None, "from 10.9.9.9 prohibit"])
def test_a_transparent_socket_sends_from_an_address_that_is_not_here(lan, rule):
    """Unless rules look at the source, which routing cannot be asked about for an address that is not here."""
    run_in(lan.far, "ip", "route", "add", f"{FOREIGN}/32", "via", NEAR)
    lan.on_near("ip rule add iif va lookup 100", f"ip route add local {FOREIGN} dev lo table 100")
    _, _, tup = lan.connect(options=[TRANSPARENT], source=FOREIGN)
    if rule:
        lan.on_near(f"ip rule add {rule}")
    agrees(lan, {tup: None if rule else True})


@pytest.mark.parametrize(
    ("family", "commands", "expected"),
    [
        ("inet", [], True),
        ("inet6", [], True),
        ("inet", [f"ip route del {WAY4}"], True),  # IPv4 takes all to be directly connected then
        ("inet6", [f"ip -6 route del {WAY6}"], False),
        ("inet", ["ip rule add oif va prohibit"], True),
        ("inet6", ["ip -6 rule add oif va prohibit"], False),
        ("inet", [f"ip route replace {FAR} dev vc"], True),
        ("inet6", [f"ip -6 route replace {FAR6} dev vc"], True),
        ("inet6", [f"ip -6 route replace {FAR6} dev vc", f"ip -6 route del {WAY6}"], False),
        ("inet6", [f"ip -6 route replace {FAR6} dev vc", "ip -6 rule add from fd00::9 prohibit"], None),
        ("inet", ["ip link set va down"], False),
        ("inet6", ["ip link set va down"], False),
    ],
)
def test_a_socket_that_is_bound_to_a_device(lan, family, commands, expected):
    """vc is another device, towards nobody."""
    lan.on_near("ip link add vc type veth peer name vd", "ip link set vc up", "ip link set vd up")
    _, _, tup = lan.connect(family, device="va")
    lan.on_near(*commands)
    agrees(lan, {tup: expected})


@pytest.mark.parametrize(("kind", "family"), [("fwmark 7", "inet"), ("fwmark 7", "inet6")])
def test_a_marked_socket(lan, kind, family):
    _, _, tup = lan.connect(family, options=[(*MARK, 7)])
    lan.on_near(f"ip {'-6' if family == 'inet6' else '-4'} rule add {kind} prohibit")
    agrees(lan, {tup: False})


@pytest.mark.parametrize("end", ["sport", "dport"])
@pytest.mark.parametrize("family", ["inet", "inet6"])
def test_rules_by_port(lan, family, end):
    """Two connections that differ in nothing but their ports."""
    _, _, one = lan.connect(family)
    _, _, other = lan.connect(family)
    lan.on_near(f"ip {'-6' if family == 'inet6' else '-4'} rule add ipproto 6 {end} {one[1 if end == 'sport' else 3]} blackhole")
    agrees(lan, {one: False, other: True})


def test_a_user_that_is_not_shown(lan):
    """Not accepted yet: nobody holds it, and rules look at the user."""
    listener = lan.near.listener(addr=NEAR)
    client = lan.far.socket()
    client.call("connect", listener.name())
    lan.on_near("ip rule add uidrange 0-0 unreachable")
    agrees(lan, {listener.tuple_to(client): None})


@pytest.mark.parametrize("family", ["inet", "inet6", "mapped"])
def test_loopback(lan, family):
    pair = lan.near.pair(family)
    witness = Witness(lan.near, "lo")
    agrees(lan, {pair.tuple: True}, witness)
    witness.close()


def test_link_local(lan):
    listener = lan.far.listener("inet6", addr="::")
    address = [line.split()[3] for line in run_in(lan.far, "ip", "-o", "-6", "addr", "show", "dev", "vb", "scope", "link").splitlines()]
    ours = lan.near.socket("inet6")
    index = int(run_in(lan.near, "ip", "-o", "link", "show", "dev", "va").split(":")[0])
    ours.call("connect", (address[0].split("/")[0], listener.name()[1], 0, index))
    theirs = listener.accept()
    agrees(lan, {ours.tuple_to(theirs): True})


@pytest.mark.parametrize(("method", "expected"), [("descriptor", False), ("destroy", True)])
def test_a_connection_in_repair(lan, method, expected):
    """Through its descriptor it ends without a word."""
    ours, _, tup = lan.connect()
    ours.call("setsockopt", *REPAIR, 1)
    (result,) = agrees(lan, {tup: expected}, method=method)
    assert result.victim_sees == "ECONNABORTED"
    assert ours.so_error() == 103


@pytest.mark.parametrize(
    ("family", "commands", "expected"), [("inet", [], True), ("inet", [GONE4], False), ("inet6", [GONE6, f"ip -6 route add {WAY6}"], True)]
)
def test_through_a_descriptor(lan, family, commands, expected):
    _, _, tup = lan.connect(family)
    lan.on_near(*commands)
    agrees(lan, {tup: expected}, method="descriptor")


@pytest.mark.parametrize("family", ["inet", "inet6"])
@pytest.mark.parametrize("both", [True, False])
def test_a_connection_between_two_addresses_of_the_host(lan, family, both):
    """Its other end is seen to be here before the drop, and whoever has it is told."""
    other = "192.0.2.9" if family == "inet" else "2001:db8::9"
    lan.on_near(f"ip addr add {other}/{32 if family == 'inet' else 128} dev lo {'' if family == 'inet' else 'nodad'}")
    listener = lan.near.listener(addr=other, family=family)
    client = lan.near.socket(family)
    client.call("bind", (NEAR if family == "inet" else NEAR6, 0))
    client.call("connect", listener.name())
    server = listener.accept()
    lport, rport = server.name()[1], client.name()[1]
    chosen = f"port {lport} and port {rport}" if both else f"lport {lport}"
    report = tcpdrop.drop(chosen, netns=lan.near.pid)
    assert report.counts == {"dropped": 2 if both else 1}
    assert {result.peer_told for result in report} == {True}
    assert both or client.errno("recv", 1) == errno.ECONNRESET


def test_of_many_connections_within_the_host_it_is_told_only_where_both_ends_are_dropped(lan, monkeypatch):
    """More look-ups than FEW are none: nothing else tells that a peer was no host that has lost its address to this one."""
    monkeypatch.setattr(peer_told, "FEW", 2)
    lan.on_near("ip addr add 192.0.2.9/32 dev lo")
    listener = lan.near.listener(addr="192.0.2.9")
    for number in (2, 3):
        for _ in range(number):
            client = lan.near.socket()
            client.call("bind", (NEAR, 0))
            client.call("connect", listener.name())
            listener.accept()
        report = tcpdrop.drop(f"lport {listener.name()[1]}", netns=lan.near.pid)
        assert report.counts == {"dropped": number}
        assert {result.peer_told for result in report} == {True if number == 2 else None}


# ---- what people read of it


@pytest.mark.parametrize(
    ("commands", "said"),
    [
        ([], ""),
        ([GONE4, f"ip route add {WAY4}"], f"this host has no address {NEAR} any more: those peers were not told"),
        ([f"ip route del {WAY4}"], f"there is no route to {FAR}: those peers were not told"),
        ([f"ip route add prohibit {FAR}"], f"there is no route to {FAR}: those peers were not told"),
        ([f"ip route add blackhole {FAR}"], f"there is no route to {FAR}: those peers were not told"),
    ],
    ids=["told", "address", "route", "prohibit", "blackhole"],
)
@pytest.mark.parametrize("inside", [True, False])
def test_the_hint_has_the_true_reason(lan, commands, said, inside):
    """Two connections, one line; in the namespace itself and from another one."""
    both = [lan.connect()[2] for _ in range(2)]
    lan.on_near(*commands)
    wrapper = ("nsenter", "-t", str(lan.near.pid), "-n") if inside else ()
    done = tcpdrop_command("drop", f"lport {both[0][1]},{both[1][1]}", *([] if inside else ["--netns", str(lan.near.pid)]), wrapper=wrapper)
    assert done.err.splitlines()[1:] == ([f"tcpdrop: {said}"] if said else [])
    assert bool(lan.witness.resets()) is not bool(said)


def test_of_many_a_part_is_asked_for(lan, monkeypatch):
    """To say that peers were not told; each outcome that is shown is asked for itself."""
    monkeypatch.setattr(peer_told, "SAMPLE", 3)
    looked, real = [], peer_told.ways_out
    monkeypatch.setattr(peer_told, "ways_out", lambda data, scope: looked.append(len(data) // ROW.size) or real(data, scope))
    ports = [lan.connect()[2][1] for _ in range(8)]
    lan.on_near(f"ip route del {WAY4}")
    report = tcpdrop.drop("lport " + ",".join(map(str, ports)), netns=lan.near.pid)
    ((outcomes,),) = [this.outcomes for this in report.rounds]
    assert outcomes.peers.is_sample
    assert [(why, unpack(address)) for why, address in outcomes.peers.untold()] == [("no route", FAR)] * 3
    assert looked == [3]
    assert [result.peer_told for result in report] == [False] * 8
    assert not outcomes.peers.is_sample
    assert len(list(outcomes.peers.untold())) == 8 and looked == [3, 8]


def test_a_device_that_is_down_is_named_by_its_peers(lan):
    tups = [lan.connect()[2] for _ in range(2)]
    run_in(lan.far, "ip", "link", "set", "vb", "down")
    done = tcpdrop_command("drop", f"lport {tups[0][1]},{tups[1][1]}", "--netns", str(lan.near.pid))
    assert done.err.splitlines()[1:] == [f"tcpdrop: the device to {FAR} is down: those peers were not told"]


@pytest.mark.parametrize(("commands", "told"), [([], True), ([GONE4], False), (["ip rule add tos 0x10 prohibit"], None)])
def test_the_classic_form_says_it_too(lan, commands, told):
    _, _, tup = lan.connect()
    lan.on_near(*commands)
    done = tcpdrop_command("--json", "--netns", str(lan.near.pid), NEAR, str(tup[1]), FAR, str(tup[3]))
    (entry,) = json.loads(done.out)["connections"]
    assert (entry["outcome"], entry["peer_told"]) == ("dropped", told)


def test_a_port_of_a_vrf(lan):
    try:
        lan.on_near("ip link add red type vrf table 10")
    except OSError as e:
        pytest.skip(f"no VRF in this kernel: {e}")
    lan.on_near("ip link set red up", "ip link set va master red", f"ip -6 addr add {NEAR6}/64 dev va nodad")
    for family in ("inet", "inet6"):
        _, _, tup = lan.connect(family, device="red")
        agrees(lan, {tup: True})
