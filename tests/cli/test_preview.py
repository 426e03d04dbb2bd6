# SPDX-License-Identifier: BSD-2-Clause
"""A dry run shows what the question shows; and what is not found for a reason that people run into says that."""

import array
import re
import socket

import pytest
from support.command import NOBODY, needs, tcpdrop
from support.terminal import Terminal

pytestmark = [pytest.mark.privileged, pytest.mark.only_on("linux", reason="drops there")]


def asked(*selection):
    """What the question says, between the number and the question mark."""
    with Terminal("drop", *selection) as terminal:
        terminal.expect("[y/N] ")
        text = terminal.seen.splitlines()[-1]
        terminal.type("n\n").end()
    return re.fullmatch(r"Drop \d+: (.*)\? \[y/N\] ?", text)[1]


def shown(*selection):
    """What the dry run says."""
    done = tcpdrop("drop", "-n", *selection)
    assert done.status == 0, done
    return re.search(r"^tcpdrop: they are (.*)$", done.err, re.M)[1]


def test_both_directions_of_a_port(service):
    """`port N` is also what this host itself has opened to that port elsewhere."""
    one, two = service(3), service(2, "127.0.0.5")
    selection = f"port {one.port},{two.port}"
    assert shown(selection) == asked(selection)
    for part in (f"3 in lport {one.port}", f"3 out rport {one.port}", f"2 out rport {two.port}", "2 peers"):
        assert part in shown(selection)
    assert (one.alive(), two.alive()) == (3, 2)


def test_what_no_process_is_seen_to_hold(holder):
    """The kernel's own look like this: here a socket that is only in flight between two ends of a UNIX socket."""
    listener = holder.listener()
    left, right = socket.socketpair()
    with left, right:
        pairs = []
        for _ in range(3):
            sock = socket.create_connection(listener.name())
            pairs.append((sock, listener.accept()))
        socket.socket.sendmsg(left, [b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [pairs[0][0].fileno()]))])
        pairs[0][0].close()
        selection = f"rport {listener.name()[1]}"
        told = f"3 out {selection}, 1 peer; no process is seen to hold 1: the kernel's own, like NFS?"
        # Two of them are held by pytest, which is an ancestor of the command.
        assert shown(selection, "--include-self") == told
        assert asked(selection, "--include-self") == told
        for sock, peer in pairs:
            sock.close()
            peer.close()
    listener.close()


def test_who_sees_nobody_elses_is_told_nothing_of_holders(service):
    one = service(2)
    done = tcpdrop("drop", "-n", "--include-self", f"lport {one.port}", wrapper=needs(*NOBODY))
    assert f"tcpdrop: they are 2 in lport {one.port}" in done.err
    assert "no process is seen" not in done.err


def test_both_families_of_one_peer_are_one(holder):
    """An IPv4 address is the same inside an IPv6 socket."""
    pairs = [holder.pair("inet"), holder.pair("mapped")]
    assert shown("lport " + ",".join(str(pair.lport) for pair in pairs)).endswith(", 1 peer")


@pytest.mark.parametrize("option", ["--json", "--jsonl", "-l"])
def test_programs_read_nothing_more(service, option):
    one = service(2)
    assert "they are" not in tcpdrop("drop", option, "-n", f"lport {one.port}").err


def test_one_has_its_line(holder):
    pair = holder.pair()
    assert tcpdrop("drop", "-n", f"lport {pair.lport}").err == ""


def test_an_address_that_is_not_here_may_be_that_of_nat():
    done = tcpdrop("203.0.113.1", "443", "127.0.0.1", "33062")
    assert done.status == 1
    assert "203.0.113.1 is no address here: behind NAT, name the ends as they are on this host" in done.err
    assert "NAT" not in tcpdrop("127.0.0.9", "443", "127.0.0.1", "33062").err
    assert "NAT" in tcpdrop("2001:db8::9", "443", "::1", "33062").err


@pytest.mark.parametrize(
    "args", [["drop", "udp", "lport", "53"], ["list", "-u"], ["list", "--udp"], ["udp", "127.0.0.1", "53", "127.0.0.1", "5353"], ["udp"]]
)
def test_udp_is_told_that_this_is_for_tcp(args):
    done = tcpdrop(*args)
    assert (done.status, done.out, done.err.count("\n")) == (2, "", 1)
    assert re.search("for TCP only|TCP connections are all there is", done.err)
