# SPDX-License-Identifier: BSD-2-Clause
"""The predicates of the language: word -> how its values are read and which node they make."""

from __future__ import annotations

from ..errors import FilterError
from ..model.addresses import is_number, looks_numeric
from ..model.rows import ALL_STATES, state_number
from . import values
from .nodes import negate
from .prefixes import Address
from .sockets import Dev, Direction, Family, Loopback, Port, State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .nodes import Node
    from .reader import Reader

_ADDRESS = "an address like 10.0.0.1, 10.0.0.0/8, 10.0.0.1:443 or [2001:db8::1]:443"
_PORT = "a port like 443, 80,443 or 1000-2000"
_ENDS = {
    "local": "local",
    "src": "local",
    "remote": "remote",
    "dst": "remote",
    "host": "host",
    "lport": "local",
    "sport": "local",
    "rport": "remote",
    "dport": "remote",
    "port": "host",
}
_VALUES = {
    "idle": "a duration like 90s, 10m, 8h or 2d",
    "age": "a duration like 90s, 10m, 8h or 2d",
    "rtt": "a duration like 20ms",
    "retrans": "a number",
}


def _state(reader: Reader, word: str) -> Node:
    reader.no_comparison(word)
    mask = 0
    for one in reader.values(word, "a TCP state like established or time-wait", values.state_mask):
        mask |= one
    return negate(State("state", mask)) if word == "exclude" else State("state", mask)


def _address(reader: Reader, word: str) -> Node:
    reader.no_comparison(word)
    return Address.of(_ENDS[word], reader.values(word, _ADDRESS, values.address))


def _port(reader: Reader, word: str) -> Node:
    comparison = reader.comparison() or "="
    token = reader.token
    ranges = reader.values(word, _PORT, values.port_range)
    end = _ENDS[word]
    if comparison == "=":
        return Port.of(end, ranges)
    if comparison == "!=":
        # Of port, either end: `port != 22` is said of connections that 22 has no part in.
        return negate(Port.of(end, ranges))
    if len(ranges) != 1 or ranges[0][0] != ranges[0][1]:
        raise FilterError(f"{word} {comparison} takes one port", token.column)
    return ports_compared(end, comparison, ranges[0][0])


def ports_compared(end: str, comparison: str, port: int) -> Node:
    """comparison is <, <=, > or >=.  What no port can be matches nothing."""
    lo, hi = {"<": (0, port - 1), "<=": (0, port), ">": (port + 1, 65535), ">=": (port, 65535)}[comparison]
    return Port.of(end, [(lo, hi)]) if lo <= hi else nothing()


def nothing() -> Node:
    """What no connection is."""
    return negate(State("state", ALL_STATES))


def _family(reader: Reader, word: str) -> Node:
    reader.no_comparison(word)
    return Family(reader.value(word, "inet or inet6", _family_number))


def _family_number(text: str) -> int:
    number = {"inet": 4, "inet6": 6}.get(text)
    if number is None:
        raise ValueError(f"expected inet or inet6, not '{text}'" if text.isprintable() else "expected inet or inet6")
    return number


def _flag(reader: Reader, word: str) -> Node:
    reader.no_comparison(word)
    if word == "loopback":
        return Loopback()
    if word in ("kernel", "mine"):
        from .owned import Kernel, Mine

        return Kernel() if word == "kernel" else Mine()
    return Direction(word)


def _named(reader: Reader, word: str) -> Node:
    """Predicates with one name as value."""
    reader.no_comparison(word)
    if word == "dev":
        return Dev(reader.value(word, "an interface like eth0", values.name))
    if word == "cc":
        from .measures import Congestion

        return Congestion(reader.value(word, "a congestion control like cubic", values.name))
    from ..system.processes import unit_name
    from . import owned

    if word == "comm":
        return owned.Comm(reader.value(word, "a command's name or pattern", values.comm))
    if word == "user":
        return owned.User(reader.value(word, "a user's name or number", values.uid))
    if word == "unit":
        return owned.Unit(unit_name(reader.value(word, "a systemd unit", values.name)))
    return owned.Cgroup(reader.value(word, "a cgroup's path", values.name))


def _pid(reader: Reader, word: str) -> Node:
    from .owned import Pid

    reader.no_comparison(word)
    return Pid.of(set(reader.values(word, "a process id", values.pid)))


def _measure(reader: Reader, word: str) -> Node:
    from .measures import Measure, parse_value

    comparison = reader.comparison()
    if not comparison:
        raise reader.error(f"expected an operator after {word}: gt, ge, lt, le, eq, ne")
    expected = _VALUES.get(word, "a size in bytes like 1500, 64k or 1M")
    return Measure(word, comparison, reader.value(word, expected, lambda text: parse_value(word, text)))


PREDICATES: dict[str, Callable[[Reader, str], Node]] = {
    **dict.fromkeys(("state", "exclude"), _state),
    **dict.fromkeys(("local", "src", "remote", "dst", "host"), _address),
    **dict.fromkeys(("lport", "sport", "rport", "dport", "port"), _port),
    "family": _family,
    **dict.fromkeys(("in", "out", "loopback", "kernel", "mine"), _flag),
    **dict.fromkeys(("dev", "cc", "comm", "user", "unit", "cgroup"), _named),
    "pid": _pid,
    **dict.fromkeys(("idle", "age", "rtt", "recvq", "sendq", "bytes-sent", "bytes-received", "retrans"), _measure),
}

#: A value without its predicate -> what was probably meant.
STARTS: tuple[tuple[Callable[[str], bool], str], ...] = (
    (is_number, "lport {0} or rport {0}"),
    (lambda text: looks_numeric(text) and any(char in text for char in ".:"), "remote {0} or local {0}"),
    (lambda text: bool(state_number(text)) or text in ("all", "connected", "synchronized"), "state {0}"),
)
