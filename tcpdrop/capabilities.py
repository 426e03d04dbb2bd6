# SPDX-License-Identifier: BSD-2-Clause
"""Can this host drop connections, and may the caller?  Asked of the kernel, without side effects."""

from __future__ import annotations

import errno
import os
import sys

from . import _tcpdrop, backend, netns

#: a filter on the socket mark, which the kernel takes from CAP_NET_ADMIN only
#: (INET_DIAG_BCMARK_COND, mark 0, mask 0; Linux 4.9)
MARK_COND = bytes([10, 12, 16, 0]) + bytes(8)


class Capabilities:
    """What check() found.  None is "could not be told", or there is no such thing on this system."""

    __slots__ = (
        *("backend", "command", "container", "descriptors", "fix", "fails", "hidepid", "listing", "namespace"),
        *("permitted", "problems", "seccomp", "selinux", "session", "supported", "system", "works", "yama"),
    )

    def __init__(self, system: str, backend: str) -> None:
        self.system = system
        self.backend = backend
        #: can connections be listed?
        self.listing = False
        #: can this kernel drop connections by itself (Linux: SOCK_DESTROY)?
        self.supported: bool | None = None
        #: may the caller drop other users' connections in this network namespace so?
        self.permitted: bool | None = None
        #: whose descriptors lead to a socket (Linux): "own", "user" the caller's other processes, "others"
        self.descriptors: dict[str, bool | None] = {"own": None, "user": None, "others": None}
        #: what is in the way (Linux): kernel.yama.ptrace_scope, /proc's hidepid, a seccomp filter, SELinux' mode
        self.yama: int | None = None
        self.hidepid: str | None = None
        self.seccomp: bool | None = None
        self.selinux: str | None = None
        #: the network namespace, and the kind of container around us
        self.namespace: str | None = None
        self.container: str | None = None
        #: is the operator's session recognised, and by which connections?
        self.session: dict[str, object] = {"known": None, "connections": [], "text": ""}
        #: which connections can be dropped, and which cannot
        self.works: list[str] = []
        self.fails: list[str] = []
        #: one line for each thing that is missing, and what to do
        self.problems: list[str] = []
        #: the one line that would mend it; "" when nothing has to be mended
        self.fix = ""
        #: the command that works here, to copy; "" when none does
        self.command = ""

    @property
    def ok(self) -> bool:
        """Will a drop of any user's connection work, as far as can be told?"""
        return (bool(self.supported) and self.permitted is not False) or bool(self.listing and self.descriptors["others"])

    def as_dict(self) -> dict[str, object]:
        names = (
            *("system", "backend", "listing", "supported", "permitted", "descriptors", "yama", "hidepid", "seccomp", "selinux"),
            *("namespace", "container", "session", "works", "fails", "problems", "fix", "command"),
        )
        return {"ok": self.ok, **{name: getattr(self, name) for name in names}}


def check() -> Capabilities:
    """Ask the kernel what it can and the caller may.  Needs no privilege, drops nothing, never raises OSError."""
    uname = os.uname()
    found = Capabilities(f"{uname.sysname} {uname.release}", backend.NAME)
    _check_listing(found)
    if found.listing:
        _check_support(found)
        _check_right(found)
    if backend.DESCRIPTORS:
        from . import surroundings

        surroundings.look(found)
    # As uid 0 without the right, sudo would change nothing.
    if found.ok or (found.supported and os.geteuid()):
        prefix = "" if found.ok else "sudo "
        found.command = f"{prefix}{own_command()} LADDR LPORT RADDR RPORT"
    return found


def _check_listing(found: Capabilities) -> None:
    try:
        _tcpdrop.list_connections(0)
        found.listing = True
    except OSError as error:
        if found.backend == "unsupported":
            found.problems.append(f"tcpdrop knows no way to list or drop connections on {found.system}")
        else:
            found.problems.append(f"connections cannot be listed: {_reason(error)}; {backend.LISTING}")


def _check_support(found: Capabilities) -> None:
    try:
        _tcpdrop.probe()
        found.supported = True
        found.permitted = True if backend.PROBE_ASKS_RIGHT else None
    except OSError as error:
        if error.errno in (errno.EOPNOTSUPP, errno.EINVAL):
            found.supported = False
            found.problems.append(missing_support(error.errno))
        elif error.errno == errno.EPERM or (error.errno == errno.EACCES and not backend.PROBE_ASKS_RIGHT):
            # A right is asked for before the kernel looks: so it can.
            found.supported = True
            if backend.PROBE_ASKS_RIGHT:
                found.permitted = False
                found.problems.append(missing_right())
        else:
            found.problems.append(f"cannot tell whether this kernel drops connections: {_reason(error)}")


def _check_right(found: Capabilities) -> None:
    if backend.PROBE_ASKS_RIGHT:
        return  # it told
    try:
        _tcpdrop.list_connections(0, MARK_COND)
        found.permitted = True
    except OSError as error:
        if error.errno == errno.EPERM:
            found.permitted = False
            found.problems.append(missing_right())
        else:
            found.problems.append(f"cannot tell whether you may drop connections: {_reason(error)}")


def _reason(error: OSError) -> str:
    hint = backend.HINTS.get(error.errno or 0)
    return f"{getattr(error, 'step', '')}: {error.strerror}{f' ({hint})' if hint else ''}"


def missing_right() -> str:
    """What to do about EPERM, in one clause."""
    if errno.EPERM in backend.HINTS:
        return backend.HINTS[errno.EPERM]
    where = netns.identity() or "this network namespace"
    how = (
        f"run as root: sudo {own_command()}" if os.geteuid() else "uid 0 is not enough here, as in a container without --cap-add NET_ADMIN"
    )
    return f"needs CAP_NET_ADMIN in the user namespace that owns network namespace {where}; {how}"


def missing_support(number: int | None) -> str:
    """What to do about EOPNOTSUPP (or EINVAL), in one clause."""
    if backend.HINTS:
        return backend.HINTS.get(number or 0, "")
    if backend.NAME == "unsupported":
        return "tcpdrop knows no way to drop connections on this system"
    if number == errno.EINVAL:
        return "this kernel is too old to drop connections: Linux has SOCK_DESTROY since 4.5"
    return "this kernel is built without CONFIG_INET_DIAG_DESTROY"


def own_command() -> str:
    """How this very program is started, as an absolute path that sudo finds too."""
    script = sys.argv[0] if sys.argv else ""
    if os.path.basename(script) == "tcpdrop" and os.path.isfile(script):
        return os.path.abspath(script)
    return f"{sys.executable} -I -m tcpdrop"
