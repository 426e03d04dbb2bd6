# SPDX-License-Identifier: BSD-2-Clause
"""Tokens to nodes: and, or, not, parentheses.  What a predicate's own values mean stands in predicates.py.

filter := and-list | or-list     neighbouring terms are and-ed
term   := ["not"] ( "(" filter ")" | predicate )
"""

from __future__ import annotations

from ..errors import FilterError
from ..system import platform
from .lexer import END, SYMBOL, WORD, join, tokens
from .nodes import MAX_DEPTH, Not, both, either, negate
from .predicates import PREDICATES, STARTS
from .reader import Reader
from .support import refusal
from .words import CONNECTIVES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from .nodes import Node

_EXPECTED = "a predicate (state, local, remote, lport, rport, ...), not or ("


def parse(arguments: str | Iterable[str], backend: str | None = None) -> Node:
    """The expression of a filter's text, in one argument or many.

    backend: whose predicates there are; None is this system.  FilterError has the column, from 1, in the arguments joined by a space.
    """
    text = join(arguments)
    reader = Reader(text, tokens(text), platform.NAME if backend is None else backend)
    node = _filter(reader, 0)
    if reader.token.kind != END:
        raise reader.error(f"'{reader.shown()}' closes nothing" if reader.token.text == ")" else f"expected {_EXPECTED}")
    return node


def _filter(reader: Reader, depth: int) -> Node:
    """An and-list or an or-list, up to its ')' or the end."""
    terms: list[Node] = []
    spans: list[tuple[int, int]] = []
    operators: list[str] = []
    mixed_at = 0
    while True:
        start = reader.token.start
        terms.append(_term(reader, depth))
        spans.append((start, reader.last_stop))
        column, operator = reader.token.column, _connective(reader)
        if not operator:
            break
        if operators and operator != operators[0] and not mixed_at:
            mixed_at = column
        operators.append(operator)
    if mixed_at:
        raise _mixed([reader.text[start:stop] for start, stop in spans], operators, mixed_at)
    return either(terms) if "or" in operators else both(terms)


def _connective(reader: Reader) -> str:
    """'and', 'or', or '' at the end of the list; nothing between two terms is 'and'."""
    token = reader.token
    if token.kind == END or (token.text == ")" and token.kind == SYMBOL):
        return ""
    if token.kind in (WORD, SYMBOL) and token.text in CONNECTIVES:
        reader.advance()
        if reader.token.kind == END or reader.is_symbol(")"):
            raise reader.error(f"expected {_EXPECTED} after '{token.text}'")
        return CONNECTIVES[token.text]
    if token.kind == SYMBOL and token.text not in ("(", "!"):
        raise reader.error(f"unexpected '{token.text}'; expected and, or, ) or another predicate")
    return "and"


def _term(reader: Reader, depth: int) -> Node:
    token = reader.token
    if reader.is_symbol("!") or (token.kind == WORD and token.text == "not"):
        reader.advance()
        if reader.is_symbol("!") or (reader.token.kind == WORD and reader.token.text == "not"):
            raise reader.error("one not is enough; expected a predicate or (")
        reader.positive = not reader.positive
        node = negate(_factor(reader, depth))
        reader.positive = not reader.positive
        return node
    return _factor(reader, depth)


def _factor(reader: Reader, depth: int) -> Node:
    token = reader.token
    if reader.is_symbol("("):
        if depth >= MAX_DEPTH:
            raise reader.error(f"nested deeper than {MAX_DEPTH} parentheses")
        reader.advance()
        node = _filter(reader, depth + 1)
        if not reader.is_symbol(")"):
            raise FilterError(f"expected ) for the ( at column {token.column}", reader.token.column)
        reader.advance()
        return node
    if token.kind == END:
        raise reader.error(f"expected {_EXPECTED}, but the filter ends here")
    if token.kind != WORD or token.text not in PREDICATES:
        raise reader.error(_unknown(reader))
    reader.advance()
    node = PREDICATES[token.text](reader, token.text)
    # exclude makes a Not; what it negates is answered everywhere.
    reason = "" if isinstance(node, Not) else refusal(node, reader.positive, reader.backend)
    if reason:
        raise FilterError(reason, token.column)
    return node


def _unknown(reader: Reader) -> str:
    token, shown = reader.token, reader.shown()
    if token.kind == SYMBOL:
        return f"unexpected '{shown}'; expected {_EXPECTED}"
    lower = token.text.lower()
    if token.text in CONNECTIVES:
        return f"'{shown}' stands between two terms; expected {_EXPECTED}"
    if token.kind == WORD and lower != token.text and (lower in PREDICATES or lower in CONNECTIVES or lower == "not"):
        return f"'{shown}': write it in small letters, {lower}"
    for looks_like, advice in STARTS:
        if looks_like(token.text):
            return f"'{shown}' alone says nothing; expected a predicate: {advice.format(shown)}"
    return f"'{shown}' is not a word of the filter language; expected {_EXPECTED}"


def _mixed(parts: list[str], operators: list[str], column: int) -> FilterError:
    first = _reading(parts, operators, "and", "or")
    second = _reading(parts, operators, "or", "and")
    return FilterError(f"and and or are mixed: write {first}, or {second}", column)


def _reading(parts: list[str], operators: list[str], tight: str, loose: str) -> str:
    """The text with parentheses where `tight` binds more tightly."""
    runs: list[list[str]] = [[parts[0]]]
    for operator, part in zip(operators, parts[1:]):
        if operator == tight:
            runs[-1].append(part)
        else:
            runs.append([part])
    return f" {loose} ".join(f"({f' {tight} '.join(run)})" if len(run) > 1 else run[0] for run in runs)
