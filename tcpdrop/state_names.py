# SPDX-License-Identifier: BSD-2-Clause
"""The ways people spell TCP states.  Apart from states.py, whose enumeration costs the fast path too much."""

from __future__ import annotations

from .model import STATE_NAMES

_ALIASES = {"estab": 1, "synrcvd": 3, "unconn": 7, "close": 7, "listening": 10}
_NUMBERS = {name.replace("_", "").lower(): number for number, name in enumerate(STATE_NAMES) if number}
_NUMBERS.update(_ALIASES)


def state_number(text: str) -> int:
    """The number of a state in any spelling; 0 if it is none."""
    return _NUMBERS.get(text.replace("-", "").replace("_", "").lower(), 0)
