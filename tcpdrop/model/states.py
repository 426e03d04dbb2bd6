# SPDX-License-Identifier: BSD-2-Clause
"""TCP states, as an enumeration for people who import us."""

from __future__ import annotations

from enum import IntEnum

from .rows import state_number


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
