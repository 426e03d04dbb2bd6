# SPDX-License-Identifier: BSD-2-Clause
"""What drop() and keep_dropping() are given: a value of another kind is refused before anything is opened.

Each of these would be taken without a word: max_drops=float("nan") bounds nothing,
dry_run=None drops, all="no" is everything, a duration that is no number never ends.
"""

from __future__ import annotations

from ..filters.units import parse_duration
from ..model.addresses import printable
from ..system.netns import check_where

#: seconds; whoever says more, or infinity, means without end
ENDLESS = 1e12
#: seconds between two looks; the command's durations begin with it too
SHORTEST = 0.001

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional

    Whole = Optional[int]


def check(netns: object, *, max_drops: Whole, rate: Whole, **flags: bool) -> None:
    """Raise TypeError or ValueError for what can only be a mistake."""
    check_where(netns)
    for name, flag in flags.items():
        if not isinstance(flag, bool):
            raise TypeError(f"{name} is True or False, not {_shown(flag)}")
    _check_whole("max_drops", max_drops, 0, "0 or more")
    _check_whole("rate", rate, 1, "1 or more a second")


def seconds(name: str, value: object) -> float:
    """A time in seconds, or text like 10m."""
    if isinstance(value, str):
        return parse_duration(value) / 1000
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} is a number of seconds, not {_shown(value)}")
    if not value >= 0:  # nor is what is not a number at all
        raise ValueError(f"{name} is 0 or more seconds, not {_shown(value)}")
    return min(value, ENDLESS)


def pause(value: object) -> float:
    """Between two looks, as seconds() reads it: without one a look after the other would take all of a CPU."""
    given = seconds("interval", value)
    if given < SHORTEST:
        raise ValueError(f"interval is {SHORTEST} seconds or more, not {_shown(value)}")
    return given


def check_stopped(stopped: object) -> None:
    """It is asked when the first may have been dropped."""
    if not callable(stopped):
        raise TypeError(f"stopped is a function, not {_shown(stopped)}")


def _check_whole(name: str, value: Whole, least: int, words: str) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} is a whole number, not {_shown(value)}")
    if value < least:
        raise ValueError(f"{name} is {words}")


def _shown(value: object) -> str:
    return printable(repr(value))
