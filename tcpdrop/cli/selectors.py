# SPDX-License-Identifier: BSD-2-Clause
"""The selection that a command line names: literal selectors, options and the filter, and-ed."""

from __future__ import annotations

from ..errors import FilterError
from ..filters import Filter, all_of, from_selectors
from ..model.addresses import is_number, printable
from ..model.order import ORDERS
from . import address_file
from .options import SELECTORS, Parsed, UsageError

#: more than there are connections anywhere; int() of thousands is an error of its own
_DIGITS = 19


def filter_of(parsed: Parsed, operands: list[str]) -> Filter | None:
    """None when nothing was selected at all.  Raises FilterError, UsageError."""
    if not operands and not parsed.family and not parsed.flag("mine") and not SELECTORS & parsed.given.keys():
        return None
    filters = []
    files = _address_files(parsed)
    if files:
        filters += address_file.filters(files)
    literal = {name: parsed.given[name] for name in SELECTORS if name in parsed.given and name not in ("idle", "age", *files)}
    chosen = from_selectors(**literal)
    if chosen is not None:
        filters.append(chosen)
    for name in ("idle", "age"):
        text = parsed.text(name)
        if text is not None:
            filters.append(getattr(Filter, name)(text))
    if operands:
        filters.append(Filter(operands))
    if parsed.family:
        filters.append(Filter.family("inet" if parsed.family == 4 else "inet6"))
    if parsed.flag("mine"):
        filters.append(Filter.mine())
    return all_of(filters) if filters else None


def _address_files(parsed: Parsed) -> dict[str, list[str]]:
    """The address options of which a value names a file: @FILE, or - for standard input."""
    given = {dest: parsed.texts(dest) or [] for dest in ("local_addr", "remote_addr")}
    return {dest: values for dest, values in given.items() if any(one == "-" or one.startswith("@") for one in values)}


def protecting(parsed: Parsed) -> list[Filter]:
    """The filters of --protect.  Raises FilterError."""
    found = []
    for text in parsed.texts("protect") or []:
        try:
            found.append(Filter(text))
        except FilterError as error:
            raise FilterError(f"--protect: {error}", error.column) from None
    return found


def check_zone(parsed: Parsed) -> None:
    """Raise NotSupported for a zone whose connections do not show, ValueError for what is none."""
    zone = parsed.text("zone")
    if zone is not None:
        from ..system.sunos_zones import check_visible  # few systems have zones

        check_visible(zone)


def selects(parsed: Parsed) -> bool:
    """Is there a filter or a selector, and not just what narrows one (-4, -6, --mine)?"""
    return bool(parsed.operands) or not SELECTORS.isdisjoint(parsed.given)


def number(parsed: Parsed, dest: str, name: str) -> int | None:
    """A whole number of 0 or more given to an option."""
    text = parsed.text(dest)
    if text is None:
        return None
    if not is_number(text) or len(text) > _DIGITS:
        raise UsageError(f"{name} takes a whole number, not '{printable(text)}'")
    return int(text)


def arrangement(parsed: Parsed) -> tuple[str | None, int | None]:
    """--order and --limit."""
    order = parsed.text("order")
    if order is not None and order not in ORDERS:
        raise UsageError(f"--order is one of {', '.join(ORDERS)}")
    limit = number(parsed, "limit", "--limit")
    if limit == 0:
        raise UsageError("--limit is 1 or more: 0 would select nothing")
    return order, limit


def seconds(parsed: Parsed, dest: str, name: str) -> float | None:
    """A duration like 500ms, 30s, 10m given to an option."""
    text = parsed.text(dest)
    if text is None:
        return None
    from ..filters.units import parse_duration  # few command lines name a time

    try:
        return parse_duration(text) / 1000
    except ValueError as error:
        raise UsageError(f"{name}: {error}") from None
