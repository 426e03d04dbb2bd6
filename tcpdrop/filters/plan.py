# SPDX-License-Identifier: BSD-2-Clause
"""What to ask the kernel for: a request that returns every row the filter accepts, and few others.

Every predicate gives a condition that holds wherever the predicate is True,
or none.  exact means: and nowhere else.  An And keeps the conditions it has;
an Or needs one of every part; under not only an exact one can be turned
round, and what may be unknown never is.
"""

from __future__ import annotations

from ..model.rows import ALL_STATES
from ..system import platform
from . import bytecode
from .endpoints import Address, Port
from .nodes import And, Not, Or
from .sockets import State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .bytecode import Condition
    from .facts import Facts
    from .filter import Filter
    from .nodes import Node


class Plan:
    """The arguments of kernel.list_connections().

    states: mask, 0 when nothing can match.  sport, dport: 0 is any.
    program: inet_diag bytecode, or b"".  exact: is what comes back exactly what
    matches?  pushed: the predicates the kernel decides, for people.
    """

    __slots__ = ("dport", "exact", "program", "pushed", "sport", "states")

    def __init__(self, states: int, *, pushed: tuple[Node, ...] = ()) -> None:
        self.states = states
        self.sport = 0
        self.dport = 0
        self.program = b""
        self.exact = True
        self.pushed = pushed

    def __repr__(self) -> str:
        return f"Plan(states={self.states:#x}, sport={self.sport}, dport={self.dport}, program={self.program!r}, exact={self.exact})"


class _Push:
    """A condition that holds wherever a predicate is True.  condition None: it always holds; `never`: nowhere."""

    __slots__ = ("condition", "exact", "never")

    def __init__(self, condition: Condition | None = None, *, exact: bool, never: bool = False) -> None:
        self.condition = condition
        self.exact = exact
        self.never = never


_ALWAYS = _Push(exact=True)
_NEVER = _Push(exact=True, never=True)
_UNKNOWN = _Push(exact=False)


def plan_for(chosen: Filter, facts: Facts | None = None, *, base: int | None = None, backend: str | None = None) -> Plan:
    """The request for a filter.

    base: the states to look in; None: the usual ones and those the filter names.
    facts: interfaces and cgroups, for `dev` and `cgroup`; without, user space decides those.
    """
    node = chosen.node
    base = chosen.base_states if base is None else base
    states = base & possible_states(node)
    parts = node.args if isinstance(node, And) else (node,)
    plan = Plan(states)
    push = (backend or platform.NAME) == "linux"
    budget = bytecode.MAX_OPS
    conditions: list[Condition] = []
    pushed: list[Node] = []
    for part in parts:
        rest = _take_header(plan, part)
        if rest is None:
            pushed.append(part)
            continue
        found = _push(part, False, states, facts, push)
        if found.never:
            return Plan(0, pushed=(part,))
        if found.condition is not None and found.condition.ops > budget:
            found = _UNKNOWN
        if found.condition is not None:
            budget -= found.condition.ops
            conditions.append(found.condition)
        if found.exact or found.condition is not None:
            pushed.append(part)
        plan.exact = plan.exact and found.exact
    if conditions:
        plan.program = bytecode.assemble(bytecode.every(conditions))
    plan.pushed = tuple(pushed)
    return plan


def _take_header(plan: Plan, part: Node) -> Node | None:
    """Put a single port into the request's header, the cheapest test; what is left of the part, if anything."""
    if isinstance(part, Port) and len(part.ranges) == 1 and part.end != "host":
        lo, hi = part.ranges[0]
        if lo == hi and lo and _set_port(plan, part.end, lo):
            return None
    if isinstance(part, Address) and part.end != "host":
        ports = {port for _, _, port in part.values}
        if len(ports) == 1:
            _set_port(plan, part.end, ports.pop())
    return part


def _set_port(plan: Plan, end: str, port: int) -> bool:
    """Did it get in?  Another port is there: `lport 1 and lport 2` is not for the header."""
    # A port in dport leaves listeners out; their remote port is 0, so none is lost.
    name = "sport" if end == "local" else "dport"
    if port and getattr(plan, name) in (0, port):
        setattr(plan, name, port)
        return True
    return False


# ---- states


def possible_states(node: Node) -> int:
    """The states in which the expression can be anything but False."""
    return _states(node)[0]


def _states(node: Node) -> tuple[int, int]:
    """The states in which it may be something but False, and those in which it is certainly True."""
    if isinstance(node, State):
        return node.mask, node.mask
    if isinstance(node, Port) and node.is_any:
        return ALL_STATES, ALL_STATES
    if isinstance(node, Not):
        possible, certain = _states(node.args[0])
        return ALL_STATES & ~certain, ALL_STATES & ~possible
    if not isinstance(node, (And, Or)):
        return ALL_STATES, 0
    pairs = [_states(part) for part in node.args]
    possible, certain = pairs[0]
    for one, other in pairs[1:]:
        if isinstance(node, And):
            possible, certain = possible & one, certain & other
        else:
            possible, certain = possible | one, certain | other
    return possible, certain


# ---- conditions


def _push(node: Node, negated: bool, states: int, facts: Facts | None, linux: bool) -> _Push:
    """The condition of a node, or of its negation, among rows in `states`."""
    if isinstance(node, Not):
        return _push(node.args[0], not negated, states, facts, linux)
    if isinstance(node, (And, Or)):
        # not (a and b) is not a or not b; so in three-valued logic.
        found = [_push(part, negated, states, facts, linux) for part in node.args]
        return _all(found) if isinstance(node, And) != negated else _any(found)
    if isinstance(node, State):
        mask = node.mask ^ (ALL_STATES if negated else 0)
        return _ALWAYS if not states & ~mask else _UNKNOWN if states & mask else _NEVER
    if isinstance(node, Port) and node.is_any:
        return _NEVER if negated else _ALWAYS
    if not linux:
        return _UNKNOWN
    condition, exact = node.condition(facts)
    if condition is None or (negated and not exact):
        return _UNKNOWN
    return _Push(bytecode.Inverse(condition) if negated else condition, exact=exact)


def _all(found: list[_Push]) -> _Push:
    if any(one.never for one in found):
        return _NEVER
    exact = all(one.exact for one in found)
    conditions = [one.condition for one in found if one.condition is not None]
    return _Push(bytecode.every(conditions), exact=exact) if conditions else _Push(exact=exact)


def _any(found: list[_Push]) -> _Push:
    found = [one for one in found if not one.never]
    if not found:
        return _NEVER
    conditions = [one.condition for one in found if one.condition is not None]
    if len(conditions) < len(found):
        # A part that is always True makes the whole always True.
        return _ALWAYS if any(one.condition is None and one.exact for one in found) else _UNKNOWN
    return _Push(bytecode.some(conditions), exact=all(one.exact for one in found))
