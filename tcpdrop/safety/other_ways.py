# SPDX-License-Identifier: BSD-2-Clause
"""How an operator may have come that no TCP socket of an ancestor shows: by a UNIX socket, a terminal or a pipe.

An sshd that socat runs for whoever connects to a UNIX socket (`sshd -i`), a
shell at `nc -l <fifo | sh >fifo`, a program of tmux or emacs to which he is
attached from another login than the one in which it was started.
"""

from __future__ import annotations

import os

from ..errors import NotSupported
from ..system import kernel, platform, procfs
from ..system.lookups import Lookups
from ..system.relays import BOTH, Relays, may_be_fifo, unix_sockets, ways_of
from . import carriers, logins
from .login_services import is_login_service
from .session import SERVERS, STANDARD, ancestors, follow_mirrors, line_of
from .ways_in import follow_everywhere

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from collections.abc import Set as AbstractSet

    from ..system.netns import Namespace
    from ..system.relays import Way
    from .session import OwnSession

_UNSEEN = "who has connected to a process above this one by a UNIX socket cannot be seen"


def come_by_streams(own: OwnSession, *, known: bool) -> list[Namespace]:
    """Note who is at the other end of such a stream, and what carries him.  The namespaces in which that was looked for.

    known: a login service above us is how we came.  Then only a server below that, which others may be attached to, leads further.
    """
    if not platform.NETNS:
        return []  # a system on which none of this shows
    try:
        sockets = unix_sockets()
    except NotSupported:  # a system that tells nobody
        sockets = []
    except OSError:
        own.carrier_unseen = _UNSEEN
        return []
    named = {inode for inode, _, has_name in sockets if has_name}
    above = [pid for pid in ancestors() if pid != 1]
    served = {pid for inode, (pid, _) in own.holders.items() if inode in named}
    servers = [pid for pid in (_below_login(above) if known else above) if pid in served or _name(pid) in SERVERS]
    given = {} if known else _given(above, {inode for inode, peer, _ in sockets if inode in named or peer not in named})
    if not (servers or given):
        return []
    relays = Relays([None])
    found = [relays.partners(pid, inner=False) for pid in (servers if known else above)]
    came = {one for each in found for one in each.came | each.shown}
    beside, siblings = _beside(given, above, relays)
    unseen = _UNSEEN if any("came" in each.hidden for each in found) else ""
    us = os.getpid()
    if us in given and relays.partners(us, inner=False, only=given[us], way="r").hidden:
        unseen = "who feeds the standard input of this command cannot be seen"
    return _add(own, {(pid, BOTH) for pid in came} | beside, siblings - beside, relays, unseen)


def _add(own: OwnSession, ends: set[Way], siblings: set[Way], relays: Relays, unseen: str) -> list[Namespace]:
    """Note these, and what carries them.

    siblings: who only shares a pipe with us may have something to tell us, as a database's client has: what it holds is noted, no more.
    """
    untold, relay = logins.may_be_ours(own), own.relay_unseen
    carriers.follow(own, ends, relays)
    places = []
    if {pid for pid, _ in ends} - own.line:
        follow_mirrors(own, [Lookups()])
        places = follow_everywhere(own)
    carriers.follow(own, siblings, relays)
    own.carrier_unseen = unseen or own.carrier_unseen
    if untold and not relay and own.relay_unseen:  # no worse than to have found none of them
        own.carrier_unseen, own.relay_unseen = own.relay_unseen, ""
    return places


def _below_login(above: Iterable[int]) -> list[int]:
    """The ancestors between us and the login service by which we came."""
    found = []
    for pid in above:
        if is_login_service(_name(pid)):
            break
        found.append(pid)
    return found


def _name(pid: int) -> str:
    try:
        return procfs.command_of(pid)
    except OSError:
        return ""  # it has ended


def _beside(given: dict[int, set[int]], above: Iterable[int], relays: Relays) -> tuple[set[Way], set[Way]]:
    """Who has the other ends of these streams and was not started by whose they are.

    Those from outside and those of a login service, and then those that are children of our ancestors as well.
    """
    outside: set[Way] = set()
    within: set[Way] = set()
    for pid, some in given.items():
        each, sharers = relays.partners(pid, inner=False, only=some), relays.sharers(pid)
        for one, way in each.beside_by_way | {(one, BOTH) for one in each.came | each.shown}:
            line = set(line_of(one))
            if pid not in line and one not in above and one not in sharers:
                (within if line.intersection(above) and not is_login_service(_name(pid)) else outside).add((one, way))
    return outside, within


def _given(above: list[int], sockets: AbstractSet[int]) -> dict[int, set[int]]:
    """At the other end of what somebody may be who is none of us: ourselves and ancestors, and which descriptors.

    Of ours the standard streams, for the others we may have opened.  Of an ancestor's what it reads, for who
    feeds a shell is how one comes, and not who takes the output that it inherited; a shell puts its own
    elsewhere while it starts a command.  Not the standard input that cron gives, which is cut, nor the output that it
    reads itself; a log has a name, and we none.
    """
    us = os.getpid()
    found = {pid: {fd for fd in _descriptors(pid) if _may_lead_in(pid, fd, sockets)} for pid in [*above, us]}
    found[us] |= {fd for fd in STANDARD[1:] if fd not in found[us] and _may_lead_out(us, fd, above, sockets)}
    return {pid: some for pid, some in found.items() if some}


def _descriptors(pid: int) -> list[int]:
    if pid == os.getpid():
        return list(STANDARD)
    try:
        return [int(name) for name in os.listdir(f"/proc/{pid}/fd")]
    except OSError:
        return []  # it has ended, or may not be read: then that is known already


def _may_lead_in(pid: int, fd: int, sockets: AbstractSet[int]) -> bool:
    """Does it read what somebody may write?"""
    link, fdinfo = _link(pid, fd), f"/proc/{pid}/fdinfo/{fd}"
    kind, _, number = link.rstrip("]").partition(":[")
    if kind == "socket":
        return int(number) in sockets
    if kind == "pipe":
        return "r" in ways_of(fdinfo) and not kernel.pipe_is_cut(pid, fd, int(number))
    return (link.startswith("/dev/pts/") or may_be_fifo(link, fdinfo)) and "r" in ways_of(fdinfo)


def _may_lead_out(pid: int, fd: int, above: Iterable[int], sockets: AbstractSet[int]) -> bool:
    """Does it write what somebody may read who is no ancestor?"""
    link = _link(pid, fd)
    kind, _, number = link.rstrip("]").partition(":[")
    if kind == "pipe":
        return not kernel.pipe_is_cut(pid, fd, int(number)) and not any(_reads(one, link) for one in above)
    if kind == "socket":
        return int(number) in sockets
    return link.startswith("/dev/pts/") or may_be_fifo(link, f"/proc/{pid}/fdinfo/{fd}")


def _link(pid: int, fd: int) -> str:
    try:
        return os.readlink(f"/proc/{pid}/fd/{fd}")
    except OSError:
        return ""  # it is closed, or may not be read: then that is known already


def _reads(pid: int, pipe: str) -> bool:
    try:
        return any(link == pipe and "r" in ways_of(fdinfo) for link, fdinfo in procfs.streams_of(pid))
    except OSError:
        return False  # it has ended, or may not be read
