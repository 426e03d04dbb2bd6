# SPDX-License-Identifier: BSD-2-Clause
"""Predicates on what was measured: times, queues, bytes, retransmissions; and cc."""

from __future__ import annotations

from _operator import eq, ge, gt, le, lt, ne  # operator.py is a module in Python, to be loaded at every start

from ..model.rows import (
    BYTES_RECEIVED,
    BYTES_SENT,
    CC,
    CREATED,
    FLAGS,
    INFO_BYTES,
    INFO_CC,
    INFO_RETRANS,
    INFO_RTT,
    INFO_TIMES,
    KNOWN,
    LAST_RECEIVED,
    LAST_SENT,
    RECVQ,
    RETRANS,
    ROW_QUEUES,
    RTT,
    SENDQ,
)
from ..model.sunos_clock import age_ms
from ..system import platform
from .lexer import quoted
from .nodes import CLOCK, DETAILS, Node
from .units import duration_text, parse_count, parse_duration, parse_size, size_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Optional

    from ..model.rows import Info, Row
    from .facts import Facts
    from .nodes import Answer, Test

    Reading = Callable[[Row, Optional[Info], Facts], Optional[int]]

COMPARE = {
    "=": eq,
    "!=": ne,
    "<": lt,
    "<=": le,
    ">": gt,
    ">=": ge,
}


def _info(bit: int, read: Callable[[Info], int]) -> Reading:
    def reading(row: Row, info: Info | None, facts: Facts) -> int | None:
        return read(info) if info is not None and info[KNOWN] & bit else None

    return reading


def _queue(at: int) -> Reading:
    return lambda row, info, facts: row[at] if row[FLAGS] & ROW_QUEUES else None


def _age(row: Row, info: Info | None, facts: Facts) -> int | None:
    """ms: exact where the system keeps a creation time, else when data last moved."""
    if row[CREATED]:
        return age_ms(row[CREATED], facts.now)
    return max(info[LAST_SENT], info[LAST_RECEIVED]) if info is not None and info[KNOWN] & INFO_TIMES else None


#: word -> (reading, kind of value); a duration is kept in ms, rtt's in us, a size in bytes
READINGS: dict[str, tuple[Reading, str]] = {
    "idle": (_info(INFO_TIMES, lambda info: min(info[LAST_SENT], info[LAST_RECEIVED])), "ms"),
    "age": (_age, "ms"),
    "rtt": (_info(INFO_RTT, lambda info: info[RTT]), "us"),
    "recvq": (_queue(RECVQ), "size"),
    "sendq": (_queue(SENDQ), "size"),
    "bytes-sent": (_info(INFO_BYTES, lambda info: info[BYTES_SENT]), "size"),
    "bytes-received": (_info(INFO_BYTES, lambda info: info[BYTES_RECEIVED]), "size"),
    "retrans": (_info(INFO_RETRANS, lambda info: info[RETRANS]), "count"),
}


class Measure(Node):
    """args is (word, comparison, value): ("idle", ">", 90000)."""

    __slots__ = ()

    @property
    def word(self) -> str:
        return self.args[0]  # type: ignore[no-any-return]

    def compiled(self) -> Test:
        word, comparison, value = self.args
        reading, holds = READINGS[word][0], COMPARE[comparison]

        def measured(row: Row, info: Info | None, facts: Facts) -> Answer:
            found = reading(row, info, facts)
            return None if found is None else holds(found, value)

        def proven(row: Row, info: Info | None, facts: Facts) -> Answer:
            answer = measured(row, info, facts)
            return None if answer is False and facts.protecting else answer

        # A lower bound denies nothing: a rule protects what may be older.
        return proven if word == "age" and not platform.CREATION_TIMES else measured

    def needs(self) -> frozenset[str]:
        if self.word == "age" and platform.CREATION_TIMES:
            return frozenset([CLOCK])
        return frozenset() if self.word in ("recvq", "sendq") else frozenset([DETAILS])

    def __str__(self) -> str:
        word, comparison, value = self.args
        return f"{word} {comparison} {value_text(word, value)}"


def value_text(word: str, value: int) -> str:
    kind = READINGS[word][1]
    if kind == "size":
        return size_text(value)
    return str(value) if kind == "count" else duration_text(value, kind)


def parse_value(word: str, text: str) -> int:
    """The value after the word's comparison; ValueError."""
    kind = READINGS[word][1]
    if kind == "size":
        return parse_size(text)
    return parse_count(text) if kind == "count" else parse_duration(text, kind)


class Congestion(Node):
    """cc NAME: args is (name,)."""

    __slots__ = ()
    word = "cc"

    def compiled(self) -> Test:
        (name,) = self.args

        def controls(row: Row, info: Info | None, facts: Facts) -> Answer:
            if info is None or not info[KNOWN] & INFO_CC:
                return None
            return bool(info[CC].rstrip(b"\0").decode("ascii", "replace") == name)

        return controls

    def needs(self) -> frozenset[str]:
        return frozenset([DETAILS])

    def __str__(self) -> str:
        return f"cc {quoted(self.args[0])}"
