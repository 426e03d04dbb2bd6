# SPDX-License-Identifier: BSD-2-Clause
"""Predicates on addresses: local, remote, host; sets of any size in one look-up per prefix length."""

from __future__ import annotations

from ..model.addresses import MAPPED, unpack_exactly
from ..model.rows import FAMILY, packed_addr
from .nodes import Mergeable
from .sockets import ENDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..model.rows import Info, Row
    from .facts import Facts
    from .nodes import Answer, Node, Test

    #: (4 or 16 bytes, prefix length, port or 0)
    Value = tuple[bytes, int, int]


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
        tests = [_end_test(port_at, addr_at, by_port) for port_at, addr_at in ENDS[self.end]]
        if len(tests) == 1:
            return tests[0]
        one, other = tests
        return lambda row, info, facts: one(row, info, facts) or other(row, info, facts)

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
