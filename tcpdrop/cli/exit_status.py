# SPDX-License-Identifier: BSD-2-Clause
"""Exit statuses, by counts of outcomes: the first rule that applies."""

from __future__ import annotations

DONE = 0
NOTHING = 1
USAGE = 2
FAILED = 3
REFUSED = 4

_BAD = ("failed", "not_permitted", "not_supported")
_GOOD = ("dropped", "would_drop", "listed")

#: the step of an error where a process may not be looked at (system/netns.py, which loads more)
HIDDEN = "stat"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..errors import Error


def status_of(counts: dict[str, int], *, undecidable: int = 0, unread: Iterable[Error] = ()) -> int:
    """The status of a run whose outcomes were counted.

    unread: why network namespaces could not be read.  One that is no more is no failure, and a
    process that may be in one that nobody else is in leaves undecided what nothing else decides.
    """
    steps = {error.step for error in unread if error.outcome != "gone"}
    if steps - {HIDDEN}:
        return FAILED
    undecidable += HIDDEN in steps
    good = any(counts.get(outcome) for outcome in _GOOD)
    protected = counts.get("protected", 0)
    if any(counts.get(outcome) for outcome in _BAD) or (undecidable and not good and not protected):
        return FAILED
    if good:
        return DONE
    return REFUSED if protected else NOTHING
