# SPDX-License-Identifier: BSD-2-Clause
"""How a filter was read, and who decides what: `tcpdrop list --explain`."""

from __future__ import annotations

from ..model.rows import STATE_NAMES
from .nodes import CGROUPS, CLOCK, DETAILS, INTERFACES, LISTENERS, OWNERS, PIDS, And, Not, Or
from .sockets import spelled

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .filter import Filter
    from .nodes import Node
    from .plan import Plan

_FETCHED = {
    DETAILS: "tcp_info of every connection",
    LISTENERS: "the listening ports",
    INTERFACES: "the interfaces",
    CGROUPS: "the cgroup's id",
    CLOCK: "the clock of creation times",
    OWNERS: "the holders of what is still open, from /proc",
    PIDS: "the descriptors of the named processes, from /proc",
}
_SHOWN = 300


def explain(chosen: Filter, plan: Plan) -> str:
    """Lines of text, without a final newline; long lists are cut."""
    parts = chosen.node.args if isinstance(chosen.node, And) else (chosen.node,)
    # What the kernel decides only in part stands in both lines: user space looks again.
    pushed = list(plan.pushed)
    rest = [part for part in parts if part not in pushed] if not plan.exact else []
    again = [part for part in pushed if not plan.exact] if not rest else []
    lines = [
        f"read as:     {_cut(parenthesised(chosen.node))}",
        f"states:      {_states(plan.states)}",
        f"kernel:      {_kernel(plan)}",
        f"user space:  {_cut(' and '.join(map(parenthesised, rest or again)) or 'nothing more')}",
    ]
    needs = chosen.needs()
    if needs:
        lines.append("fetched:     " + ", ".join(text for name, text in _FETCHED.items() if name in needs))
    return "\n".join(lines)


def parenthesised(node: Node) -> str:
    """Text with every and, or, not in parentheses of its own."""
    if isinstance(node, Not):
        return f"(not {parenthesised(node.args[0])})"
    if isinstance(node, (And, Or)):
        return "(" + f" {node.operator} ".join(map(parenthesised, node.args)) + ")"
    return str(node)


def _states(mask: int) -> str:
    return ", ".join(spelled(number) for number in range(1, len(STATE_NAMES)) if mask >> number & 1) or "none: nothing can match"


def _kernel(plan: Plan) -> str:
    how = []
    if plan.sport or plan.dport:
        ports = [f"{word} {port}" for word, port in (("lport", plan.sport), ("rport", plan.dport)) if port]
        how.append(f"{' and '.join(ports)} by the request")
    if plan.program:
        how.append(f"{len(plan.program)} bytes of bytecode")
    if not plan.pushed:
        return "nothing but the states"
    return _cut(" and ".join(map(parenthesised, plan.pushed))) + (f"  ({'; '.join(how)})" if how else "  (by the states)")


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}... ({len(text)} characters)"
