# SPDX-License-Identifier: BSD-2-Clause
"""How many columns of a terminal a text takes, and texts cut or padded to a number of them.

East Asian wide characters take two, combining ones none (unicodedata, UAX 11).
What does not print becomes an escape before it is measured: no name of a
process can move the cursor or hide what follows it.
"""

from __future__ import annotations

import os

from ..model.addresses import harmless

_WIDE = frozenset("WF")
#: where the terminal does not tell
_SIZE = os.terminal_size((80, 24))


def terminal_size(descriptor: int) -> os.terminal_size:
    """How many columns and lines it has."""
    try:
        size = os.get_terminal_size(descriptor)
    except OSError:
        return _SIZE
    return size if size.lines and size.columns else _SIZE


def width(text: str) -> int:
    """The columns of a text that was made printable."""
    return len(text) if text.isascii() else sum(map(_columns, text))


def _columns(char: str) -> int:
    from unicodedata import category, combining, east_asian_width  # seldom needed: most names are ASCII

    if combining(char) or category(char) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if east_asian_width(char) in _WIDE else 1


def fit(text: str, columns: int, *, right: bool = False) -> str:
    """The text in exactly so many columns: padded, or cut with a tilde where something is missing."""
    text = harmless(text)
    size = width(text)
    if size > columns:
        text = cut(text, columns)
        size = width(text)
    pad = " " * (columns - size)
    return pad + text if right else text + pad


def cut(text: str, columns: int) -> str:
    """At most so many columns of a printable text."""
    if width(text) <= columns:
        return text
    if columns < 1:
        return ""
    kept, used = [], 1  # the tilde
    for char in text:
        used += _columns(char)
        if used > columns:
            break
        kept.append(char)
    return "".join(kept) + "~"


def squeezed(text: str, columns: int) -> str:
    """At most so many columns of an ASCII text, cut in the middle: of an address its beginning, its last part and the port are seen."""
    if len(text) <= columns:
        return text
    behind = columns // 2
    return cut(text, columns) if columns < 3 else f"{text[: columns - 1 - behind]}~{text[-behind:]}"
