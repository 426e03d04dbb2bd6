# SPDX-License-Identifier: BSD-2-Clause
"""The public function that drops one connection; the others are in api.py, and load more."""

from __future__ import annotations

from ..model.addresses import printable
from ..model.connection import Connection
from ..model.four_tuple import FourTuple, pack_whole, split_dev
from ..safety.session import own
from ..system.netns import Namespace
from . import audit, other_zone
from .methods import check_method
from .outcome import Result
from .single import drop_unprotected


def drop_one(
    local: tuple[object, ...],
    remote: tuple[object, ...],
    *,
    netns: str | int | None = None,
    zone: str | int | None = None,
    include_self: bool = False,
    method: str = "auto",
) -> None:
    """Drop the one TCP connection with these ends; raise unless it was dropped.

    local, remote: (address, port), or the 4-tuples of an IPv6 socket's
    getsockname() and getpeername().  Addresses are numeric text; "%dev" behind
    one names the interface of a socket that is bound to it.
    netns: a network namespace by name, PID or path (Linux); None is the caller's own.
    zone: another zone by id or name, or "all" (illumos): its connections do not
    show, so the kernel's answer is not verified.
    include_self: drop it even if it carries the caller's own login session; what
    the host's /etc/tcpdrop.conf protects stays protected.
    method: "auto", "destroy" or "descriptor", as drop() takes it.  One's own
    connection needs no right at all (Linux).

    Raises NotFound, NotPermitted, NotSupported, Protected, Refused (two
    connections have the tuple), Error; ValueError for what cannot name one
    connection, before anything is opened.  Linux: sock_diag(7), SOCK_DESTROY.
    """
    laddr, lport, *ldevs = _end(local, "local")
    raddr, rport, *rdevs = _end(remote, "remote")
    quad = FourTuple(laddr, lport, raddr, rport, *ldevs, *rdevs)
    check_method(method)
    if not isinstance(include_self, bool):
        raise TypeError(f"include_self is True or False, not {printable(repr(include_self))}")
    elsewhere = None if zone is None else other_zone.id_of(zone)
    if elsewhere is not None:
        other_zone.drop(quad, elsewhere, include_self=include_self)
        return
    protecting = None if include_self else own
    if netns is None:
        row, way = drop_unprotected(quad, protecting, None, method)
    else:
        with Namespace(netns) as scope:
            row, way = drop_unprotected(quad, protecting, scope, method)
    if audit.logs():
        audit.to_logging([Result(Connection(row), "dropped", way=way)])


def _end(end: tuple[object, ...], name: str) -> tuple[bytes, int, str, str]:
    """(address, port) or (address, port, flowinfo, scope id) to bytes, port, and the interface as text and as scope id."""
    if not isinstance(end, tuple) or len(end) not in (2, 4):
        raise TypeError(f"{name}: (address, port) is needed, not {end!r}")
    address, port = end[0], end[1]
    if not isinstance(address, str) or not isinstance(port, int) or isinstance(port, bool):
        raise TypeError(f"{name}: (address, port) is (str, int), not {end!r}")
    text, dev = split_dev(address)
    return pack_whole(text), port, dev, str(end[3]) if len(end) == 4 and end[3] else ""
