# SPDX-License-Identifier: BSD-2-Clause
"""What several predicates can answer together: `lport 80` and `port 80` look at one port, `comm a` and `comm 'a*'` at one process.

What a predicate looks at are subjects: an end's port or address, a measure, a
process.  It holds where all conditions of one of its alternatives do, and of a
subject those values are looked at where a condition may begin or cease to hold.
Ways that leave no more out than another are not told: what is selected where a
predicate fails is selected where it holds, if it stands under no `not`.
"""

from __future__ import annotations

import os
from itertools import product
from math import prod

from ..model.globs import is_pattern, is_within
from .endpoints import Address, Port
from .facts import cgroup_parts
from .measures import COMPARE, Congestion, Measure
from .nodes import Node, walk
from .owned import Cgroup, Comm, Mine, Pid, User

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator
    from typing import Any

    #: one answer for each of some predicates
    Way = tuple[bool, ...]
    #: a subject, the test of its value, and values among which are all that the test tells apart
    Condition = tuple[object, Callable[[Any], bool], Collection[Any]]
    Alternatives = list[list[Condition]]

#: beyond so many values of a subject predicates are taken for independent of each other
_VALUES = 128
#: ... and beyond so many combinations of values
_COMBINED = 1024
#: beyond so many ways it costs more to find which leave out least than to try all
_COMPARED = 64
#: names of processes, each with each, of which the one is looked for within the other
_PAIRS = 1 << 16

_COUNTED_IN_32_BITS = ("idle", "rtt", "recvq", "sendq", "retrans")


def ways(root: Node, size: int, counts: Callable[[Node], bool]) -> Iterator[dict[Node, bool]]:
    """Each way in which those predicates that count can answer, for addresses of so many bytes."""
    signs: dict[Node, set[bool]] = {}
    for node, positive in walk(root):
        if counts(node):
            signs.setdefault(node, set()).add(positive)
    names = [node for node in signs if isinstance(node, Comm)]
    if sum(is_pattern(node.args[0]) for node in names) * len(names) > _PAIRS:
        names = []
    looks = {node: _alternatives(node, size, names) for node in signs}
    each = [
        [dict(zip(nodes, way)) for way in _least(found, [signs[node] for node in nodes])]
        for group in _connected(looks)
        for nodes, found in _ways_of(group, looks)
    ]
    for chosen in product(*each):
        yield {node: answer for part in chosen for node, answer in part.items()}


# ---- what predicates look at


def _alternatives(node: Node, size: int, names: Iterable[Comm]) -> Alternatives:
    """Of a predicate of which nothing else is known its own answer is what it looks at."""
    if isinstance(node, Port):
        return [[_port(end, node.ranges)] for end in _ends(node)]
    if isinstance(node, Address):
        values = [value for value in node.values if len(value[0]) == size]
        return [_place(end, *value) for value in values for end in _ends(node)] if 0 < len(values) <= _VALUES else _own(node)
    if isinstance(node, Measure):
        return [[_measure(*node.args)]]
    if isinstance(node, Congestion):
        return [[("cc", node.args[0].__eq__, (node.args[0], ""))]]
    if isinstance(node, Cgroup):
        parts = cgroup_parts(node.args[0])
        return [[("cgroup", lambda value: value[: len(parts)] == parts, (parts, ("",)))]]
    if isinstance(node, Pid):
        return [[_is_so(("pid", pid))] for pid in node.pids]
    if isinstance(node, Comm) and is_pattern(node.args[0]):
        return [[_is_so(one)] for one in names if is_within(one.args[0], node.args[0])] or _own(node)
    if isinstance(node, User) and node.args[0] == os.geteuid():
        return [[_is_so(node)], [_is_so(Mine())]]
    return _own(node)


def _own(node: Node) -> Alternatives:
    return [[_is_so(node)]]


def _is_so(subject: object) -> Condition:
    return subject, bool, (False, True)


def _ends(node: Port | Address) -> tuple[str, ...]:
    return ("local", "remote") if node.end == "host" else (node.end,)


def _port(end: str, ranges: Collection[tuple[int, int]]) -> Condition:
    turns = {port for lo, hi in ranges for port in (1, lo, hi + 1) if 0 < port < 1 << 16}
    return (end, "port"), lambda port: any(lo <= port <= hi for lo, hi in ranges), turns


def _place(end: str, packed: bytes, bits: int, port: int) -> list[Condition]:
    """An end at an address of this prefix, and at this port if one is named."""
    size, first = 8 * len(packed), int.from_bytes(packed, "big")
    last = first + (1 << size - bits) - 1
    turns = {address for address in (1, first, last + 1) if 0 < address < 1 << size}
    found: list[Condition] = [((end, "address"), lambda address: first <= address <= last, turns)]
    return [*found, _port(end, [(port, port)])] if port else found


def _measure(word: str, comparison: str, value: int) -> Condition:
    holds, limit = COMPARE[comparison], 1 << 32 if word in _COUNTED_IN_32_BITS else 1 << 64
    return word, lambda one: holds(one, value), {one for one in (0, value - 1, value, value + 1) if 0 <= one < limit}


# ---- how they go together


def _connected(looks: dict[Node, Alternatives]) -> list[list[Node]]:
    """The predicates, those together that look at one subject, or at two which a third looks at."""
    above: dict[object, object] = {}

    def top(one: object) -> object:
        """What stands for all that belong together with it."""
        while above.setdefault(one, one) is not one:
            above[one] = above[above[one]]
            one = above[one]
        return one

    for node, alternatives in looks.items():
        for subject in {subject for alternative in alternatives for subject, _, _ in alternative}:
            above[top(subject)] = top(node)
    groups: dict[object, list[Node]] = {}
    for node in looks:
        groups.setdefault(top(node), []).append(node)
    return list(groups.values())


def _ways_of(group: list[Node], looks: dict[Node, Alternatives]) -> Iterator[tuple[list[Node], set[Way]]]:
    """How these predicates answer; where that are too many ways those alone that look at the very same, or each by itself."""
    found = _answers(group, looks)
    if found is not None:
        yield group, found
        return
    same: dict[object, list[Node]] = {}
    for node in group:
        same.setdefault(frozenset(subject for alternative in looks[node] for subject, _, _ in alternative), []).append(node)
    for nodes in same.values():
        found = _answers(nodes, looks) if len(same) > 1 else None
        if found is not None:
            yield nodes, found
        else:
            for node in nodes:
                yield [node], {(False,), (True,)}


def _answers(group: list[Node], looks: dict[Node, Alternatives]) -> set[Way] | None:
    """By the values of what they look at; None where these are too many."""
    values: dict[object, set[object]] = {}
    tests: dict[object, list[tuple[Condition, Callable[[Any], bool]]]] = {}
    for node in group:
        for alternative in looks[node]:
            for condition in alternative:
                subject, test, turns = condition
                values.setdefault(subject, set()).update(turns)
                tests.setdefault(subject, []).append((condition, test))
    if any(len(found) > _VALUES for found in values.values()):
        return None
    # Of values between which no condition tells any difference one is looked at.
    kinds = [
        {frozenset(id(condition) for condition, test in tests[subject] if test(value)) for value in found}
        for subject, found in values.items()
    ]
    if prod(map(len, kinds)) > _COMBINED:
        return None
    return {_answered(group, looks, frozenset().union(*chosen)) for chosen in product(*kinds)}


def _answered(group: list[Node], looks: dict[Node, Alternatives], holding: frozenset[int]) -> Way:
    """The answers where these conditions hold."""
    return tuple(any(all(id(one) in holding for one in alternative) for alternative in looks[node]) for node in group)


def _least(found: set[Way], signs: list[set[bool]]) -> list[Way]:
    """Those that select least: in all else like another, a predicate under no `not` fails, one under `not` alone holds."""
    least = tuple(sign == {False} for sign in signs)
    if least in found and all(len(sign) == 1 for sign in signs):
        return [least]
    if len(found) > _COMPARED:
        return sorted(found, key=lambda way: sum(one != other for one, other in zip(way, least)))
    return [way for way in found if not any(other != way and _selects_no_more(other, way, signs) for other in found)]


def _selects_no_more(one: Way, other: Way, signs: list[set[bool]]) -> bool:
    return all(mine == theirs or (len(sign) == 1 and mine not in sign) for mine, theirs, sign in zip(one, other, signs))
