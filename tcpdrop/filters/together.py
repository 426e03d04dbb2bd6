# SPDX-License-Identifier: BSD-2-Clause
"""What several predicates can answer together: `lport lt 80` and `lport lt 50` look at one port, `comm a` and `comm b` at many processes.

Those that look at the same thing are asked about each value where one of them
may begin or cease to hold.  Ways that leave no more out than another are not
told: what is selected where a predicate fails is selected where it holds, if it
stands under no `not`.
"""

from __future__ import annotations

from itertools import product

from .endpoints import Address, Port
from .measures import COMPARE, Congestion, Measure
from .nodes import Node, walk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    #: one answer for each of some predicates
    Way = tuple[bool, ...]

#: beyond so many values predicates are taken for independent of each other
_VALUES = 64

_COUNTED_IN_32_BITS = ("idle", "rtt", "recvq", "sendq", "retrans")


def ways(root: Node, size: int, counts: Callable[[Node], bool]) -> Iterator[dict[Node, bool]]:
    """Each way in which those predicates that count can answer, for addresses of so many bytes."""
    signs: dict[Node, set[bool]] = {}
    for node, positive in walk(root):
        if counts(node):
            signs.setdefault(node, set()).add(positive)
    groups: dict[object, list[Node]] = {}
    for node in signs:
        groups.setdefault(_looked_at(node), []).append(node)
    each = [
        [dict(zip(nodes, way)) for way in _least(found, [signs[node] for node in nodes])]
        for group in groups.values()
        for nodes, found in _ways_of(group, size)
    ]
    for chosen in product(*each):
        yield {node: answer for part in chosen for node, answer in part.items()}


def _looked_at(node: Node) -> object:
    """What other predicates may look at too; the predicate itself, where that is not known."""
    if isinstance(node, Port) or (isinstance(node, Address) and not any(port for _, _, port in node.values)):
        return (type(node), node.end) if node.end != "host" else node
    return node.word if isinstance(node, (Measure, Congestion)) else node


def _ways_of(group: list[Node], size: int) -> Iterator[tuple[list[Node], set[Way]]]:
    """How these predicates answer, by the values of what they look at; each by itself where those are many, or none are known."""
    values = {value for node in group for value in _turns(node, size)}
    if values and len(values) <= _VALUES:
        yield group, {tuple(_holds(node, value, size) for node in group) for value in values}
    else:
        for node in group:
            yield [node], {(False,), (True,)}


def _turns(node: Node, size: int) -> set[object]:
    """Values among which are all answers that the predicate gives beside others."""
    if _looked_at(node) == node:
        return set()
    if isinstance(node, Port):
        return {port for lo, hi in node.ranges for port in (1, lo, hi + 1) if 0 < port < 1 << 16}
    if isinstance(node, Address):
        return {addr for first, last in _spans(node, size) for addr in (1, first, last + 1) if 0 < addr < 1 << 8 * size}
    if isinstance(node, Congestion):
        return {node.args[0], ""}
    word, _, value = node.args
    return {one for one in (0, value - 1, value, value + 1) if 0 <= one < (1 << 32 if word in _COUNTED_IN_32_BITS else 1 << 64)}


def _holds(node: Node, value: object, size: int) -> bool:
    if isinstance(node, Port):
        return any(lo <= value <= hi for lo, hi in node.ranges)  # type: ignore[operator]
    if isinstance(node, Address):
        return any(first <= value <= last for first, last in _spans(node, size))  # type: ignore[operator]
    if isinstance(node, Congestion):
        return bool(value == node.args[0])
    return bool(COMPARE[node.args[1]](value, node.args[2]))  # type: ignore[arg-type]


def _spans(node: Address, size: int) -> Iterator[tuple[int, int]]:
    """The first and the last address of each prefix of this size."""
    for packed, bits, _ in node.values:
        if len(packed) == size:
            first = int.from_bytes(packed, "big")
            yield first, first + (1 << 8 * size - bits) - 1


def _least(found: set[Way], signs: list[set[bool]]) -> list[Way]:
    """Those that select least: in all else like another, a predicate under no `not` fails, one under `not` alone holds."""
    return [way for way in found if not any(other != way and _selects_no_more(other, way, signs) for other in found)]


def _selects_no_more(one: Way, other: Way, signs: list[set[bool]]) -> bool:
    return all(mine == theirs or (len(sign) == 1 and mine not in sign) for mine, theirs, sign in zip(one, other, signs))
