# SPDX-License-Identifier: BSD-2-Clause
"""Can this host drop connections, and may the caller?  Asked of the kernel, without side effects."""

from __future__ import annotations

import errno
import os

from .errors import Error, Refused
from .model.addresses import harmless
from .safety import recognition, rules
from .system import environment, netns, platform, ptrace, refusals, sunos_release, trials


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
        #: what was asked of the kernel, in the words of trials.py: does it work, and if not the step, the errno, the likeliest cause
        self.asked: list[dict[str, object]] = []
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
    tried = {one.name: one for one in trials.trials()}
    found.asked = [one.as_dict() for one in tried.values()]
    refusal = tried[trials.LIST].error
    found.listing = refusal is None
    if refusal is not None:
        _say_no_listing(found, refusal)
    else:
        _conclude_support(found, tried[trials.DROP].error)
        if trials.RIGHT in tried:  # else it was asked for with the other
            _conclude_right(found, tried[trials.RIGHT].error)
    if platform.DESCRIPTORS:
        _look_around(found, tried[trials.BORROW].error)
        found.fix = _fix(found, refusal)
    if platform.HAS_CAUTIONS:
        found.cautions = sunos_release.cautions(uname.version)
    mended_by_sudo = _check_rules(found)
    # As uid 0 without the right, sudo would change nothing.
    if found.ok or (found.supported and os.geteuid() and mended_by_sudo):
        prefix = "" if found.ok else "sudo "
        found.command = f"{prefix}{refusals.own_command()} LADDR LPORT RADDR RPORT"
    return found


def _say_no_listing(found: Capabilities, why: Error) -> None:
    if found.backend == "unsupported":
        found.problems.append(f"tcpdrop knows no way to list or drop connections on {found.system}")
    else:
        known = refusals.cause(why.step, why.errno)
        found.problems.append(f"connections cannot be listed: {_reason(why)}" + ("" if known else f"; {platform.LISTING}"))


def _conclude_support(found: Capabilities, refusal: Error | None) -> None:
    number = None if refusal is None else refusal.errno
    if refusal is None:
        found.supported = True
        found.permitted = True if platform.PROBE_ASKS_RIGHT else None
    elif number in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):
        found.supported = False
        found.problems.append(refusals.cause(refusal.step, number))
    elif number == errno.EPERM or (number == errno.EACCES and not platform.PROBE_ASKS_RIGHT):
        # A right is asked for before the kernel looks: so it can.
        found.supported = True
        if platform.PROBE_ASKS_RIGHT:
            found.permitted = False
            found.problems.append(refusals.missing_right())
    else:
        found.problems.append(f"cannot tell whether this kernel drops connections: {_reason(refusal)}")


def _conclude_right(found: Capabilities, refusal: Error | None) -> None:
    if refusal is None:
        found.permitted = True
    elif refusal.errno == errno.EPERM:
        found.permitted = False
        found.problems.append(refusals.missing_right())
    else:
        found.problems.append(f"cannot tell whether you may drop connections: {_reason(refusal)}")


def _check_rules(found: Capabilities) -> bool:
    """Say each line, and all that is wrong.  Does nothing stand in the way but that we may not read them?"""
    unmended = []
    for path, number, what in rules.lines():
        if isinstance(what, Refused):
            found.rules = False
            found.problems.append(str(what))
            if what.errno not in (errno.EACCES, errno.EPERM):
                unmended.append(harmless(path))
        else:
            said = f"login {harmless(what)}" if isinstance(what, str) else f"protect {what}"
            found.rule_lines.append(f"{harmless(path)} line {number}: {said}")
    found.cautions += [f"{harmless(path)} is not read: its name does not end in .conf" for path in rules.unread()]
    if unmended:
        found.fix = f"mend {' and '.join(dict.fromkeys(unmended))}"
    return not unmended


def _reason(error: Error) -> str:
    """The step, the errno in words and by name, the likeliest cause."""
    number = error.errno or 0
    named = f"{error.step}: {os.strerror(number)}, {refusals.name_of(number)}"
    cause = refusals.cause(error.step, number)
    return f"{named} ({cause})" if cause else named


# ---- Linux: descriptors, what is in the way, the session, and what follows of it

_UNHELD = "connections that no process holds (TIME_WAIT, SYN_RECV, orphans)"


def _look_around(found: Capabilities, lends_nothing: Error | None) -> None:
    """Fill in what is still empty.  lends_nothing: why not even our own process lends a descriptor."""
    found.namespace = netns.identity()
    found.container = environment.container()
    found.selinux, found.seccomp, found.hidepid, found.yama = (
        environment.selinux(),
        refusals.filtered(),
        environment.hidepid(),
        ptrace.yama(),
    )
    # Our own are duplicated without asking anybody.
    found.descriptors = {"own": True, "user": ptrace.any_lends(mine=True), "others": ptrace.any_lends(mine=False)}
    session = recognition.recognise()
    found.session = {"known": session.known, "connections": session.connections, "text": str(session)}
    _say_descriptors(found, lends_nothing)
    _conclude(found)


def _say_descriptors(found: Capabilities, lends_nothing: Error | None = None) -> None:
    """What is in the way of descriptors, where they are needed."""
    if found.descriptors["user"] is False and found.seccomp and lends_nothing is not None:
        found.problems.append("descriptors of other processes cannot be borrowed: a seccomp filter forbids pidfd_getfd(2)")
    elif found.descriptors["user"] is False and found.yama:
        how = "until the next boot" if found.yama == 3 else "sysctl kernel.yama.ptrace_scope=0, or run as root"
        found.problems.append(f"kernel.yama.ptrace_scope={found.yama} keeps your processes' descriptors from each other: {how}")
    if found.hidepid and os.geteuid():
        found.problems.append(f"/proc is mounted with hidepid={found.hidepid}: who holds others' connections does not show; run as root")


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
        helps = refusals.remedy(refusal.step, refusal.errno) if refusal is not None else ""
        return helps or "to be found out: strace -f -e trace=network tcpdrop list"
    if os.geteuid():
        return f"sudo {refusals.own_command()}"
    if found.supported is False:
        return "CAP_SYS_PTRACE (in a container --cap-add SYS_PTRACE), or CONFIG_INET_DIAG_DESTROY=y in the kernel"
    if found.container == "kubernetes":
        return "NET_ADMIN in the container's securityContext.capabilities.add"
    if found.container:
        return "CAP_NET_ADMIN: start the container with --cap-add NET_ADMIN"
    return "CAP_NET_ADMIN, in a container --cap-add NET_ADMIN"
