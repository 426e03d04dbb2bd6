# SPDX-License-Identifier: BSD-2-Clause
"""--remote-addr @FILE and -: addresses one a line, as literal as those on the command line."""

from __future__ import annotations

from ..errors import FilterError
from ..filters import Filter
from ..filters.endpoints import nothing
from ..filters.values import address
from ..filters.vocabulary import KEYWORDS
from ..model.addresses import printable
from .files import text_of
from .options import OPTIONS, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..filters.endpoints import Located

#: bytes of one file: a million addresses
LARGEST = 16 << 20


def is_file(value: str) -> bool:
    return value == "-" or value.startswith("@")


def filters(given: dict[str, list[str]]) -> list[Filter]:
    """Of address options, by their names in Parsed: a filter for each, of its values and the lines of its files."""
    readers = [_name(dest) for dest, values in given.items() for value in values if value == "-"]
    if len(readers) > 1:
        raise UsageError(f"standard input can be read once, and {' and '.join(readers)} would both take it")
    return [_filter(dest, values) for dest, values in given.items()]


def _filter(dest: str, values: list[str]) -> Filter:
    found: list[Located] = []
    for value in values:
        if is_file(value):
            found += _located(_name(dest), value)
        else:
            try:
                found.append(address(value))
            except ValueError as error:
                raise FilterError(f"{dest}: {error}") from None
    return Filter.of(KEYWORDS[dest].node(found) if found else nothing())


def _name(dest: str) -> str:
    return OPTIONS[dest][1][0]


def _located(option: str, value: str) -> list[Located]:
    """The addresses of a file.  Nothing of it is shown: it may be one that was not meant."""
    name = f"{option} {printable(value)}"
    text = text_of(value if value == "-" else value[1:], name, LARGEST)
    found = []
    for number, line in enumerate(text.split("\n"), 1):
        word = line.partition("#")[0].strip(" \t\r\ufeff,")
        if not word:
            continue
        try:
            found.append(address(word))
        except ValueError:
            raise FilterError(f"{name}: line {number} is no address, prefix or ADDRESS:PORT") from None
    return found
