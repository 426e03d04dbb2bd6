# SPDX-License-Identifier: BSD-2-Clause
"""Columns that `list -o` and `--summary-by` know: the keys of the JSON schema, and a few pairs."""

from __future__ import annotations

from ..model.addresses import printable
from ..model.connection import JSON_KEYS, Connection

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

#: what the kernel or /proc must be asked for beside the row
DETAILS = frozenset(("idle_ms", "age_ms", "rtt_us", "retrans", "bytes_sent", "bytes_received", "cc"))
OWNERS = frozenset(("pids", "pids_kind", "process"))
FIELDS = (*JSON_KEYS, "local", "remote", "user")
#: what is shown without -o, and with -p
USUAL = ("state", "recvq", "sendq", "local", "remote")
WITH_HOLDERS = ("state", "local", "remote", "pids", "process")
SUMMARIES = ("remote_addr", "local_port", "state", "process", "user")


def chosen(names: list[str], *, holders: bool = False) -> list[str]:
    """The columns of -o, where +NAME adds one to the usual ones, and of -p.  Raises ValueError for a name that there is none of."""
    plain = [name.lstrip("+") for name in names]
    for name in plain:
        if name not in FIELDS:
            raise ValueError(f"-o: '{printable(name)}' is no field; there are {', '.join(FIELDS)}")
    usual = WITH_HOLDERS if holders else USUAL
    if holders and not names:
        return [*usual]
    added = [*usual] if any(name.startswith("+") for name in names) else []
    behind = ["pids", "process"] if holders else []
    return list(dict.fromkeys([*added, *plain, *behind])) if added or behind else plain


def needs_details(names: list[str]) -> bool:
    return bool(DETAILS.intersection(names))


def needs_owners(names: list[str]) -> bool:
    return bool(OWNERS.intersection(names))


def text(connection: Connection, name: str) -> str:
    """One field for people: unknown is '-', and nothing in it can hurt a terminal."""
    if name == "user":
        return _user(connection.uid)
    if name in ("local_addr", "local_port", "remote_addr", "remote_port"):
        value: object = connection.as_dict()[name]
    elif name == "state":
        value = connection.state_name
    else:
        value = getattr(connection, name)
    if value is None:
        return "-"
    if isinstance(value, tuple) and name == "pids":
        return ",".join(map(str, value)) or "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return printable(str(value))


def _user(uid: int | None) -> str:
    if uid is None:
        return "-"
    from pwd import getpwuid

    try:
        return printable(getpwuid(uid).pw_name)
    except KeyError:
        return str(uid)


def columns(connections: object, names: list[str], measure: Callable[[str], int] = len) -> list[str]:
    """A header and one line a connection, columns as wide as they must be: by characters, or by what a terminal gives them."""
    rows = [[name.upper() for name in names]]
    rows += [[text(connection, name) for name in names] for connection in connections]  # type: ignore[attr-defined]
    widths = [max(map(measure, column)) for column in zip(*rows)]
    return ["  ".join(cell + " " * (width - measure(cell)) for cell, width in zip(row, widths)).rstrip() for row in rows]


def summary(connections: object, name: str) -> list[str]:
    """How many connections have each value of a field, most first, with shares."""
    counts: dict[str, int] = {}
    for connection in connections:  # type: ignore[attr-defined]
        value = text(connection, name)
        counts[value] = counts.get(value, 0) + 1
    total = sum(counts.values())
    width = max([len(name), *map(len, counts)])
    lines = [f"{'COUNT':>8} {'SHARE':>6}  {name.upper():<{width}}".rstrip()]
    for value, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        lines.append(f"{count:>8} {100 * count / total:>5.1f}%  {value}")
    return lines
