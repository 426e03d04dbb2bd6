# SPDX-License-Identifier: BSD-2-Clause
"""Processes of this host that carry the operator's session and are no ancestors: found from each to the next, until nothing is new.

Who holds the other end of a connection that carries it: the client of `ssh
localhost`, a port forward, haproxy.  What that process holds by TCP may be the
way by which one comes to it, also where it holds both ends itself.  And it may
have been handed on by a pipe, a terminal or a UNIX socket: relays.py.
"""

from __future__ import annotations

import os

from ..model.rows import INODE, ends_of
from ..system import kernel, procfs
from ..system.holders import scan
from ..system.relays import BOTH, Relays

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from collections.abc import Set as AbstractSet

    from ..system.relays import Way
    from .session import OwnSession

#: processes that a chain of relays has at most; what has more is no chain, and nothing is certain then
MOST = 256

_UNSEEN = "who holds the other end of your connection, on this host, cannot be seen"


def add_holders(own: OwnSession, mirrors: set[int], scopes: Iterable[int | None]) -> None:
    """Note who holds these sockets, the other ends of what carries the session, and what carries those processes."""
    found = scan(mirrors)
    pids: set[int] = set()
    for inode in mirrors:
        owner = found.of(inode)
        pids.update((owner.pids if owner is not None else None) or ())
        if owner is None:
            own.relay_unseen = _UNSEEN
    relays = Relays(scopes)
    listening = {row[INODE] for scope in scopes for row in kernel.listeners(scope)}
    add(own, pids, relays, listening)
    for pid in pids:
        _leave_loops(own, pid, relays, mirrors | listening)


def _leave_loops(own: OwnSession, pid: int, relays: Relays, ends: set[int]) -> None:
    """What a process holds both ends of carries nothing, if nothing else leads to that process.

    ends: the inodes of what is known to be no further way in.
    """
    rows = {inode: ends_of(row) for inode, row in own.held_by(pid)}
    there = set(rows.values())
    loops = {inode for inode, (laddr, lport, raddr, rport) in rows.items() if (raddr, rport, laddr, lport) in there}
    found = relays.partners(pid, inner=True)
    near = (found.beside | found.shown | found.came | found.asked) - own.above
    if loops and not near and not found.hidden and relays.sockets_of(pid) <= loops | ends:
        for inode in loops:
            del own.holders[inode]


def add(own: OwnSession, pids: set[int], relays: Relays, listening: AbstractSet[int] = frozenset()) -> None:
    """Note these processes, and those from which something comes to them by other ways than TCP.  listening: inodes of TCP's."""
    follow(own, {(pid, BOTH) for pid in pids}, relays, listening)


def follow(own: OwnSession, ends: set[Way], relays: Relays, listening: AbstractSet[int] = frozenset()) -> None:
    """The same from what leads further of each.

    Who reads what we write, "w", hands it on by what it writes itself, and nothing comes to us from
    others that write to it; likewise "r".
    """
    todo = [(pid, True, way) for pid, way in sorted(ends)]
    seen: set[int] = {os.getpid()}  # a program may drop what it holds itself
    done: set[tuple[int, str]] = set()
    while todo:
        pid, inner, way = todo.pop(0)  # those that were given come first, with the terminals that they show
        if pid == os.getpid() or not done.isdisjoint([(pid, way), (pid, BOTH)]):
            continue
        seen.add(pid)
        done.add((pid, way))
        unreadable = len(own.unreadable)
        own.add_carrier(pid)
        found = relays.partners(pid, inner=inner, way=way)
        todo += [(one, False, BOTH) for one in found.came | found.shown]
        kinds = {"came"}
        if pid not in own.above:  # who has started a carrier has pipes to many others that it has started
            todo += [(one, False, way) for one, way in found.beside_by_way]
            todo += [(one, False, BOTH) for one in found.asked - seen if _has_tcp(own, one)]
            kinds = {"came", "beside", "asked"}
        if found.hidden & kinds or len(own.unreadable) > unreadable or found.unknown - listening - _tcp_of(own, pid):
            own.relay_unseen = f"what hands your connection on to {procfs.named(pid)}, on this host, cannot be seen"
        if len(seen) > MOST:
            own.relay_unseen = "your connection is handed on by too many processes of this host"
            return


def _has_tcp(own: OwnSession, pid: int) -> bool:
    """Has a service that was asked something any connection by which it could hand on what it was told?  No log, no bus has."""
    own.add_carrier(pid)
    return bool(own.held_by(pid))


def _tcp_of(own: OwnSession, pid: int) -> set[int]:
    return {inode for inode, _ in own.held_by(pid)}
