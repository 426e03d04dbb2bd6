# SPDX-License-Identifier: BSD-2-Clause
"""By which ways an operator may have come that one look at his ancestors and their mirrors does not show: for who drops many."""

from __future__ import annotations

from ..errors import Error
from ..model.addresses import is_loopback
from ..model.four_tuple import FourTuple
from ..model.rows import ESTABLISHED, ROW, STATE
from ..system import kernel, netns, platform
from ..system.lookups import Lookups
from ..system.relays import Relays
from ..system.tunnels import carriers as carriers_of_tunnel
from ..system.tunnels import is_tunnel
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
    if platform.TELLS_PEER and _follow_tunnels(own, where[0]):
        follow_mirrors(own, where)
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
    _conclude(own, where)
    return places


def _follow_tunnels(own: OwnSession, lookups: Lookups) -> bool:
    """Who carries the device by which the session comes, a VPN's say, carries the session: has anybody been noted?"""
    seen: set[int] = set()
    tunnels: set[str] = set()
    while True:
        new = [(inode, row) for inode, row in own.held() if inode not in seen]
        if not new:
            return bool(tunnels)
        seen.update(inode for inode, _ in new)
        try:
            devices = {_way_to(row, lookups) for _, row in new}
        except Error as error:
            own.relay_unseen = f"by which device your connection comes cannot be told: {error}"
            return bool(tunnels)
        for device in devices - {""} - tunnels:
            if not is_tunnel(device):
                continue
            tunnels.add(device)
            pids = carriers_of_tunnel(device)
            for pid in pids:
                own.add_carrier(pid)
            if not pids:
                own.relay_unseen = f"who carries {device}, by which your connection comes, cannot be seen"


def _way_to(row: Row, lookups: Lookups) -> str:
    """The device by which a packet leaves for the other end; "" where there is none.  Raises Error."""
    ((error, device),) = kernel.routes(ROW.pack(*row), lookups.scope)
    return "" if error else lookups.name_of(device)


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


def come_by_unix_sockets(own: OwnSession) -> None:
    """Nothing says that there is a login: who has connected to an ancestor by a UNIX socket may have one."""
    try:
        if own.holders.keys().isdisjoint(inode for inode, _, named in kernel.unix_sockets() if named):
            return
    except Error:
        return  # as on a system where they do not show: then nothing says so
    relays = Relays([None])
    found = [relays.partners(pid, inner=False) for pid in ancestors() if pid != 1]
    carriers.add(own, {one for each in found for one in each.came}, relays)
    if any("came" in each.hidden for each in found):
        own.carrier_unseen = "who has connected to a process above this one by a UNIX socket cannot be seen"
