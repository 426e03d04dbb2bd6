# SPDX-License-Identifier: BSD-2-Clause
"""How much a filter selects: is it as broad as no filter at all?  Decided on the expression, before anything is listed.

Broad is what certainly selects every connection of some sort, where a sort is
nothing but a state, a family and a direction: `state close-wait`, `in`,
`port ge 1`, `remote 0.0.0.0/0`, `exclude listen`, `lport 22 or not lport 22`.
What names an address, a port, a holder or a measure that some connections have
and others have not is not broad.  Loopback does not count: `not loopback` is
everything that comes from elsewhere.
"""

from __future__ import annotations

from itertools import product

from ..model.rows import STATE_NAMES
from .endpoints import Address, Port
from .measures import Measure
from .nodes import And, Not, Or, merged, walk
from .owned import Cgroup, Comm, Kernel, Unit
from .sockets import Direction, Family, Loopback, State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .endpoints import Value
    from .filter import Filter
    from .nodes import Node

    #: the sorts in which it may hold and those in which it certainly does, a bit each
    Sorts = tuple[int, int]

#: predicates of which each may hold or not: so many of them are tried in all combinations
_TRIED = 6


def _sorts(holds: Callable[[int, bool, bool], bool]) -> int:
    """The sorts, of (state, is it IPv6, was it accepted), for which this holds."""
    every = product(range(1, len(STATE_NAMES)), (False, True), (False, True))
    return sum(1 << number for number, sort in enumerate(every) if holds(*sort))


_EVERY = _sorts(lambda state, ipv6, accepted: True)
_FAMILY = {4: _sorts(lambda state, ipv6, accepted: not ipv6), 6: _sorts(lambda state, ipv6, accepted: ipv6)}
_DIRECTION = {"in": _sorts(lambda state, ipv6, accepted: accepted), "out": _sorts(lambda state, ipv6, accepted: not accepted)}


def is_broad(chosen: Filter) -> bool:
    """Does it leave out nothing but states, families and directions, for certain?"""
    looked_in = _sorts(lambda state, ipv6, accepted: bool(chosen.base_states >> state & 1))
    narrow = {node for node, _ in walk(chosen.node) if _of_leaf(node) is None}
    if len(narrow) > _TRIED:
        narrow = set()
    certain = looked_in
    for answers in product((0, _EVERY), repeat=len(narrow)):
        certain &= _where(chosen.node, dict(zip(narrow, answers)))[1]
        if not certain:
            return False
    return True


def _where(node: Node, assumed: dict[Node, int]) -> Sorts:
    if isinstance(node, Not):
        possible, certain = _where(node.args[0], assumed)
        return _EVERY & ~certain, _EVERY & ~possible
    if isinstance(node, (And, Or)):
        # As it is compiled: what looks at the same thing is one, so that halves make a whole.
        pairs = [_where(part, assumed) for part in (*node.args, *merged(node))]
        possible, certain = pairs[0]
        for one, other in pairs[1:]:
            if isinstance(node, And):
                possible, certain = possible & one, certain & other
            else:
                possible, certain = possible | one, certain | other
        return possible, certain
    found = _of_leaf(node)
    if found is None:
        found = assumed.get(node)
    return (_EVERY, 0) if found is None else (found, found)


def _of_leaf(node: Node) -> int | None:
    """The sorts in which a predicate holds for every connection, being False in the others; None: it tells connections apart."""
    if isinstance(node, State):
        return _sorts(lambda state, ipv6, accepted: bool(node.mask >> state & 1))
    if isinstance(node, Family):
        return _FAMILY[node.args[0]]
    if isinstance(node, Direction):
        return _DIRECTION[node.word]
    if isinstance(node, (Loopback, Kernel)):
        return 0
    if isinstance(node, Port):
        return _of_port(node)
    if isinstance(node, Address):
        return _of_address(node)
    if isinstance(node, Measure) and node.args[2] == 0:
        return {">=": _EVERY, "<": 0}.get(node.args[1])
    if isinstance(node, (Comm, Unit)):
        return _EVERY if not node.args[0].strip("*") else None
    if isinstance(node, Cgroup):
        return _EVERY if not node.args[0].strip("/") else None
    return None


def _of_port(node: Port) -> int | None:
    """No connection has port 0."""
    real = [(max(lo, 1), hi) for lo, hi in node.ranges if hi]
    return 0 if not real else _EVERY if real == [(1, 65535)] else None


def _of_address(node: Address) -> int | None:
    """No connection has an unspecified address at an end."""
    real = [value for value in node.values if any(value[0]) or value[1] < 8 * len(value[0])]
    whole = [family for family, size in ((4, 4), (6, 16)) if _is_whole(real, size)]
    if not real or len(whole) == 2:
        return _EVERY if real else 0
    sizes = {len(packed) for packed, _, _ in real}
    return _FAMILY[whole[0]] if whole and len(sizes) == 1 else None


def _is_whole(values: list[Value], size: int) -> bool:
    """Do these prefixes make up the whole family?"""
    reached = 0
    for packed, bits, port in sorted(values, key=lambda value: value[0]):
        if len(packed) == size and not port:
            first = int.from_bytes(packed, "big")
            if first > reached:
                return False
            reached = max(reached, first + (1 << (8 * size - bits)))
    return reached == 1 << 8 * size
