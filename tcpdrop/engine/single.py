# SPDX-License-Identifier: BSD-2-Clause
"""One connection by its quadruple: find it, refuse what must not die, drop it.

Every exact drop goes this way, from Python and from the command line.
"""

from __future__ import annotations

import errno
from struct import pack

from .. import _tcpdrop
from ..errors import NotFound, Protected, Refused
from ..model.addresses import is_number, printable
from ..model.connection import Connection
from ..model.four_tuple import FourTuple
from ..model.rows import COOKIE, FLAGS, IFINDEX, INODE, ROW, ROW_MARK, ROW_MPTCP
from ..system import platform
from ..system.kernel import from_os_error
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

    A socket bound to an interface is only found with that interface's index,
    so without %dev every interface is tried (Linux).  Raises NotFound; Refused
    when two connections have the tuple; Error for the rest.
    """
    found = _rows(quad, scope)
    if not found:
        raise NotFound("not found", errno=errno.ENOENT, what=str(quad), step="look-up")
    if len(found) > 1:
        devices = ", ".join(_dev_name(row[IFINDEX], scope) for row in found)
        raise Refused("more than one connection has this tuple", what=str(quad), hint=f"choose one with %dev: {devices}")
    return Connection(found[0])


def _rows(quad: FourTuple, scope: int | None) -> list[Row]:
    """Every socket that has this tuple."""
    indices = _indices(quad, scope)
    try:
        return list(ROW.iter_unpack(_tcpdrop.lookup_each(*quad.ends(), pack(f"{len(indices)}I", *indices), scope=scope)))
    except OSError as error:
        raise from_os_error(error, str(quad)) from None


def _indices(quad: FourTuple, scope: int | None) -> list[int]:
    """Interface indices to ask for: the named one, or none and then each."""
    if not quad.dev and not platform.TRIES_INTERFACES:
        return [0]
    if quad.interfaces is None:
        try:
            quad.interfaces = _tcpdrop.interfaces(scope)
        except OSError as error:
            raise from_os_error(error, str(quad)) from None
    known = quad.interfaces
    if not quad.dev:
        return [0, *known.values()]
    index = known.get(quad.dev.encode("utf-8", "surrogateescape"))
    if index is None and is_number(quad.dev):
        index = next((number for number in known.values() if str(number) == quad.dev), None)
    if index is None:
        raise ValueError(f"there is no interface '{printable(quad.dev)}'")
    return [index]


def _dev_name(index: int, scope: int | None) -> str:
    names = {number: name.decode("utf-8", "replace") for name, number in _tcpdrop.interfaces(scope).items()}
    return printable(names.get(index, "no interface"))


def protect_session(connection: Connection, quad: FourTuple, session: OwnSession, scope: int | None = None) -> None:
    """Raise Protected if the connection, or its mirror on loopback, certainly carries our session."""
    holder = session.holder(connection._row[INODE])
    if holder is None and session.holders:
        holder = next(filter(None, (session.holder(row[INODE]) for row in _rows(quad.mirror(), scope))), None)
    if holder is None and session.names(*quad.ends()):
        holder = "SSH_CONNECTION"
    if holder is not None:
        by = f"held by {holder}" if holder.startswith("pid") else f"named by {holder}"
        raise Protected("protected", what=str(quad), hint=f"{by}; --include-self")


def protect_by_rules(rules: list[tuple[str, Filter]], connection: Connection, quad: FourTuple, scope: int | None = None) -> None:
    """Raise Protected if a rule matches the connection or its mirror, or may match it."""
    from ..filters.selection import answers_for

    rows = [connection._row, *_rows(quad.mirror(), scope)]
    if connection._row[FLAGS] & ROW_MPTCP or not connection._row[FLAGS] & ROW_MARK:  # it is, or that is not shown to us
        from ..system.mptcp import tied

        rows += map(ROW.unpack_from, tied(rows, scope))
    for name, rule in rules:
        answers = [answer for answer in answers_for(rule, rows, scope) if answer is not False]
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
    connection = find(quad, scope)
    if rules:
        protect_by_rules(rules, connection, quad, scope)
    if not include_self:
        from ..safety.session import own

        protect_session(connection, quad, own(), scope)
    return connection, None if dry_run else drop(connection, quad, scope, method)
