# SPDX-License-Identifier: BSD-2-Clause
"""Text to tokens, and values as text that reads back as one token.  Columns count from 1."""

from __future__ import annotations

from ..errors import FilterError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

#: Words for operators, ss's; the symbols mean the same.
COMPARISONS = {
    "=": "=",
    "==": "=",
    "!=": "!=",
    "<": "<",
    "<=": "<=",
    ">": ">",
    ">=": ">=",
    "eq": "=",
    "ne": "!=",
    "lt": "<",
    "le": "<=",
    "gt": ">",
    "ge": ">=",
}
COMPARISON_WORDS = ("eq", "ne", "lt", "le", "gt", "ge")
CONNECTIVES = {"and": "and", "&": "and", "&&": "and", "or": "or", "|": "or", "||": "or"}
RESERVED = frozenset(["and", "or", "not", *COMPARISON_WORDS])

WORD, QUOTED, SYMBOL, END = "word", "quoted", "symbol", "end"
#: Longest first.
_SYMBOLS = ("&&", "||", "==", "!=", "<=", ">=", "(", ")", "=", "<", ">", "&", "|", "!", ",")
_HEX_ESCAPES = {"x": 2, "u": 4, "U": 8}
#: what may stand around a value and is none of it, but for a name
BLANKS = " \t"
#: End a bare word wherever they stand.
DELIMITERS = frozenset(" \t\r\n\v\f()=<>&|,")


class Token:
    """kind: WORD, QUOTED, SYMBOL or END.  start and stop are offsets in the text.  given: with the blanks of its argument."""

    __slots__ = ("given", "kind", "start", "stop", "text")

    def __init__(self, kind: str, text: str, start: int, stop: int, given: str = "") -> None:
        self.kind = kind
        self.text = text
        self.given = given or text
        self.start = start
        self.stop = stop

    @property
    def column(self) -> int:
        return self.start + 1


def join(arguments: str | Iterable[str]) -> tuple[str, dict[int, int]]:
    """The one text of one argument or many; an empty argument was a variable that expanded to nothing.

    And where in it those begin and end that are one word with blanks around it:
    in a name they count, and the shell took the quotes.
    """
    parts = [arguments] if isinstance(arguments, str) else list(arguments)
    start = 0
    whole: dict[int, int] = {}
    for part in parts:
        if not isinstance(part, str):
            raise TypeError(f"a filter is text, not {type(part).__name__}")
        if not part.strip():
            raise FilterError("an empty string is no filter (a variable that is not set?)", start + 1)
        bare = part.strip()
        if len(parts) > 1 and part != bare and not _needs_quotes(bare):
            whole[start] = start + len(part)
        start += len(part) + 1
    if not parts:
        raise FilterError("no filter given", 1)
    return " ".join(parts), whole


def tokens(text: str, whole: dict[int, int] | None = None) -> list[Token]:
    """All tokens, with END last.  FilterError: a quote does not end, or ends in the middle of a word.

    whole: where an argument starts that is one word with blanks around it -> where it stops.
    """
    found: list[Token] = []
    at = 0
    while at < len(text):
        if whole and at in whole:
            given = text[at : whole[at]]
            found.append(Token(WORD, given.strip(), at, whole[at], given))
            at = whole[at]
            continue
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
        for symbol in _SYMBOLS:  # pragma: no branch - one of them begins with it
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


# ---- and back


def quoted(value: str) -> str:
    """The value as one word: bare where that is safe, else in quotes with escapes for what does not print."""
    if value and value not in RESERVED and value.isprintable() and not _needs_quotes(value):
        return value
    return '"' + "".join(_escaped(char) for char in value) + '"'


def _needs_quotes(value: str) -> bool:
    """A # begins a comment in a file of rules."""
    return value[0] in "!#" or not DELIMITERS.isdisjoint(value) or any(c in "\"'\\!" or c.isspace() for c in value)


def _escaped(char: str) -> str:
    if char in '"\\':
        return "\\" + char
    if char.isprintable():
        return char
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
