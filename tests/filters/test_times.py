# SPDX-License-Identifier: BSD-2-Clause
"""Idle, age and round-trip time where nothing was measured: of what is being opened, of a listener, of what opened itself."""

import contextlib
import json
import socket

import pytest
from support.command import tcpdrop
from support.wait import until

import tcpdrop as api

pytestmark = [pytest.mark.privileged, pytest.mark.only_on("linux", reason="what its kernel says of them")]

#: what every socket of a host that has just been started is, and none that was just made
AS_OLD_AS_THE_HOST = ("idle gt 20s", "age gt 20s", "not idle lt 20s")


def bound(stack):
    sock = stack.enter_context(socket.socket())
    sock.bind(("127.0.0.1", 0))
    return sock


def matched(port, *texts):
    return [text for text in texts if len(api.connections(f"lport {port} state all and {text}"))]


@pytest.fixture
def opening():
    """The port of what waits for an answer: nobody accepts there."""
    with contextlib.ExitStack() as stack:
        full = bound(stack)
        full.listen(0)
        for _ in range(4):
            client = bound(stack)
            client.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                client.connect(full.getsockname())
        port = client.getsockname()[1]
        until(lambda: api.connections(f"lport {port}")[0].state_name == "SYN_SENT", "SYN_SENT")
        yield port


def test_what_is_being_opened_is_not_as_old_as_the_host(opening):
    assert matched(opening, *AS_OLD_AS_THE_HOST, "rtt lt 1ms", "rtt ge 0s", "idle ge 0s") == []
    (found,) = api.connections(f"lport {opening}", details=True)
    assert (found.idle_ms, found.age_ms, found.rtt_us) == (None, None, None)
    assert (found.bytes_sent, found.bytes_received) == (0, 0)


def test_what_is_being_opened_is_not_dropped_for_its_age(opening):
    done = tcpdrop("drop", "lport", str(opening), "idle", "gt", "20s")
    assert (done.status, done.out) == (3, "")
    assert "1 more could not be decided: nothing was measured of them" in done.err, done.err
    assert tcpdrop("drop", "lport", str(opening), "--protect", "idle gt 20s").status == 4


def test_a_listener_has_no_times():
    with contextlib.ExitStack() as stack:
        listener = bound(stack)
        listener.listen()
        listed = json.loads(tcpdrop("list", "--json", "state", "listen", "lport", str(listener.getsockname()[1])).out)
    (found,) = listed["connections"]
    assert (found["idle_ms"], found["age_ms"], found["rtt_us"]) == (None, None, None)


def test_what_opened_itself_is_not_as_old_as_the_host():
    """A simultaneous opening writes no time of receiving before data comes."""
    with contextlib.ExitStack() as stack:
        itself = bound(stack)
        port = itself.getsockname()[1]
        itself.connect(itself.getsockname())
        assert matched(port, "state established", *AS_OLD_AS_THE_HOST) == ["state established"]
        itself.sendall(b"x")
        until(lambda: matched(port, "recvq gt 0"), "the data")
        assert matched(port, *AS_OLD_AS_THE_HOST, "idle lt 20s") == ["idle lt 20s"]


def test_who_only_sends_is_as_old_as_it_is():
    """Nothing was received, but when it was connected is known."""
    with contextlib.ExitStack() as stack:
        listener = bound(stack)
        listener.listen()
        client = bound(stack)
        client.connect(listener.getsockname())
        stack.enter_context(listener.accept()[0])
        port = client.getsockname()[1]
        until(lambda: matched(port, "age gt 50ms"), "it to be 50 ms old")
        client.sendall(b"x")
        assert matched(port, "age gt 50ms", "idle lt 20s") == ["age gt 50ms", "idle lt 20s"]
