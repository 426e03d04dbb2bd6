# SPDX-License-Identifier: BSD-2-Clause
"""Predicates that the row alone decides: state, ports, family, loopback; and dev, in, out."""

from __future__ import annotations

from ..model.addresses import MAPPED
from ..model.rows import ALL_STATES, FAMILY, IFINDEX, LADDR, LISTEN, LPORT, RADDR, RPORT, STATE, STATE_NAMES
from .nodes import INTERFACES, LISTENERS, Mergeable, Node
from .words import quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..model.rows import Info, Row
    from .facts import Facts
    from .nodes import Answer, Test

#: Which end a predicate looks at -> the places of its port and its address in a row.
ENDS = {"local": ((LPORT, LADDR),), "remote": ((RPORT, RADDR),), "host": ((LPORT, LADDR), (RPORT, RADDR))}
PORT_WORDS = {"local": "lport", "remote": "rport", "host": "port"}

STATE_GROUPS = {
    # ss's names.  Mini sockets are what the kernel keeps of a connection that is not yet or no more a full socket.
    "all": ALL_STATES,
    "connected": ALL_STATES & ~(1 << 10 | 1 << 7),
    "synchronized": ALL_STATES & ~(1 << 10 | 1 << 7 | 1 << 2),
    "bucket": 1 << 3 | 1 << 6,
    "big": ALL_STATES & ~(1 << 3 | 1 << 6),
}


class State(Mergeable):
    """In one of these states: args is ("state", mask of 1 << number)."""

    __slots__ = ()

    @property
    def reads(self) -> tuple[int, ...]:
        return (STATE,)

    @property
    def mask(self) -> int:
        return self.args[1]  # type: ignore[no-any-return]

    @classmethod
    def joined(cls, nodes: list[State]) -> Node:
        mask = 0
        for node in nodes:
            mask |= node.mask
        return cls("state", mask)

    def test(self, row: Row, info: Info | None, facts: Facts) -> Answer:
        return bool(self.args[1] >> row[STATE] & 1)

    def compiled(self) -> Test:
        wanted = [bool(self.args[1] >> number & 1) for number in range(256)]

        def in_state(row: Row, info: Info | None, facts: Facts) -> Answer:
            return wanted[row[STATE]]

        return in_state

    def __str__(self) -> str:
        for name, mask in STATE_GROUPS.items():
            if mask == self.mask:
                return f"state {name}"
        return "state " + ",".join(spelled(number) for number in range(1, len(STATE_NAMES)) if self.mask >> number & 1)


def spelled(number: int) -> str:
    """A state in the language's own spelling: fin-wait1."""
    return STATE_NAMES[number].lower().replace("_", "-")


class Port(Mergeable):
    """A port in one of these ranges: args is (end, (lo, hi), ...), sorted and disjoint."""

    __slots__ = ()

    @property
    def reads(self) -> tuple[int, ...]:
        return () if self.end == "host" else (ENDS[self.end][0][0],)

    @property
    def word(self) -> str:
        return PORT_WORDS[self.end]

    @property
    def end(self) -> str:
        return self.args[0]  # type: ignore[no-any-return]

    @property
    def ranges(self) -> tuple[tuple[int, int], ...]:
        return self.args[1:]

    @classmethod
    def of(cls, end: str, ranges: Iterable[tuple[int, int]]) -> Port:
        """Any ranges, in any order."""
        merged: list[tuple[int, int]] = []
        for lo, hi in sorted(ranges):
            if merged and lo <= merged[-1][1] + 1:
                merged[-1] = (merged[-1][0], max(hi, merged[-1][1]))
            else:
                merged.append((lo, hi))
        return cls(end, *merged)

    @classmethod
    def joined(cls, nodes: list[Port]) -> Node:
        return nodes[0] if len(nodes) == 1 else cls.of(nodes[0].end, [pair for node in nodes for pair in node.ranges])

    def test(self, row: Row, info: Info | None, facts: Facts) -> Answer:
        return any(lo <= row[at] <= hi for at, _ in ENDS[self.end] for lo, hi in self.ranges)

    def compiled(self) -> Test:
        at = ENDS[self.end][0][0]
        if len(self.ranges) == 1:
            ((lo, hi),) = self.ranges
            if self.end != "host":
                return lambda row, info, facts: lo <= row[at] <= hi
            return lambda row, info, facts: lo <= row[LPORT] <= hi or lo <= row[RPORT] <= hi
        table = bytearray(65536)
        for lo, hi in self.ranges:
            table[lo : hi + 1] = b"\1" * (hi + 1 - lo)
        if self.end != "host":
            return lambda row, info, facts: table[row[at]] == 1
        return lambda row, info, facts: table[row[LPORT]] == 1 or table[row[RPORT]] == 1

    def __str__(self) -> str:
        return PORT_WORDS[self.end] + " " + ",".join(str(lo) if lo == hi and lo else f"{lo}-{hi}" for lo, hi in self.ranges)


def on_wire(row: Row) -> int:
    """4 or 6: what the packets are, so 4 for an IPv6 socket that carries IPv4."""
    return 4 if row[FAMILY] == 4 or row[LADDR].startswith(MAPPED) else 6


class Family(Node):
    """args is (4,) or (6,)."""

    __slots__ = ()

    def test(self, row: Row, info: Info | None, facts: Facts) -> Answer:
        return bool(on_wire(row) == self.args[0])

    def __str__(self) -> str:
        return "family inet" if self.args[0] == 4 else "family inet6"


_LOOP6 = bytes(15) + b"\1"


class Loopback(Node):
    """Either end is in 127.0.0.0/8 or is ::1."""

    __slots__ = ()

    def test(self, row: Row, info: Info | None, facts: Facts) -> Answer:
        return _is_loop(row[FAMILY], row[LADDR]) or _is_loop(row[FAMILY], row[RADDR])

    def __str__(self) -> str:
        return "loopback"


def _is_loop(family: int, addr: bytes) -> bool:
    if family == 4:
        return addr[0] == 127
    return addr == _LOOP6 or (addr[12] == 127 and addr.startswith(MAPPED))


class Dev(Node):
    """The socket is bound to this interface: args is (name,).  An interface that is not there: unknown."""

    __slots__ = ()

    def test(self, row: Row, info: Info | None, facts: Facts) -> Answer:
        index = facts.ifindex(self.args[0])
        return None if index is None else row[IFINDEX] == index

    def needs(self) -> frozenset[str]:
        return frozenset([INTERFACES])

    def __str__(self) -> str:
        return f"dev {quoted(self.args[0])}"


class Direction(Node):
    """args is ("in",) or ("out",).

    in: a socket listens on the local port.  out: none does, and the port is of
    the range the kernel gives to clients.  Neither: unknown, for the listener
    may have gone.  A listener itself is no connection: False.
    """

    __slots__ = ()

    def test(self, row: Row, info: Info | None, facts: Facts) -> Answer:
        if facts.listeners is None:
            return None
        if row[STATE] == LISTEN:
            return False
        port = row[LPORT]
        if port in facts.listeners:
            return self.args[0] == "in"  # type: ignore[no-any-return]
        lo, hi = facts.ephemeral
        return self.args[0] == "out" if lo <= port <= hi else None

    def needs(self) -> frozenset[str]:
        return frozenset([LISTENERS])

    def __str__(self) -> str:
        return self.args[0]  # type: ignore[no-any-return]
