# SPDX-License-Identifier: BSD-2-Clause
"""The words of the filter language, a row for each: the grammar, the literal constructors and the documents go by it.

A new predicate is a row here, a class of nodes (in sockets, endpoints, owned
or measures), an entry in docs/tcpdrop.8 and its word in --help.
"""

from __future__ import annotations

from ..model.rows import STATE_NAMES
from . import values
from .endpoints import Address, Port
from .measures import Congestion, Measure, parse_value
from .nodes import negate, walk
from .owned import Cgroup, Comm, Kernel, Mine, Pid, Unit, User
from .sockets import STATE_GROUPS, Dev, Direction, Family, Loopback, State, spelled

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .nodes import Node

# What stands after a word: nothing, one value, or values with commas between;
# PORTS is a list that may have a comparison before it, COMPARED a comparison and one value.
NOTHING, ONE, LIST, PORTS, COMPARED = "nothing", "one", "list", "ports", "compared"

#: backend -> its name for people; a backend that is not here lists nothing anyway
SYSTEMS = {"linux": "Linux", "sunos": "Solaris and illumos"}
EVERYWHERE = frozenset(SYSTEMS)
LINUX = frozenset(["linux"])


class Word:
    """One word, and what it takes.

    node: makes the node of what was read: of nothing, one value, a list, or a comparison and one of these.
    expected, read: a value in a message; its text to what the node holds, or ValueError.
    keyword: the selector of connections() and drop(), and the constructor of Filter (which says local for local_addr).
    numbers: that constructor takes an int as well.
    systems: the backends that answer it.
    """

    __slots__ = ("aliases", "example", "expected", "keyword", "name", "node", "numbers", "read", "systems", "takes")

    def __init__(
        self,
        name: str,
        takes: str,
        node: Callable[..., Node],
        example: str,
        *,
        aliases: tuple[str, ...] = (),
        expected: str = "",
        read: Callable[[str], Any] = values.name,
        keyword: str = "",
        numbers: bool = False,
        systems: frozenset[str] = EVERYWHERE,
    ) -> None:
        self.name = name
        self.aliases = aliases
        self.takes = takes
        self.expected = expected
        self.read = read
        self.node = node
        self.keyword = keyword
        self.numbers = numbers
        self.systems = systems
        self.example = example


def _state(name: str, node: Callable[[list[int]], Node], keyword: str = "") -> Word:
    expected = "a TCP state like established or time-wait"
    return Word(
        name, LIST, node, f"{name} established,close-wait", expected=expected, read=values.state_mask, keyword=keyword, numbers=True
    )


def _address(end: str, keyword: str, *aliases: str) -> Word:
    expected = "an address like 10.0.0.1, 10.0.0.0/8, 10.0.0.1:443 or [2001:db8::1]:443"
    example = f"{end} 192.0.2.1,[2001:db8::]/32:443"
    return Word(
        *(end, LIST, lambda found: Address.of(end, found), example),
        aliases=aliases,
        expected=expected,
        read=values.address,
        keyword=keyword,
    )


def _port(name: str, end: str, keyword: str, *aliases: str) -> Word:
    return Word(
        *(name, PORTS, lambda comparison, ranges: Port.compared(end, comparison, ranges), f"{name} 80,1000-2000"),
        aliases=aliases,
        expected="a port like 443, 80,443 or 1000-2000",
        read=values.port_range,
        keyword=keyword,
        numbers=True,
    )


def _direction(name: str) -> Word:
    return Word(name, NOTHING, lambda: Direction(name), name)


def _measure(name: str, example: str, expected: str, systems: frozenset[str] = LINUX) -> Word:
    return Word(
        *(name, COMPARED, lambda comparison, value: Measure(name, comparison, value), f"{name} {example}"),
        expected=expected,
        read=lambda text: parse_value(name, text),
        keyword=name,
        systems=systems,
    )


def _unit(text: str) -> str:
    from ..system.processes import unit_name  # what reads processes is loaded for who asks about them

    return unit_name(values.name(text))


_TIME = "a duration like 90s, 10m, 8h or 2d"
_SIZE = "a size in bytes like 1500, 64k or 1M"
_ROWS = (
    _state("state", State.of, "states"),
    _state("exclude", lambda masks: negate(State.of(masks))),
    _address("local", "local_addr", "src"),
    _address("remote", "remote_addr", "dst"),
    _address("host", "host"),
    _port("lport", "local", "local_port", "sport"),
    _port("rport", "remote", "remote_port", "dport"),
    _port("port", "host", "port"),
    Word("family", ONE, Family, "family inet6", expected="inet or inet6", read=values.family, keyword="family"),
    _direction("in"),
    _direction("out"),
    Word("loopback", NOTHING, Loopback, "loopback"),
    Word("dev", ONE, Dev, "dev eth0", expected="an interface like eth0", keyword="dev", systems=LINUX),
    Word("kernel", NOTHING, Kernel, "kernel", systems=LINUX),
    Word("pid", LIST, Pid.of, "pid 812,4711", expected="a process id", read=values.pid, keyword="pid", numbers=True),
    Word(
        *("comm", ONE, Comm, "comm 'php*'"),
        expected="a command's name or pattern",
        read=values.comm,
        keyword="process",
        systems=LINUX,
    ),
    Word(
        *("user", ONE, User, "user root"),
        expected="a user's name or number",
        read=values.uid,
        keyword="user",
        numbers=True,
        systems=LINUX,
    ),
    Word("mine", NOTHING, Mine, "mine", keyword="mine", systems=LINUX),
    Word("unit", ONE, Unit, "unit nginx", expected="a systemd unit", read=_unit, keyword="unit", systems=LINUX),
    Word("cgroup", ONE, Cgroup, "cgroup /system.slice", expected="a cgroup's path", keyword="cgroup", systems=LINUX),
    _measure("idle", "gt 10m", _TIME),
    _measure("age", "gt 8h", _TIME, EVERYWHERE),
    _measure("rtt", "gt 200ms", "a duration like 20ms"),
    _measure("recvq", "gt 0", _SIZE, EVERYWHERE),
    _measure("sendq", "gt 64k", _SIZE, EVERYWHERE),
    _measure("bytes-sent", "gt 1M", _SIZE),
    _measure("bytes-received", "lt 1k", _SIZE),
    _measure("retrans", "gt 5", "a number"),
    Word("cc", ONE, Congestion, "cc cubic", expected="a congestion control like cubic", keyword="cc", systems=LINUX),
)

#: name or alias -> its row
WORDS = {name: row for row in _ROWS for name in (row.name, *row.aliases)}
#: keyword -> its row
KEYWORDS = {row.keyword: row for row in _ROWS if row.keyword}
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
