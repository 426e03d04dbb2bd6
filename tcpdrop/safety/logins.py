# SPDX-License-Identifier: BSD-2-Clause
"""Logins on this host: may one be the caller's that was not recognised?  The guard spares all of them then."""

from __future__ import annotations

import os

from ..errors import Error
from ..model.four_tuple import FourTuple
from ..system import cgroup_names, procfs
from ..system.lookups import Lookups
from . import console
from .login_services import is_login_service
from .session import OwnSession, ancestors, multiplexer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..system.holders import Owners

    Ends = tuple[bytes, int, bytes, int]


#: where systemd keeps the units that no file of the host's declares
TRANSIENT = "/run/systemd/transient/"


def may_be_ours(session: OwnSession) -> bool:
    """May the caller have come by a login that was not found?  From what: see why_ours()."""
    return bool(why_ours(session))


def why_ours(session: OwnSession) -> str:
    """What says that the caller came by a login, in a few words; "" when nothing does."""
    if session.unseen:
        return session.unseen
    if session.unreadable:
        return "a process above this one cannot be read"
    try:
        if procfs.have_terminal():
            return "" if console.is_ours() else "this process has a terminal"
    except OSError:
        return "whether this process has a terminal cannot be read"
    chain = list(ancestors())
    # The first process has no parent; neither has one from another PID namespace.
    if not chain or chain[-1] != 1 or procfs.is_led_from_outside():
        return "the processes above this one are in another PID namespace"
    return _detached(chain)


def _detached(chain: list[int]) -> str:
    """Whoever has detached himself has PID 1 for a parent, no terminal, and leaves traces.

    An audit session or a session scope whose login service has ended is no
    reason: session.py looks for that.
    """
    if multiplexer():
        return f"{multiplexer()} says that a terminal multiplexer started it, to which anybody may be attached"
    for name in ("SUDO_USER", "SUDO_UID", "DOAS_USER", "PKEXEC_UID"):
        if os.environ.get(name):
            return f"{name} says that somebody who logged in became another user"
    for pid in chain:
        try:
            if procfs.command_of(pid) == "atd":
                return "at(1) started it for somebody"
        except OSError:
            continue
    for line in procfs.lines_of("/proc/self/cgroup"):
        for part in line.split("/"):
            if part.startswith("run-") and part.endswith((".service", ".scope")):
                return f"systemd-run(1) started it for somebody ({part})"
            if part.endswith(".service") and os.path.exists(TRANSIENT + part):  # systemd-run --unit
                return f"systemd-run(1) started it for somebody ({part})"
            if part.startswith("user@") and part.endswith(".service"):
                return f"a user's own service manager started it ({part})"
    if not procfs.some_are_hidden() and cgroup_names.own_are_hidden():
        return "its cgroup, which may say who started it, is not shown in its cgroup namespace"
    return ""


def named_alive(session: OwnSession) -> list[Ends]:
    """What SSH_CONNECTION names and is there, where who holds it cannot be read.

    The variable may be an older login's: in tmux, say, or where every ancestor can be read and none
    holds a connection, it tells nothing.
    """
    if not session.unreadable or multiplexer():
        return []
    lookups = Lookups()
    return [ends for ends in session.tuples if is_alive(ends, lookups)]


def is_alive(ends: Ends, lookups: Lookups) -> bool:
    """Is there a connection with this four-tuple, in its IPv4 or its v4-mapped shape, whatever it is bound to?"""
    try:
        return bool(lookups.rows(FourTuple(*ends)))
    except (Error, ValueError):
        return False  # as far as can be told, or no tuple of a connection


def unseen_logins(owners: Owners) -> frozenset[int]:
    """The users as whom a login service may hold a connection without our seeing it.

    Everybody may read a process's name and user, and not what it holds; what
    it accepts belongs to the user that listens, and that is its own.
    """
    processes = owners.processes
    users = {uid for pid in owners.unread if is_login_service(processes.comm(pid)) for uid in processes.uids(pid) or ()}
    return frozenset(users | {0} if owners.hidden else users)
