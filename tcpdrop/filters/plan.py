# SPDX-License-Identifier: BSD-2-Clause
"""What to ask the kernel for: a request that returns every row the filter accepts, and few others.

Every predicate gives a condition that holds wherever the predicate is True,
or none.  exact means: and nowhere else.  An And keeps the conditions it has;
an Or needs one of every part; under not only an exact one can be turned
round, and what may be unknown never is.
"""

from __future__ import annotations

from ..model.rows import ALL_STATES, USUAL_STATES
from ..system import platform
from . import bytecode
from .nodes import And, Not, Or
from .prefixes import Address
from .sockets import Dev, Family, Loopback, Port, State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .bytecode import Condition
    from .facts import Facts
    from .filter import Filter
    from .nodes import Node

#: The program runs on every socket and its check is quadratic; beyond this a set in user space is faster.
MAX_OPS = 64


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


def plan_for(chosen: Filter | None, facts: Facts | None = None, *, base: int | None = None, backend: str | None = None) -> Plan:
    """The request for a filter.

    base: the states to look in; None: the usual ones and those the filter names.
    facts: interfaces and cgroups, for `dev` and `cgroup`; without, user space decides those.
    """
    if chosen is None:
        return Plan(USUAL_STATES if base is None else base)
    node = chosen.node
    base = chosen.base_states if base is None else base
    states = base & possible_states(node)
    parts = node.args if isinstance(node, And) else (node,)
    plan = Plan(states)
    push = (backend or platform.NAME) == "linux"
    budget = MAX_OPS
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
    if not linux:
        return _UNKNOWN
    condition, exact = _condition(node, facts)
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


def _condition(node: Node, facts: Facts | None) -> tuple[Condition | None, bool]:
    """The condition of a predicate, and whether it is exact."""
    if isinstance(node, Port):
        return _port_condition(node), True
    if isinstance(node, Address):
        return _address_condition(node), True
    if isinstance(node, Family):
        ipv4 = bytecode.carries_ipv4()
        return ipv4 if node.args[0] == 4 else bytecode.Inverse(ipv4), True
    if isinstance(node, Loopback):
        loops = [(b"\x7f\0\0\0", 8), (bytes(15) + b"\1", 128)]
        return bytecode.some([bytecode.has_prefix(local, *loop) for local in (True, False) for loop in loops]), True
    if isinstance(node, Dev):
        index = facts.ifindex(node.args[0]) if facts is not None else None
        return (None if index is None else bytecode.bound_to(index)), True
    if node.word == "cgroup" and facts is not None:
        ids = facts.cgroup_ids(node.args[0])
        if ids and len(ids) <= MAX_OPS and _has_cgroup_op():
            # Not exact: mini sockets have no cgroup, which is unknown and not another one.
            return bytecode.some([bytecode.in_cgroup(number) for number in sorted(ids)]), False
    return None, False


def _has_cgroup_op() -> bool:
    """Linux 5.8 or later; an older one would refuse the whole program."""
    from os import uname

    major, _, rest = uname().release.partition(".")
    minor = rest.partition(".")[0].partition("-")[0]
    return major.isdigit() and minor.isdigit() and (int(major), int(minor)) >= (5, 8)


def _ends(end: str) -> tuple[bool, ...]:
    """Is it the local end, for each end meant."""
    return {"local": (True,), "remote": (False,), "host": (True, False)}[end]


def _port_condition(node: Port) -> Condition | None:
    if len(node.ranges) > MAX_OPS:
        return None
    return bytecode.some([bytecode.ports_between(local, lo, hi) for local in _ends(node.end) for lo, hi in node.ranges])


def _address_condition(node: Address) -> Condition | None:
    if len(node.values) > MAX_OPS:
        return None
    return bytecode.some(
        [
            bytecode.has_prefix(local, packed, bits, port or bytecode.ANY_PORT)
            for local in _ends(node.end)
            for packed, bits, port in node.values
        ]
    )
