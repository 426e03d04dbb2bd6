# SPDX-License-Identifier: BSD-2-Clause
"""Filter: what the rest of the package and the world see of an expression."""

from __future__ import annotations

from ..errors import FilterError
from ..model.rows import ALL_STATES, LISTEN, USUAL_STATES
from ..system import platform
from .literal import compared, made
from .nodes import OWNERS, PIDS, Node, both, either, negate, walk
from .parser import parse
from .sockets import Family, State
from .vocabulary import refusal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..model.connection import Connection
    from .facts import Facts
    from .nodes import Test


class Filter:
    """Which connections are meant.  Immutable and hashable; combine with & | ~.

    Filter("state established and remote 10.0.0.0/8") reads the filter language,
    in one text or in several arguments.  The static methods take values that
    are never read as language, each one value or an iterable of them; an
    empty iterable matches nothing, None is a TypeError.  str() gives text that
    reads back as an equal filter.

    FilterError: the text, a value, or a predicate that this system cannot answer.
    """

    __slots__ = ("_test", "node")

    node: Node
    _test: Test | None

    def __init__(self, text: str | Iterable[str]) -> None:
        object.__setattr__(self, "node", parse(text))
        object.__setattr__(self, "_test", None)

    @classmethod
    def of(cls, node: Node) -> Filter:
        """From an expression; FilterError if this system cannot answer it."""
        reason = refusal(node, platform.NAME)
        if reason:
            raise FilterError(reason)
        chosen = cls.__new__(cls)
        object.__setattr__(chosen, "node", node)
        object.__setattr__(chosen, "_test", None)
        return chosen

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a Filter cannot be changed: {name}")

    def __and__(self, other: Filter) -> Filter:
        return Filter.of(both([self.node, other.node])) if isinstance(other, Filter) else NotImplemented

    def __or__(self, other: Filter) -> Filter:
        return Filter.of(either([self.node, other.node])) if isinstance(other, Filter) else NotImplemented

    def __invert__(self) -> Filter:
        return Filter.of(negate(self.node))

    def __eq__(self, other: object) -> bool:
        return self.node == other.node if isinstance(other, Filter) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.node)

    def __reduce__(self) -> tuple[object, ...]:
        return Filter.of, (self.node,)

    def __bool__(self) -> bool:
        # `if filter and other` would silently drop one of them.
        raise TypeError("a Filter is neither true nor false; combine filters with & | ~")

    def __str__(self) -> str:
        return str(self.node)

    def __repr__(self) -> str:
        return f"Filter({str(self)!r})"

    # ---- what it says

    @property
    def test(self) -> Test:
        """The compiled form: test(row, info, facts) -> True, False or None, unknown."""
        if self._test is None:
            object.__setattr__(self, "_test", self.node.compiled())
        return self._test  # type: ignore[return-value]

    def matches(self, connection: Connection, facts: Facts | None = None) -> bool:
        """Is it certain that this connection is meant?  What is unknown does not match, also under not.

        Owners and details are the connection's own; without `facts`, interfaces,
        listeners and cgroups are read now, where the filter asks for them: those of
        the caller's own network namespace, so for a connection of another they are unknown.
        """
        from .decision import facts_of  # who only reads or combines filters decides nothing

        return self.test(connection._row, connection._info, facts_of(connection, self, facts)) is True

    def needs(self) -> frozenset[str]:
        """What must be fetched beside the rows: names of nodes.py."""
        needs = self.node.needs()
        if PIDS in needs and not platform.HELD_BY_ENDS and any(node.word == "pid" and not positive for node, positive in walk(self.node)):
            needs |= {OWNERS}  # to deny one holder takes that another was seen
        return needs

    @property
    def wanted_pids(self) -> frozenset[int]:
        """The processes that `pid` names."""
        return frozenset(pid for node, _ in walk(self.node) if node.word == "pid" for pid in node.args[1:])

    @property
    def named_states(self) -> int:
        """The mask of the states it asks for by name; `not state x` asks for none."""
        mask = 0
        for node, positive in walk(self.node):
            if positive and isinstance(node, State):
                mask |= node.mask
        return mask

    @property
    def base_states(self) -> int:
        """The states to look in: the usual ones and those it names.  The rest is not meant unless it is named."""
        return USUAL_STATES | self.named_states

    @property
    def names_listen(self) -> bool:
        """Does it ask for LISTEN by name?  `state all` does not: it asks for connections of every state."""
        asked = [node.mask for node, positive in walk(self.node) if positive and isinstance(node, State)]
        return any(mask >> LISTEN & 1 and mask != ALL_STATES for mask in asked)

    def refuse_listeners(self) -> None:
        """Raise FilterError when LISTEN is named: for whoever is about to drop."""
        if self.names_listen:
            raise FilterError("LISTEN is no connection: a listening socket is never dropped")

    # ---- literal constructors: values, never language

    @staticmethod
    def local(given: object) -> Filter:
        """Local addresses, prefixes, or either with a port."""
        return Filter.of(made("local_addr", given))

    @staticmethod
    def remote(given: object) -> Filter:
        """Remote addresses, prefixes, or either with a port."""
        return Filter.of(made("remote_addr", given))

    @staticmethod
    def host(given: object) -> Filter:
        """The address of either end."""
        return Filter.of(made("host", given))

    @staticmethod
    def local_port(given: object) -> Filter:
        """Ports, ranges like '1000-2000', services."""
        return Filter.of(made("local_port", given))

    @staticmethod
    def remote_port(given: object) -> Filter:
        return Filter.of(made("remote_port", given))

    @staticmethod
    def port(given: object) -> Filter:
        """The port of either end."""
        return Filter.of(made("port", given))

    lport = local_port
    rport = remote_port

    @staticmethod
    def states(given: object) -> Filter:
        return Filter.of(made("states", given))

    state = states

    @staticmethod
    def family(given: str) -> Filter:
        """'inet' or 'inet6', on the wire."""
        if given not in ("inet", "inet6"):
            raise TypeError("family cannot be None") if given is None else FilterError("family is inet or inet6")
        return Filter.of(Family(4 if given == "inet" else 6))

    @staticmethod
    def dev(given: object) -> Filter:
        return Filter.of(made("dev", given))

    @staticmethod
    def pid(given: object) -> Filter:
        return Filter.of(made("pid", given))

    @staticmethod
    def process(given: object) -> Filter:
        """Command names; * ? [...] are patterns."""
        return Filter.of(made("process", given))

    comm = process

    @staticmethod
    def user(given: object) -> Filter:
        """User names or numbers."""
        return Filter.of(made("user", given))

    @staticmethod
    def mine() -> Filter:
        """What a process of the caller's own user holds."""
        return Filter("mine")

    @staticmethod
    def unit(given: object) -> Filter:
        return Filter.of(made("unit", given))

    @staticmethod
    def cgroup(given: object) -> Filter:
        return Filter.of(made("cgroup", given))

    @staticmethod
    def cc(given: object) -> Filter:
        return Filter.of(made("cc", given))

    @staticmethod
    def idle(given: str | int, op: str = ">=") -> Filter:
        """'10m', or a number of seconds."""
        return Filter.of(compared("idle", given, op))

    @staticmethod
    def age(given: str | int, op: str = ">=") -> Filter:
        """'8h', or a number of seconds; on Linux proven by when data last moved."""
        return Filter.of(compared("age", given, op))

    @staticmethod
    def rtt(given: str | int, op: str = ">=") -> Filter:
        """'20ms', or a number of seconds."""
        return Filter.of(compared("rtt", given, op))

    @staticmethod
    def measure(word: str, given: str | int, op: str = ">=") -> Filter:
        """recvq, sendq, bytes-sent, bytes-received (bytes), retrans, and the above."""
        return Filter.of(compared(word, given, op))


#: the keywords of tcpdrop.connections() and tcpdrop.drop()
SELECTORS = ("local_addr", "local_port", "remote_addr", "remote_port", "states", "pid", "process", "user")


def from_selectors(**selectors: object) -> Filter | None:
    """The keyword selectors, and-ed; None when none was given.

    A selector that is there but None is a TypeError, and so is an unknown one.
    """
    nodes = []
    for name, given in selectors.items():
        if name not in SELECTORS:
            raise TypeError(f"unknown selector {name!r}; there are {', '.join(SELECTORS)}")
        if given is None:
            raise TypeError(f"{name} is None; leave a selector out to select by nothing")
        nodes.append(made(name, given))
    return Filter.of(both(nodes)) if nodes else None


def all_of(filters: Iterable[Filter]) -> Filter:
    """Many filters and-ed at once, one at least."""
    return Filter.of(both([one.node for one in filters]))
