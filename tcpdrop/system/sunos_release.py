# SPDX-License-Identifier: BSD-2-Clause
"""What a release of illumos is known to do wrong where tcpdrop meets it, by what `uname -v` tells.

A distribution mends its releases, so this says "may"; what names no date
(OpenIndiana's commit) says nothing.
"""

from __future__ import annotations

import re

_PANIC = "this kernel may panic while connections are listed as sockets {}: update it before you try this where they come and go"

#: the month that began it, the month that ended it, illumos' number, what may happen and what to do
_FAULTS = (
    ((2019, 10), (2020, 9), 12976, _PANIC.format("close")),
    ((2019, 10), (2022, 4), 14619, _PANIC.format("open")),
    ((2022, 8), (2022, 10), 15031, "`pid N` in a filter may break the event ports of that process: select by port or address"),
)


def cautions(version: str) -> list[str]:
    """What to know before trying it on the kernel that calls itself so (os.uname().version)."""
    first, last = _months(version)
    return [
        f"{text} (illumos {number}, mended in {ended[0]}-{ended[1]:02})"
        for began, ended, number, text in _FAULTS
        if first < _month(*ended) and last >= _month(*began)
    ]


def _month(year: int, month: int) -> int:
    return year * 12 + month - 1


def _months(version: str) -> tuple[int, int]:
    """The first and the last month that the kernel's source may be of; none of a fault's when it is unknown."""
    smartos = re.match(r"joyent_(\d{4})(\d\d)\d\dT", version)
    if smartos:
        month = _month(int(smartos[1]), int(smartos[2]))
        return month, month
    omnios = re.match(r"omnios-(?:[a-z]*-)?r151(\d{3})\b", version)
    if omnios:
        # A release each May and November, by even numbers: r151032 was 2019-11.  Odd ones lie between two.
        number = int(omnios[1])
        return _omnios(number - number % 2), _omnios(number + number % 2)
    return _month(9999, 1), 0


def _omnios(number: int) -> int:
    return _month(2019, 11) + 3 * (number - 32)
