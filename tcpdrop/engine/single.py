# SPDX-License-Identifier: BSD-2-Clause
"""One connection by its four-tuple: find it, refuse what must not die, drop it.

Every exact drop goes this way, from Python and from the command line.
"""

from __future__ import annotations

import errno

from ..errors import Error, NotFound, Refused
from ..model.addresses import printable
from ..model.four_tuple import FourTuple
from ..model.rows import FLAGS, IFINDEX, INODE, ROW, ROW_MARK, ROW_MPTCP
from ..safety import Protection
from ..safety.rules import Rules
from ..system import kernel, platform
from ..system.lookups import Lookups
from .methods import AUTO, DESTROYED, drop, drop_looked_up, usual_way

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..filters import Filter
    from ..model.rows import Row
    from ..safety.session import OwnSession
    from ..system.kernel import Where
    from .methods import Way

    Own = Callable[[Lookups], OwnSession]


def find(quad: FourTuple, scope: int | None = None) -> Row:
    """The connection of this tuple.

    Raises NotFound; Refused when two connections have the tuple; Error for the rest.
    """
    lookups = Lookups(scope)
    return the_one(lookups.rows(quad), quad, lookups)


def the_one(found: list[Row], quad: FourTuple, lookups: Lookups) -> Row:
    """The one connection that was found to have this tuple.  Raises NotFound, Refused; Error where the kernel finds none at all."""
    if not found:
        lookups.check_listing()
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


def protect_session(row: Row, quad: FourTuple, mirrors: list[Row], session: OwnSession) -> None:
    """Raise Protected if the connection, or its mirror on loopback, certainly carries our session."""
    for one in (row, *mirrors):
        holder = session.holder(one[INODE])
        if holder is not None:
            raise Protection(f"held by {holder}", lifted=True).refusal(str(quad))
    if session.names(*quad.ends()):
        raise Protection("named by SSH_CONNECTION", lifted=True).refusal(str(quad))


def protect_by_rules(rules: Rules, row: Row, quad: FourTuple, mirrors: list[Row], scope: int | None) -> None:
    """Raise Protected if a rule matches the connection or its mirror, or may match it."""
    from ..filters.selection import answers_for  # only where there are rules

    rows = [row, *mirrors]
    if row[FLAGS] & ROW_MPTCP or not row[FLAGS] & ROW_MARK:  # it is, or that is not shown to us
        from ..system.mptcp import tied

        rows += map(ROW.unpack_from, tied(rows, scope))
    for (name, _), said in zip(rules, answers_for([rule for _, rule in rules], rows, scope)):
        if said != [False] * len(rows):
            unsure = "" if True in said else ", which cannot be decided here"
            raise Protection(f"by {name}{unsure}").refusal(str(quad))


def drop_unprotected(
    quad: FourTuple,
    own: Own | None,
    scope: int | None = None,
    method: str = AUTO,
    protect: list[Filter] | None = None,
    begin: Callable[[], None] | None = None,
) -> tuple[Row, Way]:
    """Find it, raise Protected for what must live, and drop it: in one conversation with the kernel.

    own: see find_unprotected().  begin: called before the first step that touches it.
    """
    where = kernel.converse(scope)
    try:
        row = find_unprotected(quad, own, scope, protect, where)
        if begin is not None:
            begin()
        return row, _drop_row(row, scope, method, where)
    finally:
        kernel.end(where)


def find_unprotected(
    quad: FourTuple, own: Own | None, scope: int | None = None, protect: list[Filter] | None = None, where: Where = None
) -> Row:
    """Find it, and raise Protected for what must live.

    own: how it is learned what carries the caller's session; None: that may die too (--include-self).
    where: a conversation that goes on, see kernel.converse().
    """
    rules = Rules(protect or [], lambda: (None, scope))  # a file that cannot be trusted stops everything, also what is not there
    lookups = Lookups(scope, where)
    found, mirrors = lookups.with_mirror(quad) if rules or own is not None else (lookups.rows(quad), [])
    row = the_one(found, quad, lookups)
    if rules:
        protect_by_rules(rules, row, quad, mirrors, scope)
    if own is not None:
        protect_session(row, quad, mirrors, own(lookups))
    return row


def _drop_row(row: Row, scope: int | None, method: str, where: Where) -> Way:
    """Drop exactly this socket, and tell how.  Raises Error, NotFound if it is gone or another by now."""
    answer = drop_looked_up(row, scope, method, where)
    if isinstance(answer, Error):
        raise answer
    if platform.QUEUED or not row[INODE]:
        from .verify import outlives, still_present  # seldom needed

        if outlives(row, scope):
            raise still_present(row)
    return usual_way(row) if answer is DESTROYED else answer


def refusal(row: Row, scope: int | None = None, method: str = AUTO) -> Error | None:
    """What a drop would raise, by going the same way up to its last step."""
    ((_, answer),) = drop([row], scope, method, dry_run=True)
    return answer if isinstance(answer, Error) else None
