# SPDX-License-Identifier: BSD-2-Clause
"""Predicates on addresses: local, remote, host; sets of any size in one look-up per prefix length."""

from __future__ import annotations

from ..addresses import MAPPED, unpack_exactly
from ..model import FAMILY, packed_addr
from .nodes import Mergeable
from .sockets import ENDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ..model import Info, Row
    from .facts import Facts
    from .nodes import Answer, Node, Test

    #: (4 or 16 bytes, prefix length, port or 0)
    Value = tuple[bytes, int, int]
    Match = Callable[[int, bytes], bool]


class Address(Mergeable):
    """An end has one of these addresses: args is (end, value, ...), sorted.

    A prefix of IPv4 also holds for IPv4 carried by an IPv6 socket, and one of
    IPv6 never does, not even ::/0.  A port is that of the same end.
    """

    __slots__ = ()

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
    def joined(cls, nodes: list[Address]) -> Node:
        return nodes[0] if len(nodes) == 1 else cls.of(nodes[0].end, [value for node in nodes for value in node.values])

    def test(self, row: Row, info: Info | None, facts: Facts) -> Answer:
        return any(
            _has_prefix(packed_addr(row, addr_at), packed, bits) and port in (0, row[port_at])
            for port_at, addr_at in ENDS[self.end]
            for packed, bits, port in self.values
        )

    def compiled(self) -> Test:
        by_port: dict[int, list[Value]] = {}
        for value in self.values:
            by_port.setdefault(value[2], []).append(value)
        matchers = {port: _matcher(values) for port, values in by_port.items()}
        at_any = matchers.pop(0, None)
        tests = [_end_test(port_at, addr_at, at_any, matchers) for port_at, addr_at in ENDS[self.end]]
        if len(tests) == 1:
            return tests[0]
        return lambda row, info, facts: tests[0](row, info, facts) or tests[1](row, info, facts)

    def __str__(self) -> str:
        return f"{self.end} " + ",".join(address_text(value) for value in self.values)


def _has_prefix(addr: bytes, packed: bytes, bits: int) -> bool:
    if len(addr) != len(packed):
        return False
    shift = 8 * len(addr) - bits
    return int.from_bytes(addr, "big") >> shift == int.from_bytes(packed, "big") >> shift


def address_text(value: Value) -> str:
    """'10.0.0.0/8', '[2001:db8::]/32:443'."""
    packed, bits, port = value
    text = unpack_exactly(packed)
    length = "" if bits == 8 * len(packed) else f"/{bits}"
    if not port:
        return text + length
    return f"[{text}]{length}:{port}" if len(packed) == 16 else f"{text}{length}:{port}"


def _end_test(port_at: int, addr_at: int, at_any: Match | None, by_port: dict[int, Match]) -> Test:
    def any_port(row: Row, info: Info | None, facts: Facts) -> Answer:
        return at_any(row[FAMILY], row[addr_at])  # type: ignore[misc]

    def with_port(row: Row, info: Info | None, facts: Facts) -> Answer:
        match = by_port.get(row[port_at])
        return (match is not None and match(row[FAMILY], row[addr_at])) or (at_any is not None and at_any(row[FAMILY], row[addr_at]))

    return with_port if by_port else any_port


def _matcher(values: list[Value]) -> Match:
    """A test of (family, 16 bytes of the row): whole addresses by a set, prefixes by a set for each length."""
    whole: dict[int, set[bytes]] = {4: set(), 6: set()}
    short: dict[int, dict[int, set[int]]] = {4: {}, 16: {}}
    for packed, bits, _ in values:
        size = len(packed)
        if bits < 8 * size:
            shift = 8 * size - bits
            short[size].setdefault(shift, set()).add(int.from_bytes(packed, "big") >> shift)
        elif size == 4:
            whole[4].add(packed + bytes(12))
            whole[6].add(MAPPED + packed)
        else:
            whole[6].add(packed)
    if not short[4] and not short[16]:
        return lambda family, addr: addr in whole[family]
    short4, short6 = list(short[4].items()), list(short[16].items())

    def match(family: int, addr: bytes) -> bool:
        if addr in whole[family]:
            return True
        if family == 4:
            number, prefixes = int.from_bytes(addr[:4], "big"), short4
        elif addr.startswith(MAPPED):
            number, prefixes = int.from_bytes(addr[12:], "big"), short4
        else:
            number, prefixes = int.from_bytes(addr, "big"), short6
        for shift, wanted in prefixes:  # noqa: SIM110 (a generator would cost more than the look-up)
            if number >> shift in wanted:
                return True
        return False

    return match
