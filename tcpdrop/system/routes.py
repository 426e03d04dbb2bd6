# SPDX-License-Identifier: BSD-2-Clause
"""Would a packet of this connection leave the host?  The kernel's own answer, and what it rests on.

Asked is what the kernel asks itself when it sends: its routing, in the network
namespace of the connection, with all that the policy rules there look at; then
whether the device that it names is up.  What lies behind that is not seen: a
firewall, an IPsec policy, a neighbour that does not answer.

IPv4 looks at the source: an address that is not here is no way, except for a
transparent socket.  IPv6 sends from any.  ip_route_output_key_hash_rcu(),
ip6_route_output_flags().
"""

from __future__ import annotations

from ..model.rows import (
    FAMILY,
    FLAGS,
    IFINDEX,
    LADDR,
    LPORT,
    MARK,
    RADDR,
    ROW,
    ROW_MARK,
    ROW_OPTIONS,
    ROW_TRANSPARENT,
    ROW_UID,
    RPORT,
    UID,
    packed_addr,
    reader,
)
from . import kernel
from .kernel import LINK_LOOPBACK, LINK_UP, RULE_MARK, RULE_OTHER, RULE_PORTS, RULE_SOURCE, RULE_UID

#: it leaves; or why it does not; or that cannot be told.  HOME: it comes to this host itself, whose address the peer's is by now, or was
LEAVES, NO_ADDRESS, NO_ROUTE, DOWN, HOME, UNKNOWN = "leaves", "no address", "no route", "down", "home", "unknown"

_ANY = bytes(16)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..model.rows import Row


class WaysOut:
    """What was found for the connections in packed rows of one namespace."""

    __slots__ = ("_fields", "_found", "troubled")

    def __init__(self, fields: list[int], found: dict[tuple[object, ...], str]) -> None:
        #: the fields that decide
        self._fields = fields
        self._found = found
        #: is there one that certainly does not leave?
        self.troubled = not {LEAVES, HOME, UNKNOWN}.issuperset(found.values())

    def of(self, row: Row) -> str:
        """LEAVES, NO_ADDRESS, NO_ROUTE, DOWN, HOME or UNKNOWN, also for one that was not asked for."""
        return self._found.get(tuple([row[field] for field in self._fields]), UNKNOWN)


def ways_out(data: bytes, scope: int | None) -> WaysOut:
    """The ways of all these rows; those that differ in nothing that decides are asked for once.  Raises Error."""
    rules = kernel.rules(scope)
    looked_at = rules[0] | rules[1]
    ports = [LPORT, RPORT] if looked_at & RULE_PORTS else []
    fields = [LADDR, RADDR, *ports, FAMILY, IFINDEX, *([UID] if looked_at & RULE_UID else []), FLAGS, MARK]
    one_of = dict(zip(reader(*fields).iter_unpack(data), range(len(data) // ROW.size)))
    rows = [ROW.unpack_from(data, ROW.size * place) for place in one_of.values()]
    return WaysOut(fields, dict(zip(one_of, _Questions(rows, rules, scope).ask())))


#: where nothing could be asked
NOTHING_KNOWN = WaysOut([], {})


class _Questions:
    """Rows that each want an answer; all of a kind are asked at once."""

    def __init__(self, rows: list[Row], rules: tuple[int, int], scope: int | None) -> None:
        self._rows = rows
        self._rules = rules
        self._scope = scope
        #: device -> (errno, flags, what it is a port of)
        self._links: dict[int, tuple[int, int, int]] = {}

    def ask(self) -> list[str]:
        answers = self._routes([_sourceless(row) if _sends_from_any(row) else row for row in self._rows])
        found = [UNKNOWN if self._is_hidden(row) else self._verdict(*answer) for row, answer in zip(self._rows, answers)]
        self._look_for_addresses(found)
        self._ask_strictly(answers, found)
        return found

    def _routes(self, rows: list[Row]) -> list[tuple[int, int]]:
        """(errno, device) for each; the devices are known afterwards."""
        answers = kernel.routes(b"".join([ROW.pack(*row) for row in rows]), self._scope) if rows else []
        new = sorted({device for error, device in answers if not error} - self._links.keys())
        self._links.update(zip(new, kernel.links(new, self._scope) if new else []))
        return answers

    def _looked_at(self, row: Row) -> int:
        return self._rules[0 if _is_ipv4(row) else 1]

    def _is_hidden(self, row: Row) -> bool:
        """Do rules look at something of this connection that we do not see?"""
        looked_at, flags = self._looked_at(row), row[FLAGS]
        return bool(
            looked_at & RULE_OTHER
            or (looked_at & RULE_MARK and not flags & ROW_MARK)
            or (looked_at & RULE_UID and not flags & ROW_UID)
            or (looked_at & RULE_SOURCE and _sends_from_any(row))
        )

    def _verdict(self, error: int, device: int) -> str:
        if error:
            return NO_ROUTE
        unseen, flags, _ = self._links[device]
        if unseen:  # it went meanwhile
            return UNKNOWN
        return DOWN if not flags & LINK_UP else HOME if flags & LINK_LOOPBACK else LEAVES

    def _look_for_addresses(self, found: list[str]) -> None:
        """Was it the source?  Which errno says that it is not here differs by version; but it has no way to itself then."""
        doubtful = [place for place, row in enumerate(self._rows) if found[place] == NO_ROUTE and _is_ipv4(row)]
        for place, (error, _) in zip(doubtful, self._routes([_to_itself(self._rows[place]) for place in doubtful])):
            if error:
                # An old kernel does not show the options: a transparent socket sends all the same.
                found[place] = NO_ADDRESS if self._rows[place][FLAGS] & ROW_OPTIONS else UNKNOWN

    def _ask_strictly(self, answers: list[tuple[int, int]], found: list[str]) -> None:
        """Asked with a source, IPv6 only prefers the device that a socket is bound to; asked without, it must be that."""
        doubtful = [
            place
            for place, (row, (error, device)) in enumerate(zip(self._rows, answers))
            if row[IFINDEX] not in (0, device)
            and not _is_ipv4(row)
            and not error
            and found[place] != UNKNOWN
            and row[IFINDEX] != self._links[device][2]  # a VRF sends by its ports
        ]
        for place, answer in zip(doubtful, self._routes([_sourceless(self._rows[place]) for place in doubtful])):
            found[place] = UNKNOWN if self._looked_at(self._rows[place]) & RULE_SOURCE else self._verdict(*answer)


def _is_ipv4(row: Row) -> bool:
    return len(packed_addr(row, LADDR)) == 4


def _sends_from_any(row: Row) -> bool:
    """Does the kernel send for it from an IPv4 address that is not here?"""
    return bool(row[FLAGS] & ROW_TRANSPARENT) and _is_ipv4(row)


def _sourceless(row: Row) -> Row:
    return (_ANY, *row[1:])


def _to_itself(row: Row) -> Row:
    return (row[LADDR], row[LADDR], *row[2:IFINDEX], 0, *row[IFINDEX + 1 :])
