# SPDX-License-Identifier: BSD-2-Clause
"""One connection by its quadruple: find it, refuse what must not die, drop it.

Every exact drop goes this way, from Python and from the command line.
"""

from __future__ import annotations

import errno
from struct import pack

from . import _tcpdrop, backend
from .addresses import is_number, printable, unmapped, unpack
from .errors import Error, NotFound, NotPermitted, NotSupported, Protected, Refused, from_os_error
from .model import COOKIE, FLAGS, IFINDEX, INODE, ROW, ROW_MARK, ROW_MPTCP, Connection

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .filters import Filter
    from .model import Row
    from .session import OwnSession
    from .ways import Way


class Quad:
    """A four-tuple in bytes, v4-mapped addresses as IPv4, and the interface if one was named.

    Raises ValueError for what can only be a wildcard or a mistake.
    """

    __slots__ = ("dev", "interfaces", "laddr", "lport", "raddr", "rport")

    def __init__(self, laddr: bytes, lport: int, raddr: bytes, rport: int, dev: str = "") -> None:
        self.laddr, self.raddr = unmapped(laddr), unmapped(raddr)
        self.lport, self.rport, self.dev = lport, rport, dev
        #: name -> index where it is looked for, once that was asked
        self.interfaces: dict[bytes, int] | None = None
        if len(self.laddr) != len(self.raddr):
            raise ValueError(f"{self}: one address is IPv4, the other IPv6: no connection has both")
        for address in (self.laddr, self.raddr):
            if not any(address):
                raise ValueError(f"{self}: {unpack(address)} means any address, and a drop names one connection")
        for port in (lport, rport):
            if not 1 <= port <= 65535:
                raise ValueError(f"{self}: port {port} means any port or none: a port is 1 to 65535")

    def __str__(self) -> str:
        return f"{unpack(self.laddr)} {self.lport} {unpack(self.raddr)} {self.rport}"

    def ends(self) -> tuple[bytes, int, bytes, int]:
        return self.laddr, self.lport, self.raddr, self.rport

    def swapped(self) -> Quad:
        return Quad(self.raddr, self.rport, self.laddr, self.lport, self.dev)

    def mirror(self) -> Quad:
        """The tuple of the other end on loopback, which may be bound to an interface where this one is not."""
        other = Quad(self.raddr, self.rport, self.laddr, self.lport)
        other.interfaces = self.interfaces
        return other


def find(quad: Quad, scope: int | None = None) -> Connection:
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


def _rows(quad: Quad, scope: int | None) -> list[Row]:
    """Every socket that has this tuple."""
    indices = _indices(quad, scope)
    try:
        return list(ROW.iter_unpack(_tcpdrop.lookup_each(*quad.ends(), pack(f"{len(indices)}I", *indices), scope=scope)))
    except OSError as error:
        raise from_os_error(error, str(quad)) from None


def _indices(quad: Quad, scope: int | None) -> list[int]:
    """Interface indices to ask for: the named one, or none and then each."""
    if not quad.dev and not backend.TRIES_INTERFACES:
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


def protect_session(connection: Connection, quad: Quad, session: OwnSession, scope: int | None = None) -> None:
    """Raise Protected if the connection, or its mirror on loopback, certainly carries our session."""
    holder = session.holder(connection._row[INODE])
    if holder is None and session.holders:
        holder = next(filter(None, (session.holder(row[INODE]) for row in _rows(quad.mirror(), scope))), None)
    if holder is None and session.names(*quad.ends()):
        holder = "SSH_CONNECTION"
    if holder is not None:
        by = f"held by {holder}" if holder.startswith("pid") else f"named by {holder}"
        raise Protected("protected", what=str(quad), hint=f"{by}; --include-self")


def protect_by_rules(rules: list[tuple[str, Filter]], connection: Connection, quad: Quad, scope: int | None = None) -> None:
    """Raise Protected if a rule matches the connection or its mirror, or may match it."""
    from .selection import answers_for

    rows = [connection._row, *_rows(quad.mirror(), scope)]
    if connection._row[FLAGS] & ROW_MPTCP or not connection._row[FLAGS] & ROW_MARK:  # it is, or that is not shown to us
        from .mptcp import tied

        rows += map(ROW.unpack_from, tied(rows, scope))
    for name, rule in rules:
        answers = [answer for answer in answers_for(rule, rows, scope) if answer is not False]
        if answers:
            unsure = "" if True in answers else ", which cannot be decided here"
            raise Protected("protected", what=str(quad), hint=f"by {name}{unsure}")


def drop(connection: Connection, quad: Quad, scope: int | None = None, method: str = "auto") -> Way:
    """Drop exactly this socket, and tell how (ways.py).  Raises Error, NotFound if it is gone or another by now."""
    row = connection._row
    failure = None
    if method != "descriptor":
        try:
            _tcpdrop.abort(*quad.ends(), ifindex=row[IFINDEX], cookie=row[COOKIE], scope=scope)
        except OSError as error:
            failure = explained(from_os_error(error, str(quad)))
        else:
            if backend.QUEUED:
                from .queued import still_present, wait_until_gone

                if wait_until_gone([row], scope):
                    raise still_present(str(quad))
            return by_destroy(row)
        if method == "destroy":
            raise failure
    from .ways import by_descriptor

    return by_descriptor(row, scope, failure)


def by_destroy(row: Row) -> Way:
    """How the kernel drops what it is asked to; what nobody holds, nobody sees."""
    return "destroy", backend.VICTIM_SEES if row[INODE] or not backend.DESCRIPTORS else None


def check_right(scope: int | None = None) -> None:
    """Raise what every drop in this namespace would fail with: NotPermitted, NotSupported, Error."""
    from .capabilities import MARK_COND

    try:
        _tcpdrop.probe(scope=scope)
        if not backend.PROBE_ASKS_RIGHT:
            _tcpdrop.list_connections(0, MARK_COND, scope=scope)
    except OSError as error:
        raise explained(from_os_error(error)) from None


def lacks_right(scope: int | None = None) -> Error | None:
    """The same, handed out."""
    try:
        check_right(scope)
    except Error as error:
        return error
    return None


def explained(error: Error) -> Error:
    """Say what would help."""
    from .capabilities import missing_right, missing_support

    if error.hint:  # the system's own
        return error
    if error.step == "mptcp":
        from .mptcp import HINT

        error.hint = HINT
    elif isinstance(error, NotPermitted):
        error.hint = missing_right()
    elif isinstance(error, NotSupported) or error.errno == errno.EINVAL:
        error.hint = missing_support(error.errno)
    return error


def drop_quad(
    quad: Quad,
    *,
    scope: int | None = None,
    include_self: bool = False,
    protect: list[Filter] | None = None,
    dry_run: bool = False,
    method: str = "auto",
) -> tuple[Connection, Way | None]:
    """Find, protect, drop: the whole job for one tuple.  Returns what was (or would be) dropped, and how."""
    from . import config

    rules = config.rules_with(protect or [])  # a file that cannot be trusted stops everything, also what is not there
    connection = find(quad, scope)
    if rules:
        protect_by_rules(rules, connection, quad, scope)
    if not include_self:
        from .session import own

        protect_session(connection, quad, own(), scope)
    return connection, None if dry_run else drop(connection, quad, scope, method)
