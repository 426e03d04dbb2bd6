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


def status_of(counts: dict[str, int], *, undecidable: int = 0) -> int:
    """The status of a run whose outcomes were counted."""
    good = any(counts.get(outcome) for outcome in _GOOD)
    protected = counts.get("protected", 0)
    if any(counts.get(outcome) for outcome in _BAD) or (undecidable and not good and not protected):
        return FAILED
    if good:
        return DONE
    return REFUSED if protected else NOTHING
