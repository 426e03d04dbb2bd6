# SPDX-License-Identifier: BSD-2-Clause
"""By which ways an operator may have come that one look at his ancestors and their mirrors does not show: for who drops many."""

from __future__ import annotations

from ..errors import Error
from ..model.addresses import is_loopback
from ..model.four_tuple import FourTuple
from ..model.rows import ESTABLISHED, INODE, ROW, STATE
from ..system import kernel, netns, platform, procfs
from ..system.devices import Devices
from ..system.lookups import Lookups
from ..system.relays import Relays
from ..system.tunnels import carriers as carriers_of_tunnel
from . import carriers
from .session import ancestors, follow_mirrors

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..model.rows import Row
    from ..system.netns import Namespace
    from .session import OwnSession


def follow_everywhere(own: OwnSession) -> list[Namespace]:
    """Look in other network namespaces as well, where an end of what carries the session is not in the caller's.

    What is on this host and nowhere found makes the carrier unknown.  The namespaces: open as long as somebody keeps them.
    """
    places: list[Namespace] = []
    where = [Lookups()]
    tunnels = _Tunnels(own, where)
    tunnels.follow()
    if platform.NETNS and not all(is_loopback(raddr) for _, _, raddr, _ in own.unmet):
        for namespace in netns.namespaces("all"):
            try:
                if namespace.where is not None:
                    one = Lookups(namespace.scope)
                    one.interfaces()  # enters it
                    where.append(one)
                    places.append(namespace)
            except Error as error:
                if not netns.has_ended(error):
                    own.relay_unseen = f"network namespace '{namespace.label}', where your connection may be handed on, cannot be entered"
        follow_mirrors(own, where)
        tunnels.follow()
    _conclude(own, where)
    _look_for_rings(own)
    return places


def _look_for_rings(own: OwnSession) -> None:
    """A login service may have registered its connection with an io_uring and closed every descriptor of either."""
    for pid in ancestors() if platform.NETNS else ():
        try:
            if pid != 1 and procfs.hides_a_ring(pid):
                own.carrier_unseen = f"what {procfs.named(pid)} has registered with an io_uring does not show"
        except OSError:
            continue  # it has ended, or is known to be unreadable


class _Tunnels:
    """Who carries the device by which the session comes, a VPN's say, carries the session."""

    def __init__(self, own: OwnSession, where: Sequence[Lookups]) -> None:
        self._own = own
        self._where = where
        self._devices = Devices()
        self._seen: set[int] = set()
        self._found: set[str] = set()

    def follow(self) -> None:
        """And what carries that, by whatever way: until nothing is new."""
        while platform.TELLS_PEER:
            new = [(inode, row) for inode, row in self._own.held() if inode not in self._seen]
            self._seen.update(inode for inode, _ in new)
            try:
                ways = [(_way_to(row, self._where[0]), row) for _, row in new]
                found = {name for device, row in ways if device for name in self._devices.tunnels(device, row)}
            except Error as error:
                self._own.relay_unseen = f"by which device your connection comes cannot be told: {error}"
                return
            if not found - self._found:
                return
            self._add(found - self._found)
            follow_mirrors(self._own, self._where)

    def _add(self, devices: set[str]) -> None:
        self._found |= devices
        scopes = [lookups.scope for lookups in self._where]
        relays = Relays(scopes)
        listening = {row[INODE] for scope in scopes for row in kernel.listeners(scope)}
        for device in devices:
            pids = carriers_of_tunnel(device)
            carriers.add(self._own, pids, relays, listening)
            if not pids:
                self._own.relay_unseen = f"who carries {device}, by which your connection comes, cannot be seen"


def _way_to(row: Row, lookups: Lookups) -> int:
    """The device by which a packet leaves for the other end; 0 where there is none.  Raises Error."""
    ((error, device),) = kernel.routes(ROW.pack(*row), lookups.scope)
    return 0 if error else device


def _conclude(own: OwnSession, where: Sequence[Lookups]) -> None:
    """A connection to an address of this host whose other end is nowhere was rewritten on its way (NAT), or is hidden."""
    for ends in own.unmet:
        for lookups in where:
            try:
                rows = [row for row in lookups.rows(FourTuple(*ends)) if row[STATE] == ESTABLISHED]
                here = any(is_loopback(ends[2]) or ends[0] == ends[2] or _leads_here(row, lookups) for row in rows)
            except ValueError:
                continue  # no connection's ends
            except Error as error:
                own.relay_unseen = f"whether the other end of your connection is on this host cannot be told: {error}"
                continue
            if here:
                own.relay_unseen = "the other end of your connection is on this host, and was not found: by NAT, say"


def _leads_here(row: Row, lookups: Lookups) -> bool:
    """Is what it is connected to an address of this namespace's own?"""
    if not platform.TELLS_PEER:
        return False  # a system that tells no routes
    ((error, device),) = kernel.routes(ROW.pack(*row), lookups.scope)
    return not error and device == lookups.interfaces().get("lo")
