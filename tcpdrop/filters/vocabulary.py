# SPDX-License-Identifier: BSD-2-Clause
"""The words of the filter language, a row for each: the grammar, the literal constructors and the documents go by it.

A new predicate is a row here, a class of nodes (in sockets, endpoints, owned
or measures), an entry in docs/tcpdrop.8 and its word in --help.
"""

from __future__ import annotations

from ..model.rows import STATE_NAMES
from . import values
from .endpoints import Address, Port
from .nodes import both, either, negate, walk
from .sockets import STATE_GROUPS, Dev, Direction, Family, Loopback, State, spelled

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any, Optional

    from .endpoints import Located
    from .nodes import Node

    Value = tuple[str, Callable[[str], Any], Optional[str]]

# What stands after a word: nothing, one value, or values with commas between;
# PORTS is a list that may have a comparison before it, COMPARED a comparison and one value.
NOTHING, ONE, LIST, PORTS, COMPARED = "nothing", "one", "list", "ports", "compared"

#: backend -> its name for people; a backend that is not here lists nothing anyway
SYSTEMS = {"linux": "Linux", "sunos": "Solaris and illumos"}
EVERYWHERE = frozenset(SYSTEMS)
LINUX = frozenset(["linux"])


class Word:
    """One word, and what it takes.

    value: of what is read: (what a message expects, text -> value or ValueError, what follows an int that is
    given from Python, like the s of seconds; None: an int is none).
    node: makes the node of nothing, one value, a list, or a comparison and one of these, as `takes` says.
    keyword: the selector of connections() and drop(), and the constructor of Filter (which says local for local_addr).
    systems: the backends that answer it.
    """

    __slots__ = ("aliases", "example", "expected", "keyword", "name", "node", "number", "read", "systems", "takes")

    def __init__(
        self,
        name: str,
        takes: str,
        value: Value,
        node: Callable[..., Node],
        example: str,
        *,
        keyword: str | None = None,
        aliases: tuple[str, ...] = (),
        systems: frozenset[str] = EVERYWHERE,
    ) -> None:
        self.name = name
        self.takes = takes
        self.expected, self.read, self.number = value
        self.node = node
        self.example = example
        self.keyword = name if keyword is None else keyword
        self.aliases = aliases
        self.systems = systems


# Few filters ask who holds a socket or what was measured: these load for those alone.


def _owned() -> ModuleType:
    from . import owned

    return owned


def _measures() -> ModuleType:
    from . import measures

    return measures


def _unit(text: str) -> str:
    from ..system.systemd_units import unit_name

    return unit_name(values.name(text))


def _addresses(end: str) -> Callable[..., Node]:
    def node(found: list[Located]) -> Node:
        """One of these; with an interface only what is bound to it."""
        plain = [value for value, dev in found if not dev]
        bound = [both([Address.of(end, [value]), Dev(dev)]) for value, dev in found if dev]
        return either([Address.of(end, plain), *bound] if plain else bound)

    return node


def _ports(end: str) -> Callable[..., Node]:
    return lambda comparison, ranges: Port.compared(end, comparison, ranges)


def _measure(name: str, example: str, expected: str, int_unit: str = "", systems: frozenset[str] = LINUX) -> Word:
    value = (expected, lambda text: _measures().parse_value(name, text), int_unit)
    return Word(name, COMPARED, value, lambda comparison, value: _measures().Measure(name, comparison, value), example, systems=systems)


def _named(expected: str) -> Value:
    return expected, values.name, None


_NO_VALUE: Value = ("", values.name, None)
_STATE: Value = ("a TCP state like established or time-wait", values.state_mask, "")
_ADDRESS: Value = ("an address like 10.0.0.1, 10.0.0.0/8, 10.0.0.1:443 or [2001:db8::1]:443", values.address, None)
_PORT: Value = ("a port like 443, 80,443 or 1000-2000", values.port_range, "")
_TIME, _SIZE = "a duration like 90s, 10m, 8h or 2d", "a size in bytes like 1500, 64k or 1M"

_ROWS = (
    Word("state", LIST, _STATE, State.of, "state established,close-wait", keyword="states"),
    Word("exclude", LIST, _STATE, lambda masks: negate(State.of(masks)), "exclude close-wait", keyword=""),
    Word("local", LIST, _ADDRESS, _addresses("local"), "local 192.0.2.1:443", keyword="local_addr", aliases=("src",)),
    Word("remote", LIST, _ADDRESS, _addresses("remote"), "remote 192.0.2.0/24", keyword="remote_addr", aliases=("dst",)),
    Word("host", LIST, _ADDRESS, _addresses("host"), "host [2001:db8::]/32:443"),
    Word("lport", PORTS, _PORT, _ports("local"), "lport 80,443", keyword="local_port", aliases=("sport",)),
    Word("rport", PORTS, _PORT, _ports("remote"), "rport 5000-5010", keyword="remote_port", aliases=("dport",)),
    Word("port", PORTS, _PORT, _ports("host"), "port ge 1024"),
    Word("family", ONE, ("inet or inet6", values.family, None), Family, "family inet6"),
    Word("in", NOTHING, _NO_VALUE, lambda: Direction("in"), "in", keyword=""),
    Word("out", NOTHING, _NO_VALUE, lambda: Direction("out"), "out", keyword=""),
    Word("loopback", NOTHING, _NO_VALUE, Loopback, "loopback", keyword=""),
    Word("dev", ONE, _named("an interface like eth0"), Dev, "dev eth0", systems=LINUX),
    Word("kernel", NOTHING, _NO_VALUE, lambda: _owned().Kernel(), "kernel", keyword="", systems=LINUX),
    Word("pid", LIST, ("a process id", values.pid, ""), lambda pids: _owned().Pid.of(pids), "pid 812,4711"),
    Word(
        *("comm", ONE, ("a command's name or pattern", values.comm, None), lambda glob: _owned().Comm(glob), "comm 'php*'"),
        keyword="process",
        systems=LINUX,
    ),
    Word("user", ONE, ("a user's name or number", values.uid, ""), lambda uid: _owned().User(uid), "user root", systems=LINUX),
    Word("mine", NOTHING, _NO_VALUE, lambda: _owned().Mine(), "mine", systems=LINUX),
    Word("unit", ONE, ("a systemd unit", _unit, None), lambda name: _owned().Unit(name), "unit nginx", systems=LINUX),
    Word("cgroup", ONE, _named("a cgroup's path"), lambda path: _owned().Cgroup(path), "cgroup /system.slice", systems=LINUX),
    _measure("idle", "idle gt 10m", _TIME, "s"),
    _measure("age", "age gt 8h", _TIME, "s", EVERYWHERE),
    _measure("rtt", "rtt gt 200ms", "a duration like 20ms", "s"),
    _measure("recvq", "recvq gt 0", _SIZE, systems=EVERYWHERE),
    _measure("sendq", "sendq gt 64k", _SIZE, systems=EVERYWHERE),
    _measure("bytes-sent", "bytes-sent gt 1M", _SIZE),
    _measure("bytes-received", "bytes-received lt 1k", _SIZE),
    _measure("retrans", "retrans gt 5", "a number"),
    Word("cc", ONE, _named("a congestion control like cubic"), lambda name: _measures().Congestion(name), "cc cubic", systems=LINUX),
)

#: name or alias -> its row
WORDS = {name: row for row in _ROWS for name in (row.name, *row.aliases)}
#: keyword -> its row
KEYWORDS = {row.keyword: row for row in _ROWS if row.keyword}
#: whose values may begin or end with a blank; no unit, interface or user has such a name
MAY_HAVE_BLANKS = frozenset(["comm", "cgroup"])
#: what may be written for a state
STATES = (*map(spelled, range(1, len(STATE_NAMES))), *STATE_GROUPS)


def refusal(node: Node, backend: str, positive: bool = True) -> str:
    """Why a system cannot answer an expression that stands under no not, or a positive number of them; '' if it can."""
    for predicate, upright in walk(node, positive):
        word = WORDS[predicate.word]
        if backend in SYSTEMS and backend not in word.systems:
            return f"{word.name} cannot be answered on {SYSTEMS[backend]}"
        if word.name == "age" and backend == "linux" and not (upright and predicate.args[1] in (">", ">=")):
            # The reading is a lower bound, since data last moved: it proves an age and denies none.
            return "Linux keeps no creation time: only age gt T and age ge T can be answered, and not under not"
    return ""
