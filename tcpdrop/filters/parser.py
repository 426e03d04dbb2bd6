# SPDX-License-Identifier: BSD-2-Clause
"""Tokens to nodes: and, or, not, parentheses.  Which predicates there are, and what they take, is in vocabulary.py.

filter := and-list | or-list     neighbouring terms are and-ed
term   := ["not"] ( "(" filter ")" | predicate )
"""

from __future__ import annotations

from ..errors import FilterError
from ..model.addresses import LONGEST, harmless, is_number, looks_numeric, printable
from ..model.nearest import nearest
from ..model.rows import state_number
from ..system import platform
from .lexer import BLANKS, COMPARISON_WORDS, COMPARISONS, CONNECTIVES, END, RESERVED, SYMBOL, WORD, join, quoted, tokens
from .nodes import MAX_DEPTH, both, either, negate
from .vocabulary import COMPARED, MAY_HAVE_BLANKS, NOTHING, ONE, PORTS, WORDS, refusal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import TypeVar

    from .lexer import Token
    from .nodes import Node

    T = TypeVar("T")

#: characters of what a whole filter may mean
_READING = 5 * LONGEST
_EXPECTED = "a predicate (state, local, remote, lport, rport, ...), not or ("


def parse(arguments: str | Iterable[str], backend: str | None = None) -> Node:
    """The expression of a filter's text, in one argument or many.

    backend: whose predicates there are; None is this system.  FilterError has the column, from 1, in the arguments joined by a space.
    """
    text, whole = join(arguments)
    reader = Reader(text, tokens(text, whole), platform.NAME if backend is None else backend)
    node = _filter(reader, 0)
    if reader.token.kind != END:
        raise reader.error(f"'{reader.shown()}' closes nothing" if reader.token.text == ")" else f"expected {_EXPECTED}")
    return node


class Reader:
    """Where the parser stands in the tokens, and what every predicate reads: values, lists, comparisons."""

    def __init__(self, text: str, found: list[Token], backend: str) -> None:
        self.text = text
        self.backend = backend
        #: False under an odd number of nots
        self.positive = True
        self._tokens = found
        self._at = 0
        #: where the last token that was read ends
        self.last_stop = 0

    @property
    def token(self) -> Token:
        return self._tokens[self._at]

    def advance(self) -> Token:
        token = self.token
        self.last_stop = token.stop
        self._at += 1
        return token

    def is_symbol(self, text: str) -> bool:
        return self.token.kind == SYMBOL and self.token.text == text

    def shown(self) -> str:
        return printable(self.token.text)

    def error(self, message: str) -> FilterError:
        return FilterError(message, self.token.column)

    # ---- pieces of predicates

    def comparison(self) -> str:
        """The operator here, as =, !=, <, <=, > or >=; '' if there is none."""
        token = self.token
        is_word = token.kind == WORD and token.text in COMPARISON_WORDS  # and not in quotes
        if (token.kind == SYMBOL or is_word) and token.text in COMPARISONS:
            return COMPARISONS[self.advance().text]
        return ""

    def no_comparison(self, word: str) -> None:
        column = self.token.column
        operator = self.comparison()
        if operator:
            hint = f"write: not {word} ..." if operator == "!=" else f"write the value right behind {word}"
            raise FilterError(f"{word} takes no operator; {hint}", column)

    def value(self, word: str, expected: str, read: Callable[[str], T]) -> T:
        """One value after `word`, through `read`, whose ValueError gets the column."""
        token = self.token
        if token.kind == END:
            raise self.error(f"expected {expected} after {word}, but the filter ends here")
        if token.kind == SYMBOL:
            raise self.error(f"expected {expected} after {word}, not '{token.text}'")
        if token.kind == WORD and token.text in RESERVED:
            raise self.error(f'expected {expected} after {word}; if {token.text} is meant as a value, write "{token.text}"')
        if token.given != token.text and word in MAY_HAVE_BLANKS:
            either = f"write {word} {token.text}, or {word} {quoted(token.given)} if the name has it"
            raise self.error(f"a blank stands beside '{printable(token.text)}': {printable(either)}")
        try:
            value = read(token.text if word in MAY_HAVE_BLANKS else token.text.strip(BLANKS))
        except ValueError as error:
            raise self.error(f"{error}" if token.text else f"expected {expected} after {word}, not an empty string") from None
        self.advance()
        return value

    def values(self, word: str, expected: str, read: Callable[[str], T]) -> list[T]:
        """Values with commas between."""
        found = [self.value(word, expected, read)]
        while self.is_symbol(","):
            self.advance()
            found.append(self.value(word, f"another value ({expected})", read))
        return found


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
        raise _mixed([harmless(reader.text[start:stop]) for start, stop in spans], operators, mixed_at)
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
    if token.kind != WORD or token.text not in WORDS:
        raise reader.error(_unknown(reader))
    reader.advance()
    node = _predicate(reader, token.text)
    reason = refusal(node, reader.backend, reader.positive)
    if reason:
        raise FilterError(reason, token.column)
    return node


def _predicate(reader: Reader, name: str) -> Node:
    """What stands after the word, as the node that its row of the vocabulary makes."""
    word = WORDS[name]
    if word.takes == COMPARED:
        comparison = reader.comparison()
        if not comparison:
            raise reader.error(f"expected an operator after {name}: gt, ge, lt, le, eq, ne")
        return word.node(comparison, reader.value(name, word.expected, word.read))
    if word.takes == PORTS:
        comparison, column = reader.comparison() or "=", reader.token.column
        ranges = reader.values(name, word.expected, word.read)
        try:
            return word.node(comparison, ranges)
        except ValueError as error:
            raise FilterError(f"{name} {error}", column) from None
    reader.no_comparison(name)
    if word.takes == NOTHING:
        return word.node()
    if word.takes == ONE:
        return word.node(reader.value(name, word.expected, word.read))
    return word.node(reader.values(name, word.expected, word.read))


#: what people ask for who know tools for other protocols
_NOT_TCP = ("udp", "udp4", "udp6", "icmp", "sctp", "dccp", "unix", "raw", "proto", "protocol")
#: A value without its predicate -> what was probably meant.
_MEANT: tuple[tuple[Callable[[str], bool], str], ...] = (
    (is_number, "lport {0} or rport {0}"),
    (lambda text: looks_numeric(text) and any(char in text for char in ".:"), "remote {0} or local {0}"),
    (lambda text: bool(state_number(text)) or text in ("all", "connected", "synchronized"), "state {0}"),
)


def _unknown(reader: Reader) -> str:
    token, shown = reader.token, reader.shown()
    if token.kind == SYMBOL:
        return f"unexpected '{shown}'; expected {_EXPECTED}"
    lower = token.text.lower()
    if token.text in CONNECTIVES:
        return f"'{shown}' stands between two terms; expected {_EXPECTED}"
    if token.kind == WORD and lower != token.text and (lower in WORDS or lower in CONNECTIVES or lower == "not"):
        return f"'{shown}': write it in small letters, {lower}"
    if lower in _NOT_TCP:
        return f"'{shown}': TCP connections are all there is here, and no other protocol has any; leave it out"
    for looks_like, advice in _MEANT:
        if looks_like(token.text):
            return f"'{shown}' alone says nothing; expected a predicate: {advice.format(shown)}"
    near = nearest(token.text, WORDS)
    return f"'{shown}' is not a word of the filter language; {f'did you mean {near}? ' if near else ''}expected {_EXPECTED}"


def _mixed(parts: list[str], operators: list[str], column: int) -> FilterError:
    first = _reading(parts, operators, "and", "or")
    second = _reading(parts, operators, "or", "and")
    return FilterError(f"and and or are mixed: write {printable(first, _READING)}, or {printable(second, _READING)}", column)


def _reading(parts: list[str], operators: list[str], tight: str, loose: str) -> str:
    """The text with parentheses where `tight` binds more tightly."""
    runs: list[list[str]] = [[parts[0]]]
    for operator, part in zip(operators, parts[1:]):
        if operator == tight:
            runs[-1].append(part)
        else:
            runs.append([part])
    return f" {loose} ".join(f"({f' {tight} '.join(run)})" if len(run) > 1 else run[0] for run in runs)
