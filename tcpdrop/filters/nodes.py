# SPDX-License-Identifier: BSD-2-Clause
"""The expression: immutable nodes, and the three-valued logic of and, or, not.

A node's `compiled()` is a function test(row, info, facts) that answers True,
False or None, unknown.  str(node) is text that parses back to an equal node.

row and info are unpacked records (model/rows.py); info is None where no
details were fetched; facts says what no row says (facts.py).
"""

from __future__ import annotations

from ..errors import FilterError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any, Optional

    from ..model.rows import Info, Row
    from .bytecode import Condition
    from .facts import Facts

    Answer = Optional[bool]
    Test = Callable[[Row, Optional[Info], Facts], Answer]

#: Deeper expressions are refused: everything here recurses, and people do not write them.
MAX_DEPTH = 100

# What needs() may contain: what must be fetched beside the rows.
DETAILS, LISTENERS, INTERFACES, CGROUPS = "details", "listeners", "interfaces", "cgroups"
#: owners of every socket / only which sockets the named pids hold
OWNERS, PIDS = "owners", "pids"
#: the clock of creation times
CLOCK = "clock"


class Node:
    """A part of a filter.  `args` is all it consists of: equality, hash and pickling go by it."""

    __slots__ = ("args", "depth")

    args: tuple[Any, ...]
    depth: int

    def __init__(self, *args: Any) -> None:
        object.__setattr__(self, "args", args)
        object.__setattr__(self, "depth", 1)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a filter cannot be changed: {name}")

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.args == other.args if isinstance(other, Node) else NotImplemented

    def __hash__(self) -> int:
        return hash((type(self), self.args))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self.args

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, self.args))})"

    @property
    def word(self) -> str:
        """The word of the language that makes this predicate (vocabulary.py)."""
        raise NotImplementedError

    def compiled(self) -> Test:
        """The test of one row, prepared for being asked often."""
        raise NotImplementedError

    def needs(self) -> frozenset[str]:
        """What must be fetched for a decision: a subset of the names above."""
        return frozenset()

    @property
    def reads(self) -> tuple[int, ...]:
        """The one or two fields of a row that decide alone and never leave it unknown; () where more is looked at."""
        return ()

    def condition(self, facts: Facts | None) -> tuple[Condition | None, bool]:
        """What Linux can check in its dump: a condition that holds wherever this is True, and whether nowhere else."""
        return None, False


class _Group(Node):
    """And, Or: two parts or more."""

    __slots__ = ()

    #: the operator's word
    operator = ""

    def __init__(self, *parts: Node) -> None:
        super().__init__(*parts)
        _set_depth(self, parts)

    def needs(self) -> frozenset[str]:
        return frozenset().union(*(part.needs() for part in self.args))

    @property
    def reads(self) -> tuple[int, ...]:
        found = {part.reads for part in self.args}
        return found.pop() if len(found) == 1 else ()

    def __str__(self) -> str:
        return f" {self.operator} ".join(f"({part})" if isinstance(part, _Group) else str(part) for part in self.args)


class And(_Group):
    __slots__ = ()
    operator = "and"

    def compiled(self) -> Test:
        tests = [part.compiled() for part in merged(self)]
        if len(tests) == 1:
            return tests[0]
        if len(tests) == 2:
            return _and_two(*tests)

        def and_all(row: Row, info: Info | None, facts: Facts) -> Answer:
            answer: Answer = True
            for test in tests:
                one = test(row, info, facts)
                if one is False:
                    return False
                if one is None:
                    answer = None
            return answer

        return and_all


def _and_two(first: Test, second: Test) -> Test:
    def and_two(row: Row, info: Info | None, facts: Facts) -> Answer:
        one = first(row, info, facts)
        if one is False:
            return False
        other = second(row, info, facts)
        return other if one or other is False else None

    return and_two


class Or(_Group):
    __slots__ = ()
    operator = "or"

    def compiled(self) -> Test:
        tests = [part.compiled() for part in merged(self)]
        if len(tests) == 1:
            return tests[0]

        def or_all(row: Row, info: Info | None, facts: Facts) -> Answer:
            answer: Answer = False
            for test in tests:
                one = test(row, info, facts)
                if one:
                    return True
                if one is None:
                    answer = None
            return answer

        return or_all


class Not(Node):
    __slots__ = ()

    def __init__(self, part: Node) -> None:
        super().__init__(part)
        _set_depth(self, (part,))

    def compiled(self) -> Test:
        test = self.args[0].compiled()

        def negated(row: Row, info: Info | None, facts: Facts) -> Answer:
            answer = test(row, info, facts)
            return None if answer is None else not answer

        return negated

    def needs(self) -> frozenset[str]:
        return self.args[0].needs()  # type: ignore[no-any-return]

    @property
    def reads(self) -> tuple[int, ...]:
        return self.args[0].reads  # type: ignore[no-any-return]

    def __str__(self) -> str:
        part = self.args[0]
        return f"not ({part})" if isinstance(part, (_Group, Not)) else f"not {part}"


def _set_depth(node: Node, parts: Iterable[Node]) -> None:
    depth = 1 + max(part.depth for part in parts)
    if depth > MAX_DEPTH:
        raise FilterError(f"the filter is nested deeper than {MAX_DEPTH} levels")
    object.__setattr__(node, "depth", depth)


# ---- making nodes: the canonical form has no And in an And, no Or in an Or, no Not of a Not


def both(parts: Iterable[Node]) -> Node:
    """All of one part or more."""
    flat = list(_flat(And, parts))
    return flat[0] if len(flat) == 1 else And(*flat)


def either(parts: Iterable[Node]) -> Node:
    """Any of one part or more."""
    flat = list(_flat(Or, parts))
    return flat[0] if len(flat) == 1 else Or(*flat)


def negate(part: Node) -> Node:
    return part.args[0] if isinstance(part, Not) else Not(part)


def _flat(kind: type[Node], parts: Iterable[Node]) -> Iterator[Node]:
    for part in parts:
        if type(part) is kind:
            yield from part.args
        else:
            yield part


def walk(node: Node, positive: bool = True) -> Iterator[tuple[Node, bool]]:
    """Every predicate, with False where it stands under an odd number of nots."""
    if isinstance(node, Not):
        yield from walk(node.args[0], not positive)
    elif isinstance(node, _Group):
        for part in node.args:
            yield from walk(part, positive)
    else:
        yield node, positive


# ---- thousands of alternatives as one look-up


class Mergeable(Node):
    """A predicate over a set of values: `a or b` of one kind is one predicate of both sets.

    args is (what is looked at, values...); joined() makes one of several.
    """

    __slots__ = ()

    def merge_key(self) -> object:
        return (type(self), self.args[0])

    @classmethod
    def joined(cls, nodes: list[Any]) -> Node:
        raise NotImplementedError


def merged(group: _Group) -> list[Node]:
    """The parts, with those of an Or that look at the same thing made one; so under an And of nots."""
    together: dict[object, list[Any]] = {}
    rest: list[Node] = []
    inverted = isinstance(group, And)
    for part in group.args:
        inner = part.args[0] if inverted and isinstance(part, Not) else None if inverted else part
        if isinstance(inner, Mergeable):
            together.setdefault(inner.merge_key(), []).append(inner)
        else:
            rest.append(part)
    joined = [type(nodes[0]).joined(nodes) for nodes in together.values()]
    return [*(Not(node) if inverted else node for node in joined), *rest]
