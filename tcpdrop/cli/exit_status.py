# SPDX-License-Identifier: BSD-2-Clause
"""Exit statuses, by counts of outcomes: the first rule that applies."""

from __future__ import annotations

from ..errors import DROPPED, FAILURES, LISTED, OUTCOMES, PROTECTED, WOULD_DROP

DONE = 0
NOTHING = 1
USAGE = 2
FAILED = 3
REFUSED = 4

_FAILURES = [OUTCOMES[number] for number in FAILURES]
_SUCCESSES = [OUTCOMES[number] for number in (DROPPED, WOULD_DROP, LISTED)]

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
    good = any(counts.get(outcome) for outcome in _SUCCESSES)
    protected = counts.get(OUTCOMES[PROTECTED], 0)
    if any(counts.get(outcome) for outcome in _FAILURES) or (undecidable and not good and not protected):
        return FAILED
    if good:
        return DONE
    return REFUSED if protected else NOTHING
