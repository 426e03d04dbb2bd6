# SPDX-License-Identifier: BSD-2-Clause
"""Durations and sizes between text and whole numbers.  ValueError with one clear line."""

from __future__ import annotations

from ..model.addresses import is_number, printable

#: Microseconds.
_DURATIONS = {"us": 1, "ms": 1000, "s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000}
#: As everywhere in memory and queues, k is 1024.
_SIZES = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
#: More digits than any counter has; and int() of very many is slow.
_DIGITS = 19


def parse_duration(text: str, unit: str = "ms") -> int:
    """'90s' -> 90000 in `unit`, which is ms or us; a bare number has no meaning and is refused."""
    number = text.rstrip("abcdefghijklmnopqrstuvwxyz")
    scale = _DURATIONS.get(text[len(number) :])
    if scale is None or not is_number(number) or len(number) > _DIGITS:
        raise ValueError(f"'{printable(text)}' is not a duration, like 90s, 10m, 8h, 2d or 250ms")
    value, rest = divmod(int(number) * scale, _DURATIONS[unit])
    if rest:
        raise ValueError(f"'{printable(text)}': whole milliseconds here")
    return value


def duration_text(value: int, unit: str = "ms") -> str:
    """The shortest exact spelling: 90000 -> '90s'."""
    value *= _DURATIONS[unit]
    for name in ("d", "h", "m", "s", "ms"):
        if value and value % _DURATIONS[name] == 0:
            return f"{value // _DURATIONS[name]}{name}"
    return f"{value}us" if value else "0s"


def parse_size(text: str) -> int:
    """'64k' -> 65536 bytes; '1M', '2G', '100'."""
    number, scale = text, _SIZES.get(text[-1:].lower(), 1)
    if scale > 1:
        number = text[:-1]
    if not is_number(number) or len(number) > _DIGITS:
        raise ValueError(f"'{printable(text)}' is not a size in bytes, like 1500, 64k or 1M")
    return int(number) * scale


def size_text(value: int) -> str:
    """The shortest exact spelling: 65536 -> '64k'."""
    for name, scale in (("G", 1 << 30), ("M", 1 << 20), ("k", 1 << 10)):
        if value and value % scale == 0:
            return f"{value // scale}{name}"
    return str(value)


def parse_count(text: str) -> int:
    if not is_number(text) or len(text) > _DIGITS:
        raise ValueError(f"'{printable(text)}' is not a number")
    return int(text)
