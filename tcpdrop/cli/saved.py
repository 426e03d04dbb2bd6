# SPDX-License-Identifier: BSD-2-Clause
"""Connections read back from a file: our JSON lines, or classic lines.

A JSON line carries the cookie, so it names that very socket; a classic line
names whichever connection has the tuple now, and is looked up as the classic
form does: also on each interface, and two hits are refused.  One line that
cannot be read stops everything.
"""

from __future__ import annotations

import json
import sys

from ..engine import single
from ..errors import FilterError, NotFound
from ..model.addresses import pack, printable
from ..model.connection import Connection
from ..model.four_tuple import FourTuple
from ..model.rows import ROW, ROW_FIELDS
from ..model.table import Batch, Connections, batch_of
from ..system import netns
from ..system.netns import Namespace
from .as_json import SCHEMA

#: what our own output puts behind a tuple
_ENDINGS = (": would drop", ": dropped")


def read(source: str, where: str | None) -> Connections:
    """The connections of a file, "-" being standard input.  Raises FilterError naming the line."""
    try:
        if source == "-":
            raw = sys.stdin.buffer.readlines() if sys.stdin is not None else []
            lines = [line.decode("utf-8", "surrogateescape") for line in raw]
        else:
            with open(source, encoding="utf-8", errors="surrogateescape") as file:
                lines = file.readlines()
    except OSError as error:
        raise FilterError(f"--from {printable(source)}: {error.strerror}") from None
    groups: dict[str | None, list[Connection | FourTuple]] = {}
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        try:
            found, place = _json_line(text) if text.startswith("{") else _classic_line(text)
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise FilterError(f"--from: line {number} cannot be read: {_reason(error)}") from None
        if found is not None:
            groups.setdefault(place or where, []).append(found)
    return Connections([_batch(some, Namespace(place)) for place, some in groups.items()])


def _batch(some: list[Connection | FourTuple], namespace: Namespace) -> Batch:
    """The sockets that the tuples name now; one that is not there stays what was asked for."""
    scope = namespace.scope
    return batch_of([_socket_of(one, scope) if isinstance(one, FourTuple) else one for one in some], namespace)


def _socket_of(quad: FourTuple, scope: int | None) -> Connection:
    try:
        return single.find(quad, scope)
    except NotFound:
        return _connection(quad, 0, 0)


def _reason(error: Exception) -> str:
    return f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else printable(str(error))


def _json_line(text: str) -> tuple[Connection | None, str | None]:
    entry = json.loads(text)
    if entry.get("schema") != SCHEMA:
        raise ValueError(f"schema {entry.get('schema')!r} is not {SCHEMA}")
    if entry.get("type") != "connection":
        return None, None  # a summary
    quad = FourTuple(_address(entry["local_addr"]), _port(entry["local_port"]), _address(entry["remote_addr"]), _port(entry["remote_port"]))
    cookie = entry["cookie"]
    if not isinstance(cookie, str) or not 0 < int(cookie, 16) < (1 << 64) - 1:
        raise ValueError("the cookie, which says which socket was meant, is missing or wrong")
    return _connection(quad, int(cookie, 16), _ifindex(entry.get("ifindex"))), _where(entry.get("netns"))


def _where(named: object) -> str | None:
    if named is None:
        return None
    if not isinstance(named, str):
        raise ValueError(f"{named!r} is no network namespace")
    return None if named == netns.identity() else named


def _ifindex(value: object) -> int:
    if value is None:
        return 0
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 31:
        raise ValueError(f"{value!r} is not the number of an interface")
    return value


def _address(value: object) -> bytes:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not an address")
    return pack(value)


def _port(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"{value!r} is not a port")
    return value


def _classic_line(text: str) -> tuple[FourTuple, str | None]:
    text = text.partition("#")[0].strip()
    for ending in _ENDINGS:
        if text.endswith(ending):
            text = text[: -len(ending)]
    words = text.split()
    if words[:1] == ["tcpdrop"]:
        del words[0]
    where = None
    if words and words[0].startswith("--netns="):  # as -l prints it
        where = words.pop(0)[len("--netns=") :]
    if len(words) != 4:
        raise ValueError(f"'{printable(text)}' is not LADDR LPORT RADDR RPORT")
    from .operands import parse

    local, remote = parse(words)
    return FourTuple(local.packed(), local.port_number(), remote.packed(), remote.port_number(), local.dev or remote.dev), where


def _connection(quad: FourTuple, cookie: int, ifindex: int) -> Connection:
    family = 4 if len(quad.laddr) == 4 else 6
    values = dict.fromkeys(ROW_FIELDS, 0)
    row = {**values, "laddr": quad.laddr, "raddr": quad.raddr, "lport": quad.lport, "rport": quad.rport}
    row.update(cookie=cookie, family=family, state=1, ifindex=ifindex)
    return Connection(ROW.unpack(ROW.pack(*(row[name] for name in ROW_FIELDS))))
