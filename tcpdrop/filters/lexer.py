# SPDX-License-Identifier: BSD-2-Clause
"""Text to tokens.  Columns count from 1."""

from __future__ import annotations

from ..errors import FilterError
from .words import DELIMITERS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

WORD, QUOTED, SYMBOL, END = "word", "quoted", "symbol", "end"
#: Longest first.
_SYMBOLS = ("&&", "||", "==", "!=", "<=", ">=", "(", ")", "=", "<", ">", "&", "|", "!", ",")
_HEX_ESCAPES = {"x": 2, "u": 4, "U": 8}


class Token:
    """kind: WORD, QUOTED, SYMBOL or END.  start and stop are offsets in the text."""

    __slots__ = ("kind", "start", "stop", "text")

    def __init__(self, kind: str, text: str, start: int, stop: int) -> None:
        self.kind = kind
        self.text = text
        self.start = start
        self.stop = stop

    @property
    def column(self) -> int:
        return self.start + 1


def join(arguments: str | Iterable[str]) -> str:
    """The one text of one argument or many; an empty argument was a variable that expanded to nothing."""
    parts = [arguments] if isinstance(arguments, str) else list(arguments)
    column = 1
    for part in parts:
        if not isinstance(part, str):
            raise TypeError(f"a filter is text, not {type(part).__name__}")
        if not part.strip():
            raise FilterError("an empty string is no filter (a variable that is not set?)", column)
        column += len(part) + 1
    if not parts:
        raise FilterError("no filter given", 1)
    return " ".join(parts)


def tokens(text: str) -> list[Token]:
    """All tokens, with END last.  FilterError: a quote does not end, or ends in the middle of a word."""
    found: list[Token] = []
    at = 0
    while at < len(text):
        char = text[at]
        if char.isspace():
            at += 1
            continue
        if char in "\"'":
            token = _quoted(text, at)
        else:
            symbol = _symbol_at(text, at)
            token = Token(SYMBOL, symbol, at, at + len(symbol)) if symbol else _word(text, at)
        found.append(token)
        at = token.stop
    found.append(Token(END, "", len(text), len(text)))
    return found


def _symbol_at(text: str, at: int) -> str:
    if text[at] in DELIMITERS or text[at] == "!":
        for symbol in _SYMBOLS:
            if text.startswith(symbol, at):
                return symbol
    return ""


def _word(text: str, start: int) -> Token:
    """Up to a delimiter; '!' ends a word only as part of '!='."""
    at = start
    while at < len(text) and text[at] not in DELIMITERS and not text[at].isspace():
        if text[at] in "\"'":
            raise FilterError("a quote may only stand around a whole value", at + 1)
        if text[at] == "!" and text.startswith("!=", at):
            break
        at += 1
    return Token(WORD, text[start:at], start, at)


def _quoted(text: str, start: int) -> Token:
    quote = text[start]
    parts: list[str] = []
    at = start + 1
    while at < len(text) and text[at] != quote:
        if text[at] == "\\":
            part, at = _escape(text, at)
        else:
            part, at = text[at], at + 1
        parts.append(part)
    if at >= len(text):
        raise FilterError(f"the quote {quote} that begins here does not end", start + 1)
    at += 1
    if at < len(text) and text[at] not in DELIMITERS and not text[at].isspace():
        raise FilterError("a quote may only stand around a whole value", at + 1)
    return Token(QUOTED, "".join(parts), start, at)


def _escape(text: str, at: int) -> tuple[str, int]:
    kind = text[at + 1 : at + 2]
    if kind in _HEX_ESCAPES:
        digits = text[at + 2 : at + 2 + _HEX_ESCAPES[kind]]
        try:
            # int() alone would take signs, spaces and underscores.
            if len(digits) == _HEX_ESCAPES[kind] and all(digit in "0123456789abcdefABCDEF" for digit in digits):
                return chr(int(digits, 16)), at + 2 + len(digits)
        except (ValueError, OverflowError):
            pass
    elif kind in ("\\", '"', "'"):
        return kind, at + 2
    raise FilterError("expected \\\\, \\\", \\', \\xNN, \\uNNNN or \\UNNNNNNNN", at + 1)
