# SPDX-License-Identifier: BSD-2-Clause
"""What somebody may have meant who typed a word that there is none of."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

#: longer than any word of ours
_LONGEST = 40


def nearest(typed: str, words: Iterable[str]) -> str:
    """The one word that is a slip or two away, or that begins so; "" if there is none, or more than one."""
    typed = typed.lower().replace("_", "-")
    bare = typed.lstrip("-")
    if not 1 < len(bare) <= _LONGEST:
        return ""
    found = {word: _slips(typed, word) for word in words}
    least = min(found.values(), default=_LONGEST)
    close = [word for word, slips in found.items() if slips == least and slips <= (1 if len(bare) < 6 else 2)]
    if not close:
        close = [word for word in found if word.startswith(typed)]
    return close[0] if len(close) == 1 else ""


def _slips(one: str, other: str) -> int:
    """Letters that are missing, too many, wrong, or changed places with their neighbour."""
    before: list[int] = []
    last = list(range(len(other) + 1))
    for i, a in enumerate(one):
        row = [i + 1]
        for j, b in enumerate(other):
            slips = min(last[j + 1] + 1, row[j] + 1, last[j] + (a != b))
            if i and j and a == other[j - 1] and one[i - 1] == b:
                slips = min(slips, before[j - 1] + 1)
            row.append(slips)
        before, last = last, row
    return last[-1]
