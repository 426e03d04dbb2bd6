# SPDX-License-Identifier: BSD-2-Clause
"""The public functions that touch connections."""

from __future__ import annotations

from . import exact
from .addresses import pack, split_dev
from .exact import Quad
from .netns import opened


def drop_one(
    local: tuple[object, ...],
    remote: tuple[object, ...],
    *,
    netns: str | int | None = None,
    include_self: bool = False,
) -> None:
    """Drop the one TCP connection with these ends; raise unless it was dropped.

    local, remote: (address, port), or the 4-tuples of an IPv6 socket's
    getsockname() and getpeername().  Addresses are numeric text; "%dev" behind
    one names the interface of a socket that is bound to it.
    netns: a network namespace by name, PID or path (Linux); None is the caller's own.
    include_self: drop it even if it carries the caller's own login session.

    Raises NotFound, NotPermitted, NotSupported, Protected, Refused (two
    connections have the tuple), Error; ValueError for what cannot name one
    connection, before anything is opened.  Linux: sock_diag(7), SOCK_DESTROY.
    """
    laddr, lport, ldev = _end(local, "local")
    raddr, rport, rdev = _end(remote, "remote")
    if ldev and rdev and ldev != rdev:
        raise ValueError(f"the ends name two interfaces, {ldev} and {rdev}")
    quad = Quad(laddr, lport, raddr, rport, ldev or rdev)
    with opened(netns) as scope:
        exact.drop_quad(quad, scope=scope, include_self=include_self)


def _end(end: tuple[object, ...], name: str) -> tuple[bytes, int, str]:
    """(address, port) or (address, port, flowinfo, scope id) to bytes, port, interface."""
    if not isinstance(end, tuple) or len(end) not in (2, 4):
        raise TypeError(f"{name}: (address, port) is needed, not {end!r}")
    address, port = end[0], end[1]
    if not isinstance(address, str) or not isinstance(port, int) or isinstance(port, bool):
        raise TypeError(f"{name}: (address, port) is (str, int), not {end!r}")
    text, dev = split_dev(address)
    if not dev and len(end) == 4 and end[3]:
        dev = str(end[3])
    return pack(text), port, dev
