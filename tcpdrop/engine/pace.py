# SPDX-License-Identifier: BSD-2-Clause
"""Dropping again and again: keep a peer away for a while, or until nothing is left."""

from __future__ import annotations

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def wait(seconds: float, stopped: Callable[[], bool]) -> None:
    """Sleep, and wake for a signal."""
    end = time.monotonic() + seconds
    while not stopped():
        left = end - time.monotonic()
        if left <= 0:
            return
        time.sleep(min(left, 0.1))


def check_rate(rate: int | None) -> None:
    """Raise ValueError unless it is None or drops a second."""
    if rate is not None and rate < 1:
        raise ValueError("rate is 1 or more a second")
