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

from functools import reduce
from itertools import product
from operator import and_, or_

from ..model.rows import CLOSED, LISTEN, STATE_NAMES
from ..system import systemd_units
from .endpoints import Address, Port
from .facts import cgroup_parts
from .measures import Measure
from .nodes import And, Not, Or, merged
from .owned import Cgroup, Comm, Kernel, Unit
from .sockets import Direction, Family, Loopback, State
from .together import ways

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .filter import Filter
    from .nodes import Node

    #: the sorts in which it may hold and those in which it certainly does, a bit each
    Sorts = tuple[int, int]

#: ways in which predicates may answer: so many are tried
_TRIED = 1024


def _sorts(holds: Callable[[int, bool, bool], bool]) -> int:
    """The sorts, of (state, is it IPv6, was it accepted), for which this holds."""
    every = product(range(1, len(STATE_NAMES)), (False, True), (False, True))
    return sum(1 << number for number, sort in enumerate(every) if holds(*sort))


_EVERY = _sorts(lambda state, ipv6, accepted: True)
_FAMILY = {4: _sorts(lambda state, ipv6, accepted: not ipv6), 6: _sorts(lambda state, ipv6, accepted: ipv6)}
_DIRECTION = {"in": _sorts(lambda state, ipv6, accepted: accepted), "out": _sorts(lambda state, ipv6, accepted: not accepted)}


def is_broad(chosen: Filter) -> bool:
    """Does it leave out nothing but states, families and directions, for certain?"""
    looked_in = chosen.base_states & ~(1 << LISTEN | 1 << CLOSED)  # where no connection is
    sure = _sorts(lambda state, ipv6, accepted: bool(looked_in >> state & 1))
    return any(_leaves_none_out(chosen.node, sure & mask, size) for size, mask in ((4, _FAMILY[4]), (16, _FAMILY[6])))


def matches_none(chosen: Filter) -> bool:
    """Can no connection match, for certain and whoever holds it, as `lport 80 and lport 443`?

    By what each row shows alone: of anything else it may be unknown whether it holds, and then a rule protects.
    """
    return not any(_may_match(chosen.node, _FAMILY[family], size) for family, size in ((4, 4), (6, 16)))


def _may_match(node: Node, sorts: int, size: int) -> bool:
    ways_to_fail = ways(Not(node), size, lambda one: isinstance(one, Port) or _is_of(one, size))
    return any(number == _TRIED or _reach(node, answers, size)[0] & sorts for number, answers in enumerate(ways_to_fail))


def _is_of(node: Node, size: int) -> bool:
    """Is it about an address of so many bytes?"""
    return isinstance(node, Address) and any(len(packed) == size for packed, _, _ in node.values)


def _reach(node: Node, answers: dict[Node, bool], size: int) -> Sorts:
    """Where it may hold and where it must, if these predicates answer so."""
    if node in answers:
        return (_EVERY, _EVERY) if answers[node] else (0, 0)
    if isinstance(node, Not):
        possible, certain = _reach(node.args[0], answers, size)
        return _EVERY & ~certain, _EVERY & ~possible
    if isinstance(node, Address) and not _is_of(node, size):
        return 0, 0
    if not isinstance(node, (And, Or)):
        return _of_leaf(node) if isinstance(node, (State, Family)) else (_EVERY, 0)
    each = [_reach(part, answers, size) for part in node.args]
    if isinstance(node, And):
        return reduce(and_, (one for one, _ in each)), reduce(and_, (one for _, one in each))
    return reduce(or_, (one for one, _ in each)), reduce(or_, (one for _, one in each))


def _leaves_none_out(node: Node, sure: int, size: int) -> bool:
    """In some of these sorts, whatever the predicates answer that tell connections of one sort apart."""
    for number, answers in enumerate(ways(node, size, _differs)):
        if number == _TRIED:
            break  # nothing was left out so far: it is not narrow for certain
        sure &= _where(node, {one: _EVERY if answer else 0 for one, answer in answers.items()})[1]
        if not sure:
            return False
    return True


def _differs(node: Node) -> bool:
    possible, certain = _of_leaf(node)
    return possible != certain


def _where(node: Node, assumed: dict[Node, int]) -> Sorts:
    if isinstance(node, Not):
        possible, certain = _where(node.args[0], assumed)
        return _EVERY & ~certain, _EVERY & ~possible
    if not isinstance(node, (And, Or)):
        possible, certain = _of_leaf(node)
        return (possible, certain) if node not in assumed else (certain | possible & assumed[node],) * 2
    is_and = isinstance(node, And)
    possible, certain = (_EVERY, _EVERY) if is_and else (0, 0)
    for part in node.args:
        one, other = _where(part, assumed)
        possible, certain = (possible & one, certain & other) if is_and else (possible | one, certain | other)
    asked = {id(part) for part in node.args}  # each again, and all below it, would be twice at every level
    for part in merged(node):  # what looks at the same thing is one, as where it is compiled: two halves are a whole
        if id(part) in asked:
            continue
        one, other = _where(part, {})
        possible, certain = (possible & one, certain) if is_and else (possible, certain | other)
    return possible, certain


def _of_leaf(node: Node) -> Sorts:
    """Of a predicate; the same twice where it does not tell connections of one sort apart."""
    possible, certain = _EVERY, 0
    if isinstance(node, State):
        possible = certain = _sorts(lambda state, ipv6, accepted: bool(node.mask >> state & 1))
    elif isinstance(node, Family):
        possible = certain = _FAMILY[node.args[0]]
    elif isinstance(node, Direction):
        possible = certain = _DIRECTION[node.word]
    elif isinstance(node, (Loopback, Kernel)):
        possible = 0
    elif isinstance(node, Port):
        real = [(max(lo, 1), hi) for lo, hi in node.ranges if hi]  # no connection has port 0
        possible, certain = _EVERY if real else 0, _EVERY if real == [(1, 65535)] else 0
    elif isinstance(node, Address):
        possible, certain = _of_address(node)
    elif isinstance(node, Measure) and node.args[1:] in ((">=", 0), ("<", 0)):
        possible = certain = _EVERY if node.args[1] == ">=" else 0
    elif _is_everybody(node):
        certain = _EVERY
    return possible, certain


def _is_everybody(node: Node) -> bool:
    """`comm *` or `comm ?*`, `unit *` or its root, `cgroup /` or where that is mounted"""
    if isinstance(node, Cgroup):
        return not cgroup_parts(node.args[0])
    if isinstance(node, Unit):
        name = node.args[0]
        return name == systemd_units.ROOT or _is_any(*_stem(name))
    return isinstance(node, Comm) and _is_any(node.args[0], 1)


def _stem(name: str) -> tuple[str, int]:
    """What stands before the suffix of a unit, and how long that is at least; a pattern without one is of the whole name."""
    stem, dot, suffix = name.rpartition(".")
    return (stem, 1) if dot + suffix in systemd_units.SUFFIXES else (name, len("a.swap"))


def _is_any(pattern: str, least: int) -> bool:
    """Does each name that has so many letters or more fit?"""
    return "*" in pattern and not pattern.strip("*?") and pattern.count("?") <= least


def _of_address(node: Address) -> Sorts:
    # No connection has an unspecified address at an end.
    real = [value for value in node.values if any(value[0]) or value[1] < 8 * len(value[0])]
    possible = certain = 0
    for family, size in ((4, 4), (6, 16)):
        some = [(int.from_bytes(packed, "big"), 8 * size - bits, port) for packed, bits, port in real if len(packed) == size]
        whole = _is_whole(some, size)
        certain |= _FAMILY[family] if whole else 0
        # `not remote 10.0.0.1` is not meant as "IPv6, and most of IPv4".
        possible |= _FAMILY[family] if whole else _EVERY if some else 0
    return possible, certain


def _is_whole(prefixes: list[tuple[int, int, int]], size: int) -> bool:
    """Do these, each (first address, bits that are free, port), make up all addresses of so many bytes?"""
    reached = 0
    for first, free, port in sorted(prefixes):
        if port:
            continue
        if first > reached:
            return False
        reached = max(reached, first + (1 << free))
    return reached == 1 << 8 * size
