# SPDX-License-Identifier: BSD-2-Clause
"""Selection: the filter language, its meaning, and what of it the kernel can do.

Filter and from_selectors() say what is meant; plan() says what to ask the
kernel for; select() decides on what comes back; explain() tells a person.
"""

from __future__ import annotations

from .filter import Filter, all_of, any_of, from_selectors

_HOMES = {"Facts": "facts", "Plan": "plan", "explain": "explanation", "gather": "facts", "plan_for": "plan", "select": "decision"}

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .decision import select
    from .explanation import explain
    from .facts import Facts, gather
    from .plan import Plan, plan_for

__all__ = ["Facts", "Filter", "Plan", "all_of", "any_of", "explain", "from_selectors", "gather", "plan_for", "select"]


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'tcpdrop.filters' has no attribute {name!r}")
    module = __import__(f"tcpdrop.filters.{home}", fromlist=[name])
    value = globals()[name] = getattr(module, name)
    return value
