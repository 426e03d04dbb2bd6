# SPDX-License-Identifier: BSD-2-Clause
"""Values from outside to nodes, without the parser: no value can change a filter's structure.

A constructor takes one value or an iterable of them; none at all matches
nothing.  None is a TypeError, for it is a variable that was never set.  A
value that cannot be read is a FilterError without column.
"""

from __future__ import annotations

from ..errors import FilterError
from ..model.addresses import is_number
from ..model.rows import STATE_NAMES
from . import values
from .endpoints import nothing
from .lexer import COMPARISONS
from .nodes import either
from .vocabulary import COMPARED, KEYWORDS, LIST, PORTS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from .nodes import Node


def made(keyword: str, given: object) -> Node:
    """What the keyword (vocabulary.py) says of one value or many."""
    word = KEYWORDS[keyword]
    read = _state if keyword == "states" else word.read
    found = [_read(keyword, one, read, word.number) for one in _each(keyword, given)]
    if not found:
        return nothing()
    if word.takes == PORTS:
        return word.node("=", found)
    return word.node(found) if word.takes == LIST else either([word.node(one) for one in found])


def compared(keyword: str, given: object, comparison: str) -> Node:
    """A measure of one value: '10m' or seconds for times, '64k' or bytes for sizes, a count for retrans."""
    word = KEYWORDS.get(keyword)
    if word is None or word.takes != COMPARED:
        raise FilterError(f"'{keyword}' is no measure; there are {', '.join(w.name for w in KEYWORDS.values() if w.takes == COMPARED)}")
    if comparison not in COMPARISONS:
        raise FilterError(f"{keyword}: '{comparison}' is not a comparison")
    if not isinstance(given, (str, int)) or isinstance(given, bool):
        raise TypeError(f"{keyword} cannot be {_kind(given)}")
    return word.node(COMPARISONS[comparison], _read(keyword, given, word.read, word.number))


def _read(keyword: str, one: object, read: Callable[[str], Any], number: str | None) -> Any:
    if isinstance(one, int) and number is not None and not isinstance(one, bool):
        text = f"{int(one)}{number}"
    elif isinstance(one, str):
        text = one
    elif hasattr(one, "max_prefixlen"):  # of the ipaddress module
        text = str(one)
    else:
        raise TypeError(f"{keyword} cannot be {_kind(one)}")
    try:
        return read(text)
    except ValueError as error:
        raise FilterError(f"{keyword}: {error}") from None


def _each(keyword: str, given: object) -> Iterable[object]:
    if hasattr(given, "keys"):  # which of its parts is meant?  In YAML it is a slip, like {{ x }} without quotes
        raise TypeError(f"{keyword} cannot be {_kind(given)}")
    # A network of the ipaddress module is iterable, over its addresses: it is one value here.
    if given is None or isinstance(given, (str, int, bytes, bytearray)) or hasattr(given, "max_prefixlen"):
        return (given,)
    try:
        return iter(given)  # type: ignore[call-overload,no-any-return]
    except TypeError:
        raise TypeError(f"{keyword} cannot be {_kind(given)}") from None


def _kind(value: object) -> str:
    return "None" if value is None else f"of type {type(value).__name__}"


def _state(text: str) -> int:
    """A state by its number as well, as State has it."""
    if is_number(text) and len(text) <= 2 and 0 < int(text) < len(STATE_NAMES):
        return 1 << int(text)
    return values.state_mask(text)
