# SPDX-License-Identifier: BSD-2-Clause
"""What predicates must know that no row says.  What was not gathered is None: unknown."""

from __future__ import annotations

from ..system import kernel, procfs
from .nodes import CGROUPS, CLOCK, INTERFACES, LISTENERS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

    from ..system.holders import Owners

#: Linux's default, and that of every new network namespace.
EPHEMERAL = (32768, 60999)


class Facts:
    """listeners: ports with a listening socket.  ephemeral: the first and last port given to clients.
    interfaces: name -> index.  owners: who holds which socket.  cgroups: whether paths may be looked up.
    now: a reading of the clock that a row's `created` is of (clock.py).
    """

    __slots__ = ("_cgroup_ids", "cgroups", "ephemeral", "interfaces", "listeners", "now", "owners")

    def __init__(
        self,
        *,
        listeners: Collection[int] | None = None,
        ephemeral: tuple[int, int] = EPHEMERAL,
        interfaces: dict[str, int] | None = None,
        owners: Owners | None = None,
        cgroups: bool = False,
        now: int | None = None,
    ) -> None:
        self.listeners = listeners
        self.ephemeral = ephemeral
        self.interfaces = interfaces
        self.owners = owners
        self.cgroups = cgroups
        self.now = now
        self._cgroup_ids: dict[str, frozenset[int] | None] = {}

    def ifindex(self, name: str) -> int | None:
        return None if self.interfaces is None else self.interfaces.get(name)

    def cgroup_ids(self, path: str) -> frozenset[int] | None:
        """The ids of a cgroup and of all below it."""
        if not self.cgroups:
            return None
        if path not in self._cgroup_ids:
            from .cgroups import ids_below

            self._cgroup_ids[path] = ids_below(path)
        return self._cgroup_ids[path]


#: Knows nothing: for a first look at what the rows alone decide.
UNKNOWN = Facts()


def gather(needs: frozenset[str], scope: int | None = None) -> Facts:
    """The facts that a filter needs about a network namespace, without owners: those need the rows.

    Raises Error when the namespace cannot be entered.
    """
    listeners = interfaces = None
    ephemeral = EPHEMERAL
    if LISTENERS in needs:
        listeners = kernel.listening_ports(scope)
        if scope is None:
            ephemeral = _ephemeral_ports()
    if INTERFACES in needs:
        interfaces = {name.decode("utf-8", "surrogateescape"): index for name, index in kernel.interfaces(scope).items()}
    now = None
    if CLOCK in needs:
        from ..model import sunos_clock as clock

        now = clock.now()
    return Facts(listeners=listeners, ephemeral=ephemeral, interfaces=interfaces, cgroups=CGROUPS in needs, now=now)


def _ephemeral_ports() -> tuple[int, int]:
    # The file shows the namespace of who reads it: another one's range is taken to be the default.
    words = procfs.text_of("/proc/sys/net/ipv4/ip_local_port_range").split()
    return (int(words[0]), int(words[1])) if words else EPHEMERAL
