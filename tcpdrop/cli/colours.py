# SPDX-License-Identifier: BSD-2-Clause
"""Colours by meaning, on a terminal or where --color=always asks for them.  Loaded only then.

Nothing is said by a colour alone: each stands on a word that says the same.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    #: text -> the same, painted for what the second one means
    Paint = Callable[[str, str], str]

_RED, _GREEN, _YELLOW, _MAGENTA, _CYAN, _DIM = "31", "32", "33", "35", "36", "2"

#: a state or an outcome -> the terminal's own colours (ECMA-48), which every theme keeps legible
_MEANINGS = {
    "ESTABLISHED": _GREEN,
    **dict.fromkeys(("SYN_SENT", "SYN_RECV"), _CYAN),
    **dict.fromkeys(("FIN_WAIT1", "FIN_WAIT2", "CLOSE_WAIT", "LAST_ACK", "CLOSING"), _YELLOW),
    **dict.fromkeys(("TIME_WAIT", "CLOSED"), _DIM),
    "LISTEN": _MAGENTA,
    "dropped": _GREEN,
    "would_drop": _YELLOW,
    "protected": _CYAN,
    "gone": _DIM,
    **dict.fromkeys(("not_permitted", "not_supported", "failed"), _RED),
}


def paint(text: str, meaning: str) -> str:
    """The text in the colour of a state or an outcome."""
    colour = _MEANINGS.get(meaning)
    return text if colour is None else f"\x1b[{colour}m{text}\x1b[0m"
