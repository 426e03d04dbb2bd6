# SPDX-License-Identifier: BSD-2-Clause
"""One connection by its quadruple: find it, refuse what must not die, drop it.

Every exact drop goes this way, from Python and from the command line.
"""

from __future__ import annotations

import errno

from .. import _tcpdrop
from ..errors import NotFound, Protected, Refused
from ..model.addresses import printable
from ..model.connection import Connection
from ..model.four_tuple import FourTuple
from ..model.rows import COOKIE, FLAGS, IFINDEX, INODE, ROW, ROW_MARK, ROW_MPTCP
from ..system import platform
from ..system.kernel import from_os_error
from ..system.lookups import Lookups
from ..system.rights import explained
from .methods import by_destroy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..filters import Filter
    from ..model.rows import Row
    from ..safety.session import OwnSession
    from .methods import Way


def find(quad: FourTuple, scope: int | None = None) -> Connection:
    """The connection of this tuple.

    Raises NotFound; Refused when two connections have the tuple; Error for the rest.
    """
    lookups = Lookups(scope)
    return the_one(lookups.rows(quad), quad, lookups)


def the_one(found: list[Row], quad: FourTuple, lookups: Lookups) -> Connection:
    """The one connection that was found to have this tuple.  Raises NotFound, Refused."""
    if not found:
        raise NotFound("not found", errno=errno.ENOENT, what=str(quad), step="look-up", hint=_why_not_bound(quad, lookups))
    if len(found) > 1:
        devices = ", ".join(printable(lookups.name_of(row[IFINDEX])) for row in found)
        raise Refused("more than one connection has this tuple", what=str(quad), hint=f"choose one with %dev: {devices}")
    return Connection(found[0])


def _why_not_bound(quad: FourTuple, lookups: Lookups) -> str:
    """%dev names only a socket that is bound to it."""
    if not quad.devs or not lookups.rows(FourTuple(*quad.ends())):
        return ""
    return f"without %{printable(quad.devs[0])} there is one, which is not bound to that interface"


def protect_session(connection: Connection, quad: FourTuple, session: OwnSession, lookups: Lookups) -> None:
    """Raise Protected if the connection, or its mirror on loopback, certainly carries our session."""
    holder = session.holder(connection._row[INODE])
    if holder is None and session.holders:
        holder = next(filter(None, (session.holder(row[INODE]) for row in lookups.rows(quad.mirror()))), None)
    if holder is None and session.names(*quad.ends()):
        holder = "SSH_CONNECTION"
    if holder is not None:
        by = f"held by {holder}" if holder.startswith("pid") else f"named by {holder}"
        raise Protected("protected", what=str(quad), hint=f"{by}; --include-self")


def protect_by_rules(rules: list[tuple[str, Filter]], connection: Connection, quad: FourTuple, lookups: Lookups) -> None:
    """Raise Protected if a rule matches the connection or its mirror, or may match it."""
    from ..filters.selection import answers_for

    rows = [connection._row, *lookups.rows(quad.mirror())]
    if connection._row[FLAGS] & ROW_MPTCP or not connection._row[FLAGS] & ROW_MARK:  # it is, or that is not shown to us
        from ..system.mptcp import tied

        rows += map(ROW.unpack_from, tied(rows, lookups.scope))
    for name, rule in rules:
        answers = [answer for answer in answers_for(rule, rows, lookups.scope) if answer is not False]
        if answers:
            unsure = "" if True in answers else ", which cannot be decided here"
            raise Protected("protected", what=str(quad), hint=f"by {name}{unsure}")


def drop(connection: Connection, quad: FourTuple, scope: int | None = None, method: str = "auto") -> Way:
    """Drop exactly this socket, and tell how (ways.py).  Raises Error, NotFound if it is gone or another by now."""
    row = connection._row
    failure = None
    if method != "descriptor":
        try:
            _tcpdrop.abort(*quad.ends(), ifindex=row[IFINDEX], cookie=row[COOKIE], scope=scope)
        except OSError as error:
            failure = explained(from_os_error(error, str(quad)))
        else:
            if platform.QUEUED:
                from .queued import still_present, wait_until_gone

                if wait_until_gone([row], scope):
                    raise still_present(str(quad))
            return by_destroy(row)
        if method == "destroy":
            raise failure
    from .methods import by_descriptor

    return by_descriptor(row, scope, failure)


def drop_quad(
    quad: FourTuple,
    *,
    scope: int | None = None,
    include_self: bool = False,
    protect: list[Filter] | None = None,
    dry_run: bool = False,
    method: str = "auto",
) -> tuple[Connection, Way | None]:
    """Find, protect, drop: the whole job for one tuple.  Returns what was (or would be) dropped, and how."""
    from ..safety.rules import rules_with

    rules = rules_with(protect or [])  # a file that cannot be trusted stops everything, also what is not there
    lookups = Lookups(scope)
    connection = the_one(lookups.rows(quad), quad, lookups)
    if rules:
        protect_by_rules(rules, connection, quad, lookups)
    if not include_self:
        from ..safety.session import own

        protect_session(connection, quad, own(), lookups)
    return connection, None if dry_run else drop(connection, quad, scope, method)
