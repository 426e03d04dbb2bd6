# SPDX-License-Identifier: BSD-2-Clause
"""Words of the language, and values as text that reads back as one word."""

from __future__ import annotations

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

#: End a bare word wherever they stand.
DELIMITERS = frozenset(" \t\r\n\v\f()=<>&|,")


def quoted(value: str) -> str:
    """The value as one word: bare where that is safe, else in quotes with escapes for what does not print."""
    if value and value not in RESERVED and value.isprintable() and not _needs_quotes(value):
        return value
    return '"' + "".join(_escaped(char) for char in value) + '"'


def _needs_quotes(value: str) -> bool:
    return value[0] == "!" or not DELIMITERS.isdisjoint(value) or any(c in "\"'\\!" or c.isspace() for c in value)


def _escaped(char: str) -> str:
    if char in '"\\':
        return "\\" + char
    if char.isprintable():
        return char
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
