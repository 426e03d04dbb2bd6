# SPDX-License-Identifier: BSD-2-Clause
"""Values from outside to nodes, without the parser: no value can change a filter's structure.

Each function takes one value or an iterable of them; none at all matches
nothing.  None is a TypeError, for it is a variable that was never set.  A
value that cannot be read is a FilterError without column.
"""

from __future__ import annotations

from ..errors import FilterError
from ..model.addresses import is_number
from ..model.rows import STATE_NAMES
from . import values
from .nodes import either
from .predicates import nothing
from .prefixes import Address
from .sockets import Dev, Port, State
from .words import COMPARISONS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import TypeVar

    from .nodes import Node

    T = TypeVar("T")


def _each(what: str, given: object, read: Callable[[str], T], *, numbers: bool = True) -> list[T]:
    """Every value through `read`."""
    found = []
    for one in _items(what, given):
        if isinstance(one, int) and numbers and not isinstance(one, bool):
            text = str(int(one))
        elif isinstance(one, str):
            text = one
        elif hasattr(one, "max_prefixlen"):  # of the ipaddress module
            text = str(one)
        else:
            raise TypeError(f"{what} cannot be {_kind(one)}")
        try:
            found.append(read(text))
        except ValueError as error:
            raise FilterError(f"{what}: {error}") from None
    return found


def _items(what: str, given: object) -> Iterable[object]:
    # A network of the ipaddress module is iterable, over its addresses: it is one value here.
    if given is None or isinstance(given, (str, int, bytes, bytearray)) or hasattr(given, "max_prefixlen"):
        return (given,)
    try:
        return iter(given)  # type: ignore[call-overload,no-any-return]
    except TypeError:
        raise TypeError(f"{what} cannot be {_kind(given)}") from None


def _kind(value: object) -> str:
    return "None" if value is None else f"of type {type(value).__name__}"


def addresses(end: str, given: object) -> Node:
    """end: local, remote or host.  '10.0.0.0/8', '[2001:db8::1]:443', an object of ipaddress."""
    found = _each("host" if end == "host" else f"{end}_addr", given, values.address, numbers=False)
    return Address.of(end, found) if found else nothing()


def ports(end: str, given: object) -> Node:
    """443, '443', 'https', '1000-2000'."""
    found = _each("port" if end == "host" else f"{end}_port", given, values.port_range)
    return Port.of(end, found) if found else nothing()


def states(given: object) -> Node:
    """'established', State.ESTABLISHED or its number, 'all'."""
    mask = 0
    for one in _each("states", given, _state):
        mask |= one
    return State("state", mask) if mask else nothing()


def _state(text: str) -> int:
    if is_number(text) and len(text) <= 2 and 0 < int(text) < len(STATE_NAMES):
        return 1 << int(text)
    return values.state_mask(text)


def pids(given: object) -> Node:
    from .owned import Pid

    found = _each("pid", given, values.pid)
    return Pid.of(set(found)) if found else nothing()


def processes(given: object) -> Node:
    """Names or patterns of commands."""
    from .owned import Comm

    return _any([Comm(one) for one in _each("process", given, values.comm, numbers=False)])


def users(given: object) -> Node:
    """Names or numbers."""
    from .owned import User

    return _any([User(one) for one in _each("user", given, values.uid)])


def units(given: object) -> Node:
    from ..system.processes import unit_name
    from .owned import Unit

    return _any([Unit(unit_name(one)) for one in _each("unit", given, values.name, numbers=False)])


def cgroups(given: object) -> Node:
    from .owned import Cgroup

    return _any([Cgroup(one) for one in _each("cgroup", given, values.name, numbers=False)])


def interfaces(given: object) -> Node:
    return _any([Dev(one) for one in _each("dev", given, values.name, numbers=False)])


def congestion(given: object) -> Node:
    from .measures import Congestion

    return _any([Congestion(one) for one in _each("cc", given, values.name, numbers=False)])


def _any(nodes: list[Node]) -> Node:
    return either(nodes) if nodes else nothing()


def measure(word: str, given: object, comparison: str) -> Node:
    """One value: '10m' or seconds for times, '64k' or bytes for sizes, a count for retrans."""
    from .measures import READINGS, Measure, parse_value

    if comparison not in COMPARISONS:
        raise FilterError(f"{word}: '{comparison}' is not a comparison")
    if isinstance(given, (str, int)) and not isinstance(given, bool):
        text = f"{given}s" if isinstance(given, int) and READINGS[word][1] in ("ms", "us") else str(given)
        try:
            return Measure(word, COMPARISONS[comparison], parse_value(word, text))
        except ValueError as error:
            raise FilterError(f"{word}: {error}") from None
    raise TypeError(f"{word} cannot be {_kind(given)}")
