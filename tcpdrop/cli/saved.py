# SPDX-License-Identifier: BSD-2-Clause
"""Connections read back from a file: our JSON in every form, and lines of text (model/spellings.py).

JSON carries the cookie, so it names that very socket; a line of text names
whichever connection has the tuple now: two hits are refused.  Each is looked up
as the classic form does, also on each interface, and nothing else that a line
says of it is believed.  One line that cannot be read stops everything, and is
shown of standard input alone: who may run this by sudo with a file of his choice
would read any file by it.
"""

from __future__ import annotations

import json
import re

from ..engine.single import the_one
from ..errors import Error, FilterError, NotFound
from ..model.addresses import pack, printable
from ..model.connection import Connection
from ..model.four_tuple import FourTuple
from ..model.rows import CLOSED, COOKIE, ROW, ROW_FIELDS
from ..model.spellings import Lines
from ..model.table import Batch, Connections, batch_of
from ..system import netns
from ..system.lookups import Lookups
from ..system.netns import Namespace
from ..system.services import port_of
from .files import text_of
from .streams import SCHEMA

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..model.rows import Row
    from ..model.spellings import Ends, Named

#: bytes of a list: more than three hundred thousand lines of JSON, or six million of text
LARGEST = 256 << 20
#: characters that are shown of what is wrong with a line
_LONGEST = 300
#: what --color=always writes between the words
_COLOURS = re.compile("\x1b\\[[0-9;]*m")
#: the state of what could not be looked up
_UNSEEN = 0
_DECODER = json.JSONDecoder()
#: no socket has it: what is saved under it cannot be found
_NO_COOKIE = (1 << 64) - 1


class Sought:
    """A connection that a line names by its ends: one of `quads`, that which is here; with a cookie that very socket."""

    __slots__ = ("cookie", "line", "quads")

    def __init__(self, line: int, quads: list[FourTuple], cookie: int) -> None:
        self.line = line
        self.quads = quads
        self.cookie = cookie


def read(source: str, where: str | None) -> Connections:
    """The connections of a file, "-" being standard input.

    Raises FilterError naming the line; Error where the file says that who wrote it had failed.
    """
    groups: dict[str | None, list[Sought]] = {}
    own, shown = netns.identity(), source == "-"
    for found, named in _items(_text(source), shown):
        place = where if named is None else None if named == own else named
        groups.setdefault(place, []).append(found)
    meant: dict[object, tuple[Namespace, list[Sought]]] = {}
    for place, some in groups.items():
        space = netns.called(place)
        meant.setdefault(space.label, (space, []))[1].extend(some)
    if list(meant) == [own]:  # of our own alone nothing is said
        meant[own][0].label = None
    return Connections([_batch(some, space, shown) for space, some in meant.values()])


def _text(source: str) -> str:
    # Where files with a mark of their order are put together, each line may begin with one.
    text = text_of(source, f"--from {printable(source)}", LARGEST).replace("\n\ufeff", "\n")
    return _COLOURS.sub("", text) if "\x1b" in text else text


def _items(text: str, shown: bool = True) -> Iterator[tuple[Sought, str | None]]:
    """Each connection that is named, and its network namespace if that is named.

    shown: may an error say what stands in a line?
    """
    lines, at, number = Lines(), 0, 1
    while at < len(text):
        end = at
        try:
            if _is_json(text, at):
                value, end = _json(text, at)
                yield from _connections(value, number, shown)
            else:
                end = text.find("\n", at) + 1 or len(text)
                named = lines.read(text[at:end].strip("\r\n"))
                if named is not None:
                    yield _sought(named, number), _namespace(named.where)
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise _unreadable(number, error, shown) from None
        number += text.count("\n", at, end)
        at = end


def _unreadable(line: int, error: Exception, shown: bool) -> FilterError:
    why = _reason(error) if shown else "what stands in a file is not shown; '--from - < FILE' says what is wrong"
    return FilterError(f"--from: line {line} cannot be read: {why}")


def _reason(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    return f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else printable(str(error), _LONGEST)


# ---- by text


def _sought(named: Named, line: int) -> Sought:
    return Sought(line, [_quad(ends) for ends in named.readings], _cookie(named.cookie) if named.cookie else 0)


def _quad(ends: Ends) -> FourTuple:
    local, remote = ends
    for end in ends:
        if not end.numeric_host:
            raise ValueError(f"'{printable(end.host)}' is a name, and none is looked up here: let the tool print numbers (-n)")
    return FourTuple(local.packed(), port_of(local.port), remote.packed(), port_of(remote.port), local.dev, remote.dev)


def _batch(some: list[Sought], namespace: Namespace, shown: bool) -> Batch:
    """The sockets that are meant, each once; one that is not there stays what was asked for."""
    try:
        lookups = Lookups(namespace.scope)
        _check_interfaces(some, lookups, shown)
        rows = iter(lookups.rows_of_each([quad for one in some for quad in one.quads]))
    except Error as error:
        namespace.failure = error  # that of these alone: there may be others
        unseen = dict.fromkeys(_connection(one.quads[0], one.cookie, _UNSEEN) for one in some)
        return batch_of(list(unseen), namespace)
    found = dict.fromkeys(_chosen(one, [(quad, next(rows)) for quad in one.quads], lookups) for one in some)
    return batch_of(list(found), namespace)


def _check_interfaces(sought: list[Sought], lookups: Lookups, shown: bool) -> None:
    """Of a line that names one that is not there the number is told."""
    for one in sought:
        try:
            for quad in one.quads:
                lookups.bound_to(quad)
        except ValueError as error:
            raise _unreadable(one.line, error, shown) from None


def _chosen(one: Sought, readings: list[tuple[FourTuple, list[Row]]], lookups: Lookups) -> Connection:
    if one.cookie:
        readings = [(quad, [row for row in rows if row[COOKIE] == one.cookie]) for quad, rows in readings]
    here = [(quad, rows) for quad, rows in readings if rows]
    if len(here) > 1:
        either = " or ".join(str(quad) for quad, _ in here)
        raise FilterError(f"--from: line {one.line} may be either end of a connection, and both are here: write {either}")
    quad, rows = here[0] if here else readings[0]
    try:
        return Connection(the_one(rows, quad, lookups))
    except NotFound:
        return _connection(quad, one.cookie, CLOSED)


# ---- by JSON


def _is_json(text: str, at: int) -> bool:
    """Does a JSON value begin here?  "[" may also be that of an IPv6 address."""
    start = _beyond_blanks(text, at, " \t")
    inner = _beyond_blanks(text, start + 1)
    return text.startswith("{", start) or (text.startswith("[", start) and text[inner : inner + 1] in ("{", "]"))


def _beyond_blanks(text: str, at: int, blanks: str = " \t\r\n") -> int:
    while at < len(text) and text[at] in blanks:
        at += 1
    return at


def _json(text: str, at: int) -> tuple[object, int]:
    """A value, and where the next begins: it may be one line of many, stand over many, or beside others in one."""
    value, stop = _DECODER.raw_decode(text, _beyond_blanks(text, at))
    return value, _beyond_blanks(text, stop)


def _connections(value: object, line: int, shown: bool) -> Iterator[tuple[Sought, str | None]]:
    """What a value of ours names: the document of --json, one connection of it, a line of --jsonl, or a list of these."""
    if isinstance(value, list):
        for one in value:
            yield from _connections(one, line, shown)
        return
    if not isinstance(value, dict):
        raise ValueError(f"{value!r} is no connection")
    if value.get("schema", SCHEMA) != SCHEMA:
        raise ValueError(f"schema {value['schema']!r} is not {SCHEMA}")
    kind = value.get("type")
    if kind == "error":
        raise _upstream(value, shown)
    if isinstance(value.get("connections"), list):
        yield from _connections(value["connections"], line, shown)
    elif kind == "connection" or (kind is None and "local_addr" in value):
        yield _by_cookie(value, line)
    elif kind != "summary":
        what = f"a {kind}" if isinstance(kind, str) else "neither a document of --json nor a connection"
        raise ValueError(f"it is {what}: take the output of 'tcpdrop list --json' or --jsonl")


def _upstream(value: dict[str, object], shown: bool) -> Error:
    why = ": " + printable(str(value.get("error")), _LONGEST) if shown else ""
    return Error("the command that was to name the connections failed" + why, what="--from")


def _by_cookie(entry: dict[str, object], line: int) -> tuple[Sought, str | None]:
    quad = FourTuple(_address(entry["local_addr"]), _port(entry["local_port"]), _address(entry["remote_addr"]), _port(entry["remote_port"]))
    _check_ifindex(entry.get("ifindex"))
    return Sought(line, [quad], _cookie(entry["cookie"])), _namespace(entry.get("netns"))


def _cookie(value: object) -> int:
    if value is None:
        raise ValueError("it was not found, so nothing says which socket was meant: the cookie is null")
    if not isinstance(value, str) or value.strip("0123456789abcdefABCDEF") or not 0 < int(value or "0", 16) < _NO_COOKIE:
        raise ValueError("the cookie, which says which socket was meant, is wrong")
    return int(value, 16)


def _namespace(named: object) -> str | None:
    if named is None:
        return None
    if not isinstance(named, str):
        raise ValueError(f"{named!r} is no network namespace")
    netns.check_name(named)
    return named


def _check_ifindex(value: object) -> None:
    """It may be another by now: what is meant has the cookie."""
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 31):
        raise ValueError(f"{value!r} is not the number of an interface")


def _address(value: object) -> bytes:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not an address")
    return pack(value)


def _port(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"{value!r} is not a port")
    return value


def _connection(quad: FourTuple, cookie: int, state: int) -> Connection:
    """What was asked for, and is not there, or cannot be seen."""
    family = 4 if len(quad.laddr) == 4 else 6
    values = dict.fromkeys(ROW_FIELDS, 0)
    row = {**values, "laddr": quad.laddr, "raddr": quad.raddr, "lport": quad.lport, "rport": quad.rport}
    row.update(cookie=cookie, family=family, state=state)
    return Connection(ROW.unpack(ROW.pack(*(row[name] for name in ROW_FIELDS))))
