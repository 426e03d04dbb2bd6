# SPDX-License-Identifier: BSD-2-Clause
"""Can this host drop connections, and may the caller?  Asked of the kernel, without side effects."""

from __future__ import annotations

import errno
import os

from .errors import Error, Refused
from .model.addresses import printable
from .safety import recognition, rules
from .system import environment, kernel, netns, platform, ptrace, sunos_release
from .system.rights import MARK_COND, missing_right, missing_support, own_command


class Capabilities:
    """What check() found.  None is "could not be told", or there is no such thing on this system."""

    def __init__(self, system: str, backend: str) -> None:
        # In the order of JSON, which has all of them.
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
        #: can /etc/tcpdrop.conf and its drop-ins be followed?  Else every drop is refused
        self.rules = True
        #: what each line of them says, with its file and number
        self.rule_lines: list[str] = []
        #: which connections can be dropped, and which cannot
        self.works: list[str] = []
        self.fails: list[str] = []
        #: what this release of the kernel is known to do wrong where tcpdrop meets it (illumos)
        self.cautions: list[str] = []
        #: one line for each thing that is missing, and what to do
        self.problems: list[str] = []
        #: the one line that would mend it; "" when nothing has to be mended
        self.fix = ""
        #: the command that works here, to copy; "" when none does
        self.command = ""

    @property
    def ok(self) -> bool:
        """Will a drop of any user's connection work, as far as can be told?"""
        return self.rules and self.able

    @property
    def able(self) -> bool:
        """The same but for what the host's own rules say."""
        return (bool(self.supported) and self.permitted is not False) or bool(self.listing and self.descriptors["others"])

    def as_dict(self) -> dict[str, object]:
        return {"ok": self.ok, **vars(self)}


def check() -> Capabilities:
    """Ask the kernel what it can and the caller may.  Needs no privilege, drops nothing, never raises OSError."""
    uname = os.uname()
    found = Capabilities(f"{uname.sysname} {uname.release}", platform.NAME)
    refusal = _check_listing(found)
    if refusal is None:
        _check_support(found)
        _check_right(found)
    if platform.DESCRIPTORS:
        _look_around(found)
        found.fix = _fix(found, refusal)
    if platform.HAS_CAUTIONS:
        found.cautions = sunos_release.cautions(uname.version)
    mended_by_sudo = _check_rules(found)
    # As uid 0 without the right, sudo would change nothing.
    if found.ok or (found.supported and os.geteuid() and mended_by_sudo):
        prefix = "" if found.ok else "sudo "
        found.command = f"{prefix}{own_command()} LADDR LPORT RADDR RPORT"
    return found


def _check_listing(found: Capabilities) -> Error | None:
    try:
        kernel.list_connections(0)
    except Error as error:
        if found.backend == "unsupported":
            found.problems.append(f"tcpdrop knows no way to list or drop connections on {found.system}")
        else:
            found.problems.append(f"connections cannot be listed: {_reason(error)}; {platform.LISTING}")
        return error
    found.listing = True
    return None


def _check_support(found: Capabilities) -> None:
    try:
        kernel.probe()
        found.supported = True
        found.permitted = True if platform.PROBE_ASKS_RIGHT else None
    except Error as error:
        if error.errno in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):
            found.supported = False
            found.problems.append(missing_support(error.errno))
        elif error.errno == errno.EPERM or (error.errno == errno.EACCES and not platform.PROBE_ASKS_RIGHT):
            # A right is asked for before the kernel looks: so it can.
            found.supported = True
            if platform.PROBE_ASKS_RIGHT:
                found.permitted = False
                found.problems.append(missing_right())
        else:
            found.problems.append(f"cannot tell whether this kernel drops connections: {_reason(error)}")


def _check_right(found: Capabilities) -> None:
    if platform.PROBE_ASKS_RIGHT:
        return  # it told
    try:
        kernel.list_connections(0, MARK_COND)
        found.permitted = True
    except Error as error:
        if error.errno == errno.EPERM:
            found.permitted = False
            found.problems.append(missing_right())
        else:
            found.problems.append(f"cannot tell whether you may drop connections: {_reason(error)}")


def _check_rules(found: Capabilities) -> bool:
    """Say each line, and all that is wrong.  Does nothing stand in the way but that we may not read them?"""
    unmended = []
    for path, number, what in rules.lines():
        if isinstance(what, Refused):
            found.rules = False
            found.problems.append(str(what))
            if what.errno not in (errno.EACCES, errno.EPERM):
                unmended.append(printable(path))
        else:
            said = f"login {printable(what)}" if isinstance(what, str) else f"protect {what}"
            found.rule_lines.append(f"{printable(path)} line {number}: {said}")
    found.cautions += [f"{printable(path)} is not read: its name does not end in .conf" for path in rules.unread()]
    if unmended:
        found.fix = f"mend {' and '.join(dict.fromkeys(unmended))}"
    return not unmended


def _reason(error: Error) -> str:
    hint = platform.HINTS.get(error.errno or 0)
    return f"{error.step}: {os.strerror(error.errno or 0)}{f' ({hint})' if hint else ''}"


# ---- Linux: descriptors, what is in the way, the session, and what follows of it

_UNHELD = "connections that no process holds (TIME_WAIT, SYN_RECV, orphans)"


def _look_around(found: Capabilities) -> None:
    """Fill in what is still empty."""
    found.namespace = netns.identity()
    found.container = environment.container()
    found.selinux, found.seccomp, found.hidepid, found.yama = (
        environment.selinux(),
        environment.seccomp(),
        environment.hidepid(),
        ptrace.yama(),
    )
    # Our own are duplicated without asking anybody.
    found.descriptors = {"own": True, "user": ptrace.any_lends(mine=True), "others": ptrace.any_lends(mine=False)}
    session = recognition.recognise()
    found.session = {"known": session.known, "connections": session.connections, "text": str(session)}
    _say_descriptors(found)
    _conclude(found)


def _say_descriptors(found: Capabilities) -> None:
    """What is in the way of descriptors, where they are needed."""
    if found.descriptors["user"] is False and found.seccomp and not _can_borrow_at_all():
        found.problems.append("descriptors of other processes cannot be borrowed: a seccomp filter forbids pidfd_getfd(2)")
    elif found.descriptors["user"] is False and found.yama:
        how = "until the next boot" if found.yama == 3 else "sysctl kernel.yama.ptrace_scope=0, or run as root"
        found.problems.append(f"kernel.yama.ptrace_scope={found.yama} keeps your processes' descriptors from each other: {how}")
    if found.hidepid and os.geteuid():
        found.problems.append(f"/proc is mounted with hidepid={found.hidepid}: who holds others' connections does not show; run as root")


def _can_borrow_at_all() -> bool:
    """Our own process lends to itself, whatever Yama says: a refusal is the filter's."""
    try:
        kernel.socket_of(os.getpid(), ptrace.NO_DESCRIPTOR)
    except Error as error:
        return error.errno == errno.EBADF
    return True


def _conclude(found: Capabilities) -> None:
    """What can be dropped, and what cannot."""
    borrowed = found.descriptors
    if not found.listing:
        found.fails.append("everything: what cannot be listed cannot be dropped")
        return
    if found.supported and found.permitted is not False:
        found.works.append("every connection of this network namespace, by SOCK_DESTROY")
        if borrowed["others"]:
            found.works.append("MPTCP connections, through their holders' descriptors")
        else:
            found.fails.append("MPTCP connections of other users: their holders lend no descriptors")
        return
    if borrowed["others"]:
        found.works.append("every connection that a process holds, through its descriptor")
    elif borrowed["user"]:
        found.works.append("connections of your own processes, through their descriptors (--mine)")
    else:
        found.works.append("connections of the program itself that imports tcpdrop, through its descriptors")
    if not borrowed["others"]:
        found.fails.append("connections of other users")
    found.fails.append(_UNHELD)


def _fix(found: Capabilities, refusal: Error | None = None) -> str:
    """One line.  refusal: why connections cannot be listed."""
    if found.able:
        return "" if found.supported is not False else f"CONFIG_INET_DIAG_DESTROY=y in the kernel, for {_UNHELD}"
    if not found.listing:
        if found.selinux == "enforcing" and refusal is not None and refusal.errno == errno.EACCES:
            return "SELinux: allow netlink_tcpdiag_socket to this domain (ausearch -m avc -ts recent), or run unconfined"
        return "INET_DIAG and INET_TCP_DIAG in the kernel (modprobe tcp_diag)"
    if os.geteuid():
        return f"sudo {own_command()}"
    if found.supported is False:
        return "CAP_SYS_PTRACE (in a container --cap-add SYS_PTRACE), or CONFIG_INET_DIAG_DESTROY=y in the kernel"
    if found.container == "kubernetes":
        return "NET_ADMIN in the container's securityContext.capabilities.add"
    if found.container:
        return "CAP_NET_ADMIN: start the container with --cap-add NET_ADMIN"
    return "CAP_NET_ADMIN, in a container --cap-add NET_ADMIN"
