# SPDX-License-Identifier: BSD-2-Clause
"""TCP states and the ways people spell them."""

from __future__ import annotations

from enum import IntEnum

from .model import STATE_NAMES


class State(IntEnum):
    """A TCP state.  Numbers are Linux's (include/net/tcp_states.h), on every system.

    State("fin-wait-1"), State("FIN_WAIT1") and State("FinWait1") are one member.
    """

    ESTABLISHED = 1
    SYN_SENT = 2
    SYN_RECV = 3
    FIN_WAIT1 = 4
    FIN_WAIT2 = 5
    TIME_WAIT = 6
    CLOSED = 7
    CLOSE_WAIT = 8
    LAST_ACK = 9
    LISTEN = 10
    CLOSING = 11

    @classmethod
    def _missing_(cls, value: object) -> State | None:
        if isinstance(value, str):
            number = state_number(value)
            if number:
                return cls(number)
        return None


_ALIASES = {"estab": 1, "synrcvd": 3, "unconn": 7, "close": 7}
_NUMBERS = {name.replace("_", "").lower(): number for number, name in enumerate(STATE_NAMES) if number}
_NUMBERS.update(_ALIASES)


def state_number(text: str) -> int:
    """The number of a state in any spelling; 0 if it is none."""
    return _NUMBERS.get(text.replace("-", "").replace("_", "").lower(), 0)
