# SPDX-License-Identifier: BSD-2-Clause
"""Predicates on one end or either: ports and addresses; sets of any size in one look-up, addresses in one per prefix length."""

from __future__ import annotations

from ..model.addresses import MAPPED, unpack_exactly
from ..model.rows import FAMILY, LADDR, LPORT, RADDR, RPORT
from . import bytecode
from .nodes import Mergeable, negate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..model.rows import Info, Row
    from .bytecode import Condition
    from .facts import Facts
    from .nodes import Answer, Node, Test

    #: (4 or 16 bytes, prefix length, port or 0)
    Value = tuple[bytes, int, int]
    #: and the interface that the socket is bound to, or ""
    Located = tuple[Value, str]


#: Which end a predicate looks at -> the fields of its port and its address in a row.
ENDS = {"local": ((LPORT, LADDR),), "remote": ((RPORT, RADDR),), "host": ((LPORT, LADDR), (RPORT, RADDR))}
#: The same for bytecode: is it the local end, for each end meant.
_IS_LOCAL = {"local": (True,), "remote": (False,), "host": (True, False)}
PORT_WORDS = {"local": "lport", "remote": "rport", "host": "port"}


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
    def compared(cls, end: str, comparison: str, ranges: list[tuple[int, int]]) -> Node:
        """`port OP ranges`; ValueError when only one port can be meant.  What no port can be matches nothing."""
        if comparison == "=":
            return cls.of(end, ranges)
        if comparison == "!=":
            # Of port, either end: `port != 22` is said of connections that 22 has no part in.
            return negate(cls.of(end, ranges))
        (port, last), *more = ranges
        if more or port != last:
            raise ValueError(f"{comparison} takes one port")
        lo, hi = {"<": (0, port - 1), "<=": (0, port), ">": (port + 1, 65535), ">=": (port, 65535)}[comparison]
        return cls.of(end, [(lo, hi)]) if lo <= hi else nothing()

    @classmethod
    def joined(cls, nodes: list[Port]) -> Port:
        return nodes[0] if len(nodes) == 1 else cls.of(nodes[0].end, [pair for node in nodes for pair in node.ranges])

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

    @property
    def is_any(self) -> bool:
        """Is there no port, not even 0, for which it does not hold?"""
        return self.ranges == ((0, 65535),)

    def condition(self, facts: Facts | None) -> tuple[Condition | None, bool]:
        if len(self.ranges) > bytecode.MAX_OPS:
            return None, False
        ports = [bytecode.ports_between(local, lo, hi) for local in _IS_LOCAL[self.end] for lo, hi in self.ranges]
        return bytecode.some(ports), True

    def __str__(self) -> str:
        return self.word + " " + ",".join(str(lo) if lo == hi and lo else f"{lo}-{hi}" for lo, hi in self.ranges)


def nothing() -> Node:
    """What no connection is.  It names no state, and neither does its opposite."""
    return negate(Port("host", (0, 65535)))


class Address(Mergeable):
    """An end has one of these addresses: args is (end, value, ...), sorted.

    A prefix of IPv4 also holds for IPv4 carried by an IPv6 socket, and one of
    IPv6 never does, not even ::/0.  A port is that of the same end.
    """

    __slots__ = ()

    @property
    def reads(self) -> tuple[int, ...]:
        if self.end == "host" or any(port for _, _, port in self.values):
            return ()
        return (FAMILY, ENDS[self.end][0][1])

    @property
    def word(self) -> str:
        return self.end

    @property
    def end(self) -> str:
        return self.args[0]  # type: ignore[no-any-return]

    @property
    def values(self) -> tuple[Value, ...]:
        return self.args[1:]

    @classmethod
    def of(cls, end: str, values: Iterable[Value]) -> Address:
        return cls(end, *sorted(set(values)))

    @classmethod
    def joined(cls, nodes: list[Address]) -> Address:
        return nodes[0] if len(nodes) == 1 else cls.of(nodes[0].end, [value for node in nodes for value in node.values])

    def compiled(self) -> Test:
        by_port: dict[int, list[Value]] = {}
        for value in self.values:
            by_port.setdefault(value[2], []).append(value)
        tests = [_end_test(port_at, addr_at, by_port) for port_at, addr_at in ENDS[self.end]]
        if len(tests) == 1:
            return tests[0]
        one, other = tests
        return lambda row, info, facts: one(row, info, facts) or other(row, info, facts)

    def condition(self, facts: Facts | None) -> tuple[Condition | None, bool]:
        if len(self.values) > bytecode.MAX_OPS:
            return None, False
        conditions = [
            bytecode.has_prefix(local, packed, bits, port or bytecode.ANY_PORT)
            for local in _IS_LOCAL[self.end]
            for packed, bits, port in self.values
        ]
        return bytecode.some(conditions), True

    def __str__(self) -> str:
        return f"{self.end} " + ",".join(address_text(value) for value in self.values)


def address_text(value: Value) -> str:
    """'10.0.0.0/8', '[2001:db8::]/32:443'."""
    packed, bits, port = value
    text = unpack_exactly(packed)
    length = "" if bits == 8 * len(packed) else f"/{bits}"
    if not port:
        return text + length
    return f"[{text}]{length}:{port}" if len(packed) == 16 else f"{text}{length}:{port}"


# ---- compiled forms.  Rows have 16 bytes for any address, IPv4 in the first 4 (family 4) or mapped (family 6).


def _end_test(port_at: int, addr_at: int, by_port: dict[int, list[Value]]) -> Test:
    tests = {port: _addr_test(addr_at, values) for port, values in by_port.items()}
    at_any = tests.pop(0, None)
    if at_any is not None and not tests:
        return at_any

    def with_port(row: Row, info: Info | None, facts: Facts) -> Answer:
        test = tests.get(row[port_at])
        if test is not None and test(row, info, facts):
            return True
        return at_any is not None and at_any(row, info, facts)

    return with_port


def _addr_test(addr_at: int, values: list[Value]) -> Test:
    if len(values) == 1 and len(values[0][0]) == 4 and values[0][1] % 8 == 0:
        return _bytes_test(addr_at, values[0][0][: values[0][1] // 8])
    whole: dict[int, set[bytes]] = {4: set(), 6: set()}
    short: list[Value] = []
    for value in values:
        packed, bits, _ = value
        if bits < 8 * len(packed):
            short.append(value)
        elif len(packed) == 4:
            whole[4].add(packed + bytes(12))
            whole[6].add(MAPPED + packed)
        else:
            whole[6].add(packed)
    if not short:
        return lambda row, info, facts: row[addr_at] in whole[row[FAMILY]]
    return _prefixes_test(addr_at, whole, short)


def _bytes_test(addr_at: int, start: bytes) -> Test:
    """One prefix of IPv4 in whole bytes."""
    mapped = MAPPED + start
    return lambda row, info, facts: row[addr_at].startswith(start if row[FAMILY] == 4 else mapped)


def _prefixes_test(addr_at: int, whole: dict[int, set[bytes]], short: list[Value]) -> Test:
    by_length: dict[int, dict[int, set[int]]] = {4: {}, 16: {}}
    for packed, bits, _ in short:
        shift = 8 * len(packed) - bits
        by_length[len(packed)].setdefault(shift, set()).add(int.from_bytes(packed, "big") >> shift)
    lengths4, lengths6 = list(by_length[4].items()), list(by_length[16].items())
    from_bytes = int.from_bytes

    def has_prefix(row: Row, info: Info | None, facts: Facts) -> Answer:
        family, addr = row[FAMILY], row[addr_at]
        if addr in whole[family]:
            return True
        if family == 4:
            number, lengths = from_bytes(addr[:4], "big"), lengths4
        elif addr.startswith(MAPPED):
            number, lengths = from_bytes(addr[12:], "big"), lengths4
        else:
            number, lengths = from_bytes(addr, "big"), lengths6
        for shift, wanted in lengths:  # noqa: SIM110 (a generator would cost more than the look-up)
            if number >> shift in wanted:
                return True
        return False

    return has_prefix
