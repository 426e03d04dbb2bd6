# SPDX-License-Identifier: BSD-2-Clause
"""tcpdrop demo: the newcomer's first minute, on a connection of its own.

Two connections to one listener on loopback: one is dropped, the other and the
listener show that nothing else was touched.
"""

from __future__ import annotations

import os
import socket

from ..capabilities import check
from ..engine import single
from ..errors import Error
from ..model.connection import Connection
from ..model.four_tuple import FourTuple
from ..safety.session import own
from ..system import kernel, platform
from .exit_status import DONE, FAILED
from .options import Parsed
from .streams import Streams


def run(_: Parsed, streams: Streams) -> int:
    """Returns the exit status: DONE only if both ends saw the drop and nothing else did."""
    try:
        return _run(streams)
    except OSError as error:
        streams.note(f"tcpdrop: no connection to show on loopback: {error.strerror or error}")
        return FAILED


def _run(streams: Streams) -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with _connect(listener) as victim, _accept(listener) as peer, _connect(listener) as other, _accept(listener) as other_peer:
            streams.data(f"1. A server listens on 127.0.0.1 port {port}; two clients are connected to it.")
            return _show(streams, listener, (victim, peer), (other, other_peer))


def _connect(listener: socket.socket) -> socket.socket:
    return socket.create_connection(listener.getsockname(), timeout=5)


def _accept(listener: socket.socket) -> socket.socket:
    listener.settimeout(5)
    accepted, _ = listener.accept()
    accepted.settimeout(5)
    return accepted


def _show(
    streams: Streams, listener: socket.socket, victims: tuple[socket.socket, socket.socket], others: tuple[socket.socket, socket.socket]
) -> int:
    victim, peer = victims
    quad = _quad(victim)
    try:
        found = Connection(single.find(quad))
        streams.data(f"2. The kernel lists the first as  {found.state_name} {found.local} {found.remote}")
        streams.data("3. We drop it" + _drop(quad, victim))
    except Error as error:
        streams.note(f"tcpdrop: {error}")
        return FAILED
    streams.data(f"       {quad}: dropped")
    ends = [_fate(victim), _fate_of_peer(peer)]
    streams.data(f"4. The client reads: {ends[0]}")
    streams.data(f"   The server reads: {ends[1]}")
    untouched = _talks(*others) and _still_listens(listener)
    streams.data(
        "5. The second client "
        + ("still talks to the server, and the server accepts new ones." if untouched else "WAS HURT. This is a bug.")
    )
    noticed = "Error" in ends[0] and ("Error" in ends[1] or not platform.TELLS_PEER)
    return DONE if noticed and untouched else FAILED


def _quad(sock: socket.socket) -> FourTuple:
    local, remote = sock.getsockname(), sock.getpeername()
    return FourTuple(socket.inet_aton(local[0]), local[1], socket.inet_aton(remote[0]), remote[1])


def _drop(quad: FourTuple, victim: socket.socket) -> str:
    """The real way where it is open to us, else through our own descriptor, which is always open."""
    if check().ok or not platform.DESCRIPTORS:
        single.drop_unprotected(quad, own)
        return ", as root would type it:  tcpdrop " + str(quad)
    kernel.abort_own(victim.fileno(), quad.ends(), what=str(quad))
    why = (
        "as the connection is our own; 'tcpdrop check' says what others' would take"
        if os.geteuid()
        else "as this kernel or container allows"
    )
    return f" through its own descriptor, {why}:"


def _fate(sock: socket.socket) -> str:
    try:
        data = sock.recv(1)
    except OSError as error:
        return f"{type(error).__name__}: {error.strerror}"
    return "end of file" if not data else "data?"


def _fate_of_peer(peer: socket.socket) -> str:
    if not platform.TELLS_PEER:
        peer.settimeout(0.3)
        try:
            peer.recv(1, socket.MSG_PEEK)
        except socket.timeout:
            return "nothing has come; here the peer is told when it next sends"
        except OSError:
            pass  # then the next read tells
    return _fate(peer)


def _talks(one: socket.socket, other: socket.socket) -> bool:
    try:
        one.sendall(b"ping")
        return other.recv(4) == b"ping"
    except OSError:
        return False


def _still_listens(listener: socket.socket) -> bool:
    try:
        with _connect(listener), _accept(listener):
            return True
    except OSError:
        return False
