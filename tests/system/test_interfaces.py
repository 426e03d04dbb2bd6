# SPDX-License-Identifier: BSD-2-Clause
"""Interfaces by every name, and listeners, of the namespace that is asked and of no other."""

import contextlib
import socket

import pytest
from support import lan as lans
from support.command import tcpdrop
from support.holder import Holder

import tcpdrop as package
from tcpdrop import _tcpdrop
from tcpdrop.filters import Filter

pytestmark = [pytest.mark.privileged, pytest.mark.only_on("linux", reason="interfaces and network namespaces of Linux")]

LONG = "a-name-of-an-interface-that-is-longer-than-fifteen-bytes-" + "x" * 60


@pytest.fixture(scope="module")
def wire():
    """Two hosts; near's device has other names as well."""
    why = lans.why_not()
    if why:
        pytest.skip(why)
    with contextlib.closing(lans.Lan()) as made:
        try:
            for name in ("enp9s0", "日本", LONG):
                made.on_near(f"ip link property add dev va altname {name}")
        except OSError as error:
            pytest.skip(f"no other names of interfaces here: {error}")
        yield made


@pytest.mark.parametrize("name", ["va", "enp9s0", "日本", LONG])
def test_a_device_is_found_by_every_name(wire, name):
    there = ("--netns", str(wire.near.pid))
    bound, _, (_, port, *_) = wire.connect(device="va")
    free, _, (_, other, *_) = wire.connect()
    for text, count in ((f"dev {name}", 1), (f"not dev {name}", 1), (f"dev {name} and dev va", 1), ("dev lo", 0)):
        done = tcpdrop("list", "-c", *there, f"lport {port},{other} and ({text})")
        assert (done.out, done.status) == (f"{count}\n", 0 if count else 1), (text, done)
    rule = ("--protect", f"dev {name}")
    done = tcpdrop("drop", *there, f"lport {port},{other}", *rule)
    assert done.status == 0
    assert f"{port} " in done.err and "protected" in done.err
    assert done.out.count(": dropped\n") == 1 and f" {other} " in done.out
    assert bound.errno("send", b"x") == 0
    assert free.errno("send", b"x") != 0
    with wire_scope(wire) as scope:
        found = _tcpdrop.interfaces(scope)
    assert found[name.encode()] == found[b"va"]
    assert list(found).index(b"va") < list(found).index(b"enp9s0"), "its own name is the first"


@contextlib.contextmanager
def wire_scope(wire):
    with open(f"/proc/{wire.near.pid}/ns/net", "rb") as file:
        yield file.fileno()


def test_one_connection_by_another_name_of_its_device(wire):
    bound, _, (laddr, port, raddr, rport) = wire.connect(device="va")
    ends = [socket.inet_ntoa(laddr) + "%enp9s0", str(port), socket.inet_ntoa(raddr), str(rport)]
    done = tcpdrop("--netns", str(wire.near.pid), *ends)
    assert done.status == 0, done
    assert bound.errno("send", b"x") != 0


# ---- which end opened it


@pytest.fixture
def elsewhere():
    with Holder(netns=True) as holder:
        yield holder


def test_the_listeners_of_the_namespace_that_is_asked(elsewhere):
    """One of ours on the same port is no evidence there."""
    listener, client = elsewhere.listener(), elsewhere.socket()
    client.call("connect", listener.name())
    there = ("--netns", str(elsewhere.pid))
    port = client.name()[1]
    with socket.create_server(("", port)):
        for text, number in (("out", 1), ("in", 0)):
            done = tcpdrop("list", *there, "-c", "--allow-none", f"lport {port} {text}")
            assert (done.status, done.out) == (0, f"{number}\n"), done


IP_TRANSPARENT = 19
PROXIED = (
    "ip rule add fwmark 1 lookup 100",
    "ip route add local 0.0.0.0/0 dev lo table 100",
    "nft add table ip t",
    "nft add chain ip t p { type filter hook prerouting priority -150 ; }",
    f"nft add rule ip t p ip daddr {lans.FOREIGN} tcp dport 40000 tproxy to :7777 meta mark set 1 accept",
)


def test_what_a_transparent_proxy_accepted_is_not_told_to_be_opened(wire):
    """Its local end is another host's, and its port one of clients on which nobody listens: the proxy does, on another."""
    try:
        lans.run_in(wire.far, "ip", "route", "add", lans.FOREIGN, "via", lans.NEAR)
        wire.on_near(*PROXIED)
    except OSError as error:
        pytest.skip(f"no transparent proxy here: {error}")
    proxy = wire.near.socket()
    proxy.call("setsockopt", socket.SOL_IP, IP_TRANSPARENT, 1)
    proxy.call("bind", ("0.0.0.0", 7777))
    proxy.call("listen", 5)
    client = wire.far.socket()
    client.call("connect", (lans.FOREIGN, 40000))
    accepted = proxy.accept()
    there = ("--netns", str(wire.near.pid))
    assert tcpdrop("list", *there, "-c", f"local {lans.FOREIGN}:40000").out == "1\n"
    for text in ("out", "not out", "in", "not in"):
        done = tcpdrop("drop", *there, f"local {lans.FOREIGN}:40000 and {text}")
        assert (done.status, done.out) == (3, ""), (text, done)
        assert "which end opened them does not show" in done.err
    assert tcpdrop("list", "--netns", str(wire.far.pid), "-c", "rport 40000 and out").out == "1\n"
    assert accepted.errno("send", b"x") == 0


def test_a_connection_of_another_namespace_is_judged_by_neither(elsewhere):
    listener, client = elsewhere.listener(), elsewhere.socket()
    client.call("connect", listener.name())
    port = client.name()[1]
    (one,) = package.connections(f"lport {port}", netns=elsewhere.pid)
    for text in ("in", "out", "not in", "not out"):
        assert not Filter(text).matches(one)
