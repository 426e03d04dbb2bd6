# SPDX-License-Identifier: BSD-2-Clause
"""A socket that a program binds to an interface after it was listed lives, and is no other: it is dropped, or told as what it is."""

import socket

import pytest
from support import procnet
from support.sockets import SO_BINDTODEVICE

import tcpdrop
from tcpdrop.engine import verify
from tcpdrop.engine.rebound import MANY

pytestmark = [pytest.mark.privileged, pytest.mark.only_on("linux", reason="SO_BINDTODEVICE")]


def listed(holder, number):
    """Connections by one listener, selected, and bound to the loopback interface after that: (their accepted ends, the selection)."""
    listener = holder.listener()
    ends = []
    for _ in range(number):
        client = holder.socket()
        client.call("connect", listener.name())
        ends.append((listener.accept(), client))
    selection = tcpdrop.connections(f"lport {listener.name()[1]} and state established")
    assert len(selection) == number
    for accepted, _ in ends:
        accepted.call("setsockopt", socket.SOL_SOCKET, SO_BINDTODEVICE, b"lo")
        assert accepted.call("send", b"x") == 1
    return ends, selection


def state_of(end, client):
    return procnet.state(end.tuple_to(client))


@pytest.mark.parametrize("number", [1, 3, MANY + 1])
def test_what_was_bound_since_is_dropped(holder, number):
    ends, selection = listed(holder, number)
    assert tcpdrop.drop(selection).counts == {"dropped": number}
    assert all(accepted.errno("send", b"x") and client.errno("send", b"x") for accepted, client in ends)


@pytest.mark.parametrize("method", ["destroy", "descriptor"])
def test_by_either_method(holder, method):
    (end,), selection = listed(holder, 1)
    assert tcpdrop.drop(selection, method=method).counts == {"dropped": 1}
    assert end[0].errno("send", b"x")


def test_a_dry_run_sees_it(holder):
    ((accepted, client),), selection = listed(holder, 1)
    assert tcpdrop.drop(list(selection), dry_run=True).counts == {"would_drop": 1}
    rows = [row for batch in selection.batches for row in batch]
    assert verify.present(rows, None) == [True]
    assert state_of(accepted, client) == "ESTABLISHED"


def test_what_is_gone_is_gone(holder):
    """Also beside others that are bound; and another one with its ends is none."""
    pair, bound = holder.pair(), holder.pair(device=b"lo")
    selection = tcpdrop.connections(f"lport {pair.lport}")
    pair.close()
    assert tcpdrop.drop(selection).counts in ({"gone": 1}, {"dropped": 1})  # what is in TIME_WAIT has another cookie
    assert bound.alive()
