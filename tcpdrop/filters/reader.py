# SPDX-License-Identifier: BSD-2-Clause
"""Where the parser stands in the tokens, and what every predicate reads: values, lists, comparisons."""

from __future__ import annotations

from ..errors import FilterError
from ..model.addresses import printable
from .lexer import END, SYMBOL, WORD
from .words import COMPARISON_WORDS, COMPARISONS, RESERVED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from .lexer import Token

    T = TypeVar("T")


class Reader:
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
        if (token.kind == SYMBOL or token.text in COMPARISON_WORDS) and token.kind != END and token.text in COMPARISONS:
            return COMPARISONS[self.advance().text]
        return ""

    def no_comparison(self, word: str) -> None:
        column = self.token.column
        operator = self.comparison()
        if operator:
            hint = f"write: not {word} ..." if operator == "!=" else f"write the value right behind {word}"
            raise FilterError(f"{word} takes no operator; {hint}", column)

    def value(self, word: str, expected: str, read: Callable[[str], T]) -> T:
        """One value behind `word`, through `read`, whose ValueError gets the column."""
        token = self.token
        if token.kind == END:
            raise self.error(f"expected {expected} after {word}, but the filter ends here")
        if token.kind == SYMBOL:
            raise self.error(f"expected {expected} after {word}, not '{token.text}'")
        if token.kind == WORD and token.text in RESERVED:
            raise self.error(f'expected {expected} after {word}; if {token.text} is meant as a value, write "{token.text}"')
        try:
            value = read(token.text)
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
