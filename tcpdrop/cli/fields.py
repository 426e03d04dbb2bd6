# SPDX-License-Identifier: BSD-2-Clause
"""Columns that `list -o` and `--summary-by` know: the keys of the JSON schema, and a few pairs."""

from __future__ import annotations

from functools import cache

from ..model.addresses import harmless, printable
from ..model.connection import JSON_KEYS, Connection
from .width import width

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from .colours import Paint

#: what the kernel or /proc must be asked for beside the row
DETAILS = frozenset(("idle_ms", "age_ms", "rtt_us", "retrans", "bytes_sent", "bytes_received", "cc"))
OWNERS = frozenset(("pids", "pids_kind", "process"))
FIELDS = (*JSON_KEYS, "local", "remote", "user")
#: what is shown without -o, and with -p
USUAL = ("state", "recvq", "sendq", "local", "remote")
WITH_HOLDERS = ("state", "local", "remote", "pids", "process")
WITH_NAMES = ("state", "local", "remote")
#: what a column takes on a terminal: IPv4 with holders fits 80 columns.  What is longer, as IPv6, moves the rest of its own
#: row alone, and is never cut: who copies an end back means that one
_ON_A_TERMINAL = {"local": 21, "remote": 21, "local_addr": 15, "remote_addr": 15, "pids": 7}
SUMMARIES = ("remote_addr", "local_port", "state", "process", "user")


def chosen(names: list[str], *, holders: bool = False, resolved: bool = False) -> list[str]:
    """The columns of -o, where +NAME adds one to the usual ones, of -p and -r.  Raises ValueError for a name that there is none of."""
    plain = [name.lstrip("+") for name in names]
    for name in plain:
        if name not in FIELDS:
            raise ValueError(f"-o: '{printable(name)}' is no field; there are {', '.join(FIELDS)}")
    usual = WITH_HOLDERS if holders else WITH_NAMES if resolved else USUAL
    if (holders or resolved) and not names:
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
    return harmless(str(value))


@cache
def _user(uid: int | None) -> str:
    """Asked once of each: a directory service takes its time, and there may be many connections."""
    if uid is None:
        return "-"
    from pwd import getpwuid

    try:
        return harmless(getpwuid(uid).pw_name)
    except KeyError:
        return str(uid)


def columns(
    connections: Iterable[Connection],
    names: list[str],
    *,
    room: int | None = None,
    paint: Paint | None = None,
    hosts: dict[str, str] | None = None,
) -> list[str]:
    """A header and one line a connection.

    room: the columns of the terminal that shows them: its cells are counted,
    where scripts and --from count characters.  hosts: a last column with the
    name of each remote address.
    """
    measure = len if room is None else width
    titles = [*(name.upper() for name in names), *([] if hosts is None else ["NAME"])]
    rows = [titles]
    for connection in connections:
        more = [] if hosts is None else [hosts.get(connection.remote.addr, "-")]
        rows.append([*(text(connection, name) for name in names), *more])
    sizes = []
    for name, column in zip([*names, ""], zip(*rows)):
        most = _ON_A_TERMINAL.get(name) if room is not None else None
        sizes.append(max(size for size in map(measure, column) if most is None or size <= max(most, len(name))))
    gap = " " if room is not None and sum(sizes) + 2 * (len(sizes) - 1) > room else "  "
    pads = [[" " * (size - measure(cell)) for cell, size in zip(row, sizes)] for row in rows]
    if paint is not None and "state" in names:
        place = names.index("state")
        for row in rows[1:]:
            row[place] = paint(row[place], row[place])
    return [gap.join(cell + pad for cell, pad in zip(row, padding)).rstrip() for row, padding in zip(rows, pads)]


def summary(connections: Iterable[Connection], name: str, hosts: dict[str, str] | None = None) -> list[str]:
    """How many connections have each value of a field, most first, with shares."""
    counts: dict[str, int] = {}
    for connection in connections:
        value = text(connection, name)
        counts[value] = counts.get(value, 0) + 1
    total = sum(counts.values())
    size = max([len(name), *map(len, counts)])
    lines = [f"{'COUNT':>8} {'SHARE':>6}  {name.upper():<{size}}{'' if hosts is None else '  NAME'}".rstrip()]
    for value, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        named = "" if hosts is None else f"{'':<{size - len(value)}}  {hosts.get(value, '-')}"
        lines.append(f"{count:>8} {100 * count / total:>5.1f}%  {value}{named}")
    return lines
