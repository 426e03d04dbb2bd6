# SPDX-License-Identifier: BSD-2-Clause
"""Predicates on the socket itself: state, family, loopback, dev, in, out."""

from __future__ import annotations

from ..model.addresses import MAPPED
from ..model.rows import ALL_STATES, FAMILY, IFINDEX, INFO_OPENED, KNOWN, LADDR, LISTEN, RADDR, STATE, STATE_NAMES, SYN_SENT
from . import bytecode
from .lexer import quoted
from .nodes import DETAILS, INTERFACES, LISTENERS, Mergeable, Node

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..model.rows import Info, Row
    from .bytecode import Condition
    from .facts import Facts
    from .nodes import Answer, Test

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
    word = "state"

    @property
    def reads(self) -> tuple[int, ...]:
        return (STATE,)

    @property
    def mask(self) -> int:
        return self.args[1]  # type: ignore[no-any-return]

    @classmethod
    def of(cls, masks: Iterable[int]) -> State:
        together = 0
        for mask in masks:
            together |= mask
        return cls("state", together)

    @classmethod
    def joined(cls, nodes: list[State]) -> State:
        return cls.of(node.mask for node in nodes)

    def compiled(self) -> Test:
        wanted = [bool(self.mask >> number & 1) for number in range(256)]

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


class Family(Node):
    """What is on the wire: args is (4,) or (6,).  An IPv6 socket may carry IPv4."""

    __slots__ = ()
    word = "family"

    def compiled(self) -> Test:
        ipv4 = self.args[0] == 4
        return lambda row, info, facts: (row[FAMILY] == 4 or row[LADDR].startswith(MAPPED)) is ipv4

    def condition(self, facts: Facts | None) -> tuple[Condition | None, bool]:
        ipv4 = bytecode.carries_ipv4()
        return ipv4 if self.args[0] == 4 else bytecode.Inverse(ipv4), True

    def __str__(self) -> str:
        return "family inet" if self.args[0] == 4 else "family inet6"


_LOOP6 = bytes(15) + b"\1"


class Loopback(Node):
    """Either end is in 127.0.0.0/8 or is ::1."""

    __slots__ = ()
    word = "loopback"

    def compiled(self) -> Test:
        return lambda row, info, facts: _is_loop(row[FAMILY], row[LADDR]) or _is_loop(row[FAMILY], row[RADDR])

    def condition(self, facts: Facts | None) -> tuple[Condition | None, bool]:
        loops = [(b"\x7f\0\0\0", 8), (_LOOP6, 128)]
        return bytecode.some([bytecode.has_prefix(local, *loop) for local in (True, False) for loop in loops]), True

    def __str__(self) -> str:
        return "loopback"


def _is_loop(family: int, addr: bytes) -> bool:
    if family == 4:
        return addr[0] == 127
    return addr == _LOOP6 or (addr[12] == 127 and addr.startswith(MAPPED))


class Dev(Node):
    """The socket is bound to this interface: args is (name,).  An interface that is not there: unknown."""

    __slots__ = ()
    word = "dev"

    def compiled(self) -> Test:
        (name,) = self.args

        def bound(row: Row, info: Info | None, facts: Facts) -> Answer:
            index = facts.ifindex(name)
            return None if index is None else row[IFINDEX] == index

        return bound

    def condition(self, facts: Facts | None) -> tuple[Condition | None, bool]:
        index = facts.ifindex(self.args[0]) if facts is not None else None
        return (None if index is None else bytecode.bound_to(index)), True

    def needs(self) -> frozenset[str]:
        return frozenset([INTERFACES])

    def __str__(self) -> str:
        return f"dev {quoted(self.args[0])}"


class Direction(Node):
    """args is ("in",) or ("out",).

    in: a socket listens that accepts what has this local end.  out: it is just
    being opened, the kernel has counted that this end's SYN was acknowledged, or
    the other end is one that a socket of this host accepts.  That nobody listens
    says nothing, for who did may have gone.  A listener itself is no connection: False.
    """

    __slots__ = ()

    @property
    def word(self) -> str:
        return self.args[0]  # type: ignore[no-any-return]

    def compiled(self) -> Test:
        inwards = self.word == "in"

        def goes(row: Row, info: Info | None, facts: Facts) -> Answer:
            if row[STATE] == LISTEN:
                return False
            if row[STATE] == SYN_SENT or (info is not None and info[KNOWN] & INFO_OPENED):
                return not inwards
            if facts.listeners is None:
                return None
            accepted = facts.listeners.take(row)
            if accepted == facts.listeners.take_other_end(row):
                return None
            return accepted == inwards

        return goes

    def needs(self) -> frozenset[str]:
        return frozenset([LISTENERS, DETAILS])

    def __str__(self) -> str:
        return self.word
