# SPDX-License-Identifier: BSD-2-Clause
"""The clock that creation times are read by, on Solaris and illumos: ticks since boot.

The kernel stamps a connection with the clock that times(2) returns: an accepted
one when it was accepted, any other when its socket was made.
"""

from __future__ import annotations

import os
import sys

PER_SECOND = os.sysconf("SC_CLK_TCK")
#: what a stamp may be ahead of a clock that was read before the walk
SLACK_MS = 60_000


def now() -> int | None:
    """The clock in ticks; None where it is too narrow to be told from its last round."""
    if sys.maxsize < 2**32:
        return None
    return round(os.times().elapsed * PER_SECOND)


def age_ms(created: int, at: int | None) -> int | None:
    """The age, at that reading of the clock, of what was created then; None when it cannot be told."""
    if not created or at is None:
        return None
    age = (at - created) * 1000 // PER_SECOND
    return max(0, age) if age >= -SLACK_MS else None  # stamped in the future: by another clock
