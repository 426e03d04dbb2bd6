# SPDX-License-Identifier: BSD-2-Clause
"""Wait for what must come, with a deadline instead of a sleep."""

import time


def until(condition, what="it", timeout=10.0):
    """Call condition() until it is true; its value, or an assertion error that names `what`."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"waited {timeout:g} s in vain for {what}"
        time.sleep(0.002)
