# SPDX-License-Identifier: BSD-2-Clause
"""Which connections are meant.  text -> expression -> plan -> Connections:

parser       text to nodes; lexer, its tokens; values and units, one value each
literal      the same from values that are never read as language
vocabulary   the words of the language, a row for each
nodes        and, or, not; sockets, endpoints, owned, measures: the predicates
filter       Filter, what the world sees of an expression
facts        what predicates must know that no row says
plan         what to ask the kernel for; bytecode, how that is written on Linux
decision     which of the rows that came back are meant
selection    all of it: select(), and what protecting rules say of rows
explanation  how a filter was read, for people
"""

from __future__ import annotations

from .filter import Filter, all_of, from_selectors

#: what only some callers need
_HOMES = {
    "absent_names": "absent",
    "matches_none": "breadth",
    "Facts": "facts",
    "Plan": "plan",
    "explain": "explanation",
    "gather": "facts",
    "plan_for": "plan",
    "select": "selection",
}

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .absent import absent_names
    from .breadth import matches_none
    from .explanation import explain
    from .facts import Facts, gather
    from .plan import Plan, plan_for
    from .selection import select

__all__ = ["Facts", "Filter", "Plan", "absent_names", "all_of", "explain", "from_selectors", "gather", "matches_none", "plan_for", "select"]


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'tcpdrop.filters' has no attribute {name!r}")
    module = __import__(f"tcpdrop.filters.{home}", fromlist=[name])
    value = globals()[name] = getattr(module, name)
    return value
