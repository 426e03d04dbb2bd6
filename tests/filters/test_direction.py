# SPDX-License-Identifier: BSD-2-Clause
"""`in` and `out` on evidence: who listens takes this address, family and device; who opened is told by the kernel's counts, no port."""

import contextlib
import socket
import threading

import pytest
from support.wait import until

import tcpdrop

pytestmark = [pytest.mark.privileged, pytest.mark.only_on("linux", reason="the kernel's counts")]


def directions(port, more=""):
    """What is certain of the connection with this local port."""
    return [
        text
        for text in ("in", "out", "not in", "not out")
        if len(tcpdrop.connections(f"lport {port} and not state listen and {text} {more}"))
    ]


IN, OUT, UNKNOWN = ["in", "not out"], ["out", "not in"], []


@pytest.fixture
def made():
    """socket(family=...), which ends with the test, and may have a port that others have."""
    with contextlib.ExitStack() as stack:

        def new(address, *, listens=False, reuse=socket.SO_REUSEADDR, v6only=None):
            sock = stack.enter_context(socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET))
            sock.setsockopt(socket.SOL_SOCKET, reuse, 1)
            if v6only is not None:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, v6only)
            sock.bind(address)
            if listens:
                sock.listen()
            return sock

        def accepted(listener):
            return stack.enter_context(listener.accept()[0])

        new.accepted = accepted
        yield new


@pytest.mark.parametrize("address", ["127.0.0.2", "::"])
def test_who_listens_on_another_address_has_not_accepted_it(made, address):
    """A port is no evidence: what was opened from 127.0.0.1 is not for who listens on 127.0.0.2, or for IPv6 alone."""
    other = made(("127.0.0.1", 0), listens=True)
    client = made(("127.0.0.1", 0))
    made((address, client.getsockname()[1]), listens=True, v6only=1 if ":" in address else None)
    client.connect(other.getsockname())
    made.accepted(other)
    assert directions(client.getsockname()[1]) == OUT
    assert directions(other.getsockname()[1]) == IN
    other.close()
    assert directions(client.getsockname()[1]) == OUT, "the kernel has counted its SYN"


@pytest.mark.parametrize("dual", [True, False])
def test_a_listener_for_both_families(made, dual):
    both = made(("::", 0), listens=True, v6only=0 if dual else 1)
    port = both.getsockname()[1]
    client = made(("127.0.0.1" if dual else "::1", 0))
    client.connect((client.getsockname()[0], port))
    made.accepted(both)
    assert directions(port) == IN
    assert directions(client.getsockname()[1]) == OUT


def test_that_nobody_listens_is_no_word_that_nobody_did(made):
    """As with FTP: the port is one of clients, its listener has gone, and it was accepted all the same."""
    listener = made(("127.0.0.1", 0), listens=True)
    client = made(("127.0.0.1", 0))
    client.connect(listener.getsockname())
    server = made.accepted(listener)
    listener.close()
    port, opened = server.getsockname()[1], client.getsockname()[1]
    assert directions(port) == UNKNOWN and tcpdrop.connections(f"lport {port} out").undecidable == 1
    assert directions(opened) == OUT
    for sender, receiver, size in ((client, server, 1), (server, client, 1), (client, server, 70000), (server, client, 70000)):
        sender.sendall(bytes(size))
        while size:
            size -= len(receiver.recv(size))
        assert directions(port) == UNKNOWN
        until(lambda: directions(opened) == OUT, "what was sent is acknowledged: whoever has sent how much")
    server.shutdown(socket.SHUT_WR)
    assert client.recv(1) == b""
    until(lambda: tcpdrop.connections(f"lport {port}")[0].state_name == "FIN_WAIT2", "its FIN is acknowledged")
    assert directions(port) == UNKNOWN and directions(opened) == OUT, "a FIN is no SYN"
    client.shutdown(socket.SHUT_WR)
    assert "in" not in directions(opened) and "out" not in directions(port)


def test_who_has_closed_first(made):
    listener = made(("127.0.0.1", 0), listens=True)
    client = made(("127.0.0.1", 0))
    client.connect(listener.getsockname())
    server = made.accepted(listener)
    listener.close()
    client.sendall(b"x")
    assert server.recv(1) == b"x"
    client.shutdown(socket.SHUT_WR)
    assert server.recv(1) == b""
    until(lambda: tcpdrop.connections(f"lport {client.getsockname()[1]}")[0].state_name == "FIN_WAIT2", "its FIN is acknowledged")
    assert directions(client.getsockname()[1]) == OUT and directions(server.getsockname()[1]) == UNKNOWN


def connected(made):
    """A client and what accepted it, whose listener has gone: nothing but the kernel's counts tells who opened it."""
    listener = made(("127.0.0.1", 0), listens=True)
    client = made(("127.0.0.1", 0))
    client.connect(listener.getsockname())
    server = made.accepted(listener)
    listener.close()
    return client, server


def fill(sock):
    """More than the other end has room for."""
    sock.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            sock.send(bytes(1 << 20))


def test_data_that_nobody_takes_is_under_way(made):
    """As towards a peer that has died: the queue stands still."""
    client, server = connected(made)
    opened, accepted = client.getsockname()[1], server.getsockname()[1]
    fill(client)
    until(lambda: directions(opened) == OUT, "the queue to stand still")
    assert directions(accepted) == UNKNOWN
    fill(server)
    until(lambda: directions(opened) == OUT, "the queue to stand still")
    for _ in range(50):
        assert directions(accepted) == UNKNOWN
    assert tcpdrop.connections(f"lport {opened} out").undecidable == 0


@pytest.mark.parametrize("size", [1, 1000])
def test_what_was_accepted_is_never_told_to_be_out(made, size):
    """Whatever is under way between two readings of the counts: one byte looks like a SYN, where they are not of one moment."""
    client, server = connected(made)
    opened, accepted = client.getsockname()[1], server.getsockname()[1]
    stop = threading.Event()

    def send(end):
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            while not stop.is_set():
                end.sendall(bytes(size))
        finally:
            end.shutdown(socket.SHUT_WR)

    def take(end):
        while end.recv(1 << 16):
            pass

    with contextlib.ExitStack() as stack:
        for work in (take, send):
            for end in (client, server):
                thread = threading.Thread(target=work, args=(end,))
                thread.start()
                stack.callback(thread.join)
        stack.callback(stop.set)
        told = 0
        for _ in range(60):
            assert directions(accepted) == UNKNOWN
            told += directions(opened) == OUT
        assert told, "not once in 60 looks"


def test_a_port_that_listens_and_opens(made):
    """SO_REUSEPORT, as for a hole through NAT: what was opened from it was not accepted by it."""
    other = made(("127.0.0.1", 0), listens=True)
    first = made(("127.0.0.1", 0), listens=True, reuse=socket.SO_REUSEPORT)
    client = made(first.getsockname(), reuse=socket.SO_REUSEPORT)
    client.connect(other.getsockname())
    made.accepted(other)
    assert directions(client.getsockname()[1]) == OUT


def test_what_is_just_being_opened(made):
    full = made(("127.0.0.1", 0))
    full.listen(0)
    clients = []
    for _ in range(4):  # nobody accepts: the last ones wait for an answer
        clients.append(made(("127.0.0.1", 0)))
        clients[-1].setblocking(False)
        with contextlib.suppress(BlockingIOError):
            clients[-1].connect(full.getsockname())
    port = clients[-1].getsockname()[1]
    assert tcpdrop.connections(f"lport {port}")[0].state_name == "SYN_SENT"
    full.close()
    assert directions(port, "and state syn-sent") in (OUT, UNKNOWN)
