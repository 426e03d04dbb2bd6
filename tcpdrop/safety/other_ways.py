# SPDX-License-Identifier: BSD-2-Clause
"""How an operator may have come that no TCP socket of an ancestor shows: by a UNIX socket, a terminal or a pipe.

An sshd that socat runs for whoever connects to a UNIX socket (`sshd -i`), a
shell at `nc -l <fifo | sh >fifo`, a program of tmux or emacs to which he is
attached from another login than the one in which it was started.
"""

from __future__ import annotations

import os

from ..errors import Error
from ..system import kernel, procfs
from ..system.lookups import Lookups
from ..system.relays import BOTH, Relays, may_be_fifo, ways_of
from . import carriers, logins
from .login_services import is_login_service
from .session import SERVERS, STANDARD, ancestors, follow_mirrors, line_of
from .ways_in import follow_everywhere

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from collections.abc import Set as AbstractSet

    from ..system.netns import Namespace
    from ..system.relays import Partners, Way
    from .session import OwnSession


def come_by_streams(own: OwnSession, *, known: bool) -> list[Namespace]:
    """Note who is at the other end of such a stream, and what carries him.  The namespaces in which that was looked for.

    known: a login service above us is how we came.  Then only a server below that, which others may be attached to, leads further.
    """
    try:
        sockets = kernel.unix_sockets()
    except Error:
        return []  # as on a system where they do not show: then nothing says so
    named = {inode for inode, _, has_name in sockets if has_name}
    above = [pid for pid in ancestors() if pid != 1]
    served = {pid for inode, (pid, _) in own.holders.items() if inode in named}
    servers = [pid for pid in (_below_login(above) if known else above) if pid in served or _name(pid) in SERVERS]
    given = [] if known else _given(above, {inode for inode, peer, _ in sockets if inode in named or peer not in named})
    if not (servers or given):
        return []
    relays = Relays([None])
    found = [relays.partners(pid, inner=False) for pid in (servers if known else above)]
    came = {one for each in found for one in each.came | each.shown}
    beside, siblings = _beside([(pid, relays.partners(pid, inner=False, only=(fd,))) for pid, fd in given], above)
    hidden = any("came" in each.hidden for each in found)
    return _add(own, {(pid, BOTH) for pid in came} | beside, siblings - beside, relays, hidden=hidden)


def _add(own: OwnSession, ends: set[Way], siblings: set[Way], relays: Relays, *, hidden: bool) -> list[Namespace]:
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
    if hidden:
        own.carrier_unseen = "who has connected to a process above this one by a UNIX socket cannot be seen"
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


def _beside(found: Iterable[tuple[int, Partners]], above: Iterable[int]) -> tuple[set[Way], set[Way]]:
    """Who has the other ends of these streams and was not started by whose they are.

    Those from outside and those of a login service, and then those that are children of our ancestors as well.
    """
    outside: set[Way] = set()
    within: set[Way] = set()
    for pid, each in found:
        for one, way in each.beside_by_way | {(one, BOTH) for one in each.came | each.shown}:
            line = set(line_of(one))
            if pid not in line:
                (within if line.intersection(above) and not is_login_service(_name(pid)) else outside).add((one, way))
    return outside, within


def _given(above: list[int], sockets: AbstractSet[int]) -> list[tuple[int, int]]:
    """At the other end of what somebody may be who is none of us: a process, ourselves or an ancestor, and its descriptor.

    Of ours the standard streams, for the others we may have opened.  Of an ancestor's what it reads, for who
    feeds a shell is how one comes, and not who takes the output that it inherited; a shell puts its own
    elsewhere while it starts a command.  Not the standard input that cron gives, which is cut, nor the output that it
    reads itself; a log has a name, and we none.
    """
    mine = [(os.getpid(), fd) for fd in STANDARD]
    theirs = [(pid, fd) for pid in above for fd in _descriptors(pid) if "r" in ways_of(f"/proc/{pid}/fdinfo/{fd}")]
    return [(pid, fd) for pid, fd in mine + theirs if _may_lead_out(pid, fd, above, sockets)]


def _descriptors(pid: int) -> list[int]:
    try:
        return [int(name) for name in os.listdir(f"/proc/{pid}/fd")]
    except OSError:
        return []  # it has ended, or may not be read: then that is known already


def _may_lead_out(pid: int, fd: int, above: Iterable[int], sockets: AbstractSet[int]) -> bool:
    try:
        link = os.readlink(f"/proc/{pid}/fd/{fd}")
    except OSError:
        return False  # it is closed, or may not be read: then that is known already
    kind, _, number = link.rstrip("]").partition(":[")
    if kind == "pipe":
        return not kernel.pipe_is_cut(pid, fd, int(number)) and not _is_at_the_other_end(above, pid, fd, link)
    if kind == "socket":
        return int(number) in sockets
    return link.startswith("/dev/pts/") or may_be_fifo(link, f"/proc/{pid}/fdinfo/{fd}")


def _is_at_the_other_end(above: Iterable[int], pid: int, fd: int, pipe: str) -> bool:
    """Is an ancestor at the other end of this pipe?"""
    mine = ways_of(f"/proc/{pid}/fdinfo/{fd}")
    for one in above:
        try:
            if any(link == pipe and ways_of(fdinfo) != mine for link, fdinfo in procfs.streams_of(one)):
                return True
        except OSError:
            continue  # it has ended, or may not be read
    return False
