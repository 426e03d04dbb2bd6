# SPDX-License-Identifier: BSD-2-Clause
"""Interfaces by every name, and the range of client ports, of the namespace that is asked and of no other."""

import contextlib
import socket
import sys

import pytest
from support import lan as lans
from support.command import needs, run, tcpdrop
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


# ---- the ports that connect() chooses


@pytest.fixture
def elsewhere():
    """A holder in a namespace whose clients have ports from 20000 to 20999."""
    with Holder(netns=True) as holder:
        done = run(
            *needs("nsenter", f"--net=/proc/{holder.pid}/ns/net"),
            *("sh", "-c", "echo 20000 20999 > /proc/sys/net/ipv4/ip_local_port_range"),
        )
        assert done.status == 0, done.err
        yield holder


def test_the_range_of_the_namespace_that_is_asked(elsewhere):
    with open(f"/proc/{elsewhere.pid}/ns/net", "rb") as file:
        assert _tcpdrop.local_ports(file.fileno()) == (20000, 20999)
    with open("/proc/sys/net/ipv4/ip_local_port_range") as own:
        assert _tcpdrop.local_ports() == tuple(map(int, own.read().split()))
    listener = elsewhere.listener()
    low, high = elsewhere.socket(), elsewhere.socket()
    high.call("bind", ("127.0.0.1", 40000))
    for client in (low, high):
        client.call("connect", listener.name())
    there = ("--netns", str(elsewhere.pid))
    port = low.name()[1]
    assert 20000 <= port <= 20999
    done = tcpdrop("list", *there, "-c", f"lport {port} out")
    assert (done.status, done.out) == (0, "1\n"), done
    # It is none of that namespace's, although it would be one of ours.
    done = tcpdrop("drop", *there, "lport 40000 out")
    assert (done.status, done.out) == (3, ""), done
    assert high.errno("send", b"x") == 0


HIDDEN = 'mount --make-rprivate / && mount -t proc -o subset=pid proc /proc && exec "$@"'


@pytest.mark.parametrize("covered", ["subset", "sys"])
def test_a_range_that_cannot_be_read_is_unknown(holder, covered):
    """Neither our own nor the default."""
    pair = holder.pair()
    script = HIDDEN if covered == "subset" else HIDDEN.replace("proc -o subset=pid proc /proc", "tmpfs none /proc/sys")
    wrapper = ("unshare", "--mount", "sh", "-c", script, "sh")
    needs(*wrapper)
    for text in ("out", "not out", "not in"):
        done = tcpdrop("drop", "--yes", f"lport {pair.lport} and {text}", wrapper=wrapper)
        assert (done.status, done.out) == (3, ""), (text, done)
        done = tcpdrop("drop", f"lport {pair.lport}", "--protect", "out", wrapper=wrapper)
        assert done.status == 4
    code = "import tcpdrop; print(len(tcpdrop.connections('out')), tcpdrop.connections('out').undecidable > 0)"
    assert run(*wrapper, sys.executable, "-c", code).out == "0 True\n"
    assert pair.alive()


def test_a_connection_of_another_namespace_is_judged_by_neither(elsewhere):
    listener, client = elsewhere.listener(), elsewhere.socket()
    client.call("connect", listener.name())
    port = client.name()[1]
    (one,) = package.connections(f"lport {port}", netns=elsewhere.pid)
    for text in ("in", "out", "not in", "not out"):
        assert not Filter(text).matches(one)
