# SPDX-License-Identifier: BSD-2-Clause
"""One connection by its four-tuple: find it, refuse what must not die, drop it.

Every exact drop goes this way, from Python and from the command line.
"""

from __future__ import annotations

import errno

from ..errors import Error, NotFound, Refused
from ..model.addresses import printable
from ..model.four_tuple import FourTuple, pack_whole, split_dev
from ..model.rows import FLAGS, IFINDEX, INODE, ROW, ROW_MARK, ROW_MPTCP
from ..safety import Protection
from ..safety.rules import Rules
from ..system import platform
from ..system.lookups import Lookups
from .destroy import DESTROYED, usual_way
from .methods import AUTO, check_method, drop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..filters import Filter
    from ..model.rows import Row
    from ..safety.session import OwnSession
    from .methods import Way


def find(quad: FourTuple, scope: int | None = None) -> Row:
    """The connection of this tuple.

    Raises NotFound; Refused when two connections have the tuple; Error for the rest.
    """
    lookups = Lookups(scope)
    return the_one(lookups.rows(quad), quad, lookups)


def the_one(found: list[Row], quad: FourTuple, lookups: Lookups) -> Row:
    """The one connection that was found to have this tuple.  Raises NotFound, Refused."""
    if not found:
        raise NotFound("not found", errno=errno.ENOENT, what=str(quad), step="look-up", hint=_why_not_bound(quad, lookups))
    if len(found) > 1:
        devices = ", ".join(printable(lookups.name_of(row[IFINDEX])) for row in found)
        raise Refused("more than one connection has this tuple", what=str(quad), hint=f"choose one with %dev: {devices}")
    return found[0]


def _why_not_bound(quad: FourTuple, lookups: Lookups) -> str:
    """%dev names only a socket that is bound to it."""
    if not quad.devs or not lookups.rows(FourTuple(*quad.ends())):
        return ""
    return f"without %{printable(quad.devs[0])} there is one, which is not bound to that interface"


def protect_session(row: Row, quad: FourTuple, session: OwnSession, lookups: Lookups) -> None:
    """Raise Protected if the connection, or its mirror on loopback, certainly carries our session."""
    holder = session.holder(row[INODE])
    if holder is None and session.holders:
        holder = next(filter(None, (session.holder(mirror[INODE]) for mirror in lookups.rows(quad.mirror()))), None)
    by = f"held by {holder}" if holder is not None else "named by SSH_CONNECTION" if session.names(*quad.ends()) else ""
    if by:
        raise Protection(by, lifted=True).refusal(str(quad))


def protect_by_rules(rules: Rules, row: Row, quad: FourTuple, lookups: Lookups) -> None:
    """Raise Protected if a rule matches the connection or its mirror, or may match it."""
    from ..filters.selection import answers_for  # only where there are rules

    rows = [row, *lookups.rows(quad.mirror())]
    if row[FLAGS] & ROW_MPTCP or not row[FLAGS] & ROW_MARK:  # it is, or that is not shown to us
        from ..system.mptcp import tied

        rows += map(ROW.unpack_from, tied(rows, lookups.scope))
    for name, rule in rules:
        answers = [answer for answer in answers_for(rule, rows, lookups.scope) if answer is not False]
        if answers:
            unsure = "" if True in answers else ", which cannot be decided here"
            raise Protection(f"by {name}{unsure}").refusal(str(quad))


def find_unprotected(quad: FourTuple, *, scope: int | None = None, include_self: bool = False, protect: list[Filter] | None = None) -> Row:
    """Find it, and raise Protected for what must live."""
    rules = Rules(protect or [], lambda: (None, scope))  # a file that cannot be trusted stops everything, also what is not there
    lookups = Lookups(scope)
    row = the_one(lookups.rows(quad), quad, lookups)
    if rules:
        protect_by_rules(rules, row, quad, lookups)
    if not include_self:
        from ..safety.session import own  # --include-self does without

        protect_session(row, quad, own(), lookups)
    return row


def drop_row(row: Row, scope: int | None = None, method: str = AUTO) -> Way:
    """Drop exactly this socket, and tell how.  Raises Error, NotFound if it is gone or another by now."""
    ((_, answer),) = drop([row], scope, method)
    if isinstance(answer, Error):
        raise answer
    if platform.QUEUED:
        from .verify import still_present, wait_until_gone  # Solaris and illumos

        if wait_until_gone([row], scope):
            raise still_present(row)
    return usual_way(row) if answer is DESTROYED else answer


def refusal(row: Row, scope: int | None = None, method: str = AUTO) -> Error | None:
    """What drop_row() would raise, by going the same way up to its last step."""
    ((_, answer),) = drop([row], scope, method, dry_run=True)
    return answer if isinstance(answer, Error) else None


# ---- from Python


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
    if zone is not None:
        from ..system import sunos_zones as zones  # Solaris and illumos
        from . import other_zone

        number = zones.number_of(zone)
        if number != zones.OWN:
            other_zone.drop(quad, number, include_self=include_self)
            return
    from ..system.netns import Namespace  # the command line does without
    from .audit import logs, to_logging

    with Namespace(netns) as scope:
        row = find_unprotected(quad, scope=scope, include_self=include_self)
        way = drop_row(row, scope, method)
    if logs():
        from ..model.connection import Connection  # seldom needed
        from .outcome import Result

        to_logging([Result(Connection(row), "dropped", way=way)])


def _end(end: tuple[object, ...], name: str) -> tuple[bytes, int, str, str]:
    """(address, port) or (address, port, flowinfo, scope id) to bytes, port, and the interface as text and as scope id."""
    if not isinstance(end, tuple) or len(end) not in (2, 4):
        raise TypeError(f"{name}: (address, port) is needed, not {end!r}")
    address, port = end[0], end[1]
    if not isinstance(address, str) or not isinstance(port, int) or isinstance(port, bool):
        raise TypeError(f"{name}: (address, port) is (str, int), not {end!r}")
    text, dev = split_dev(address)
    return pack_whole(text), port, dev, str(end[3]) if len(end) == 4 and end[3] else ""
