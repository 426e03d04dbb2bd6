# SPDX-License-Identifier: BSD-2-Clause
"""The second half of check(), Linux only: descriptors, what is in the way, the session, and what follows of it."""

from __future__ import annotations

import errno
import os

from . import _tcpdrop, capabilities, carrier, host, netns, ptrace

_UNHELD = "connections that no process holds (TIME_WAIT, SYN_RECV, orphans)"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .capabilities import Capabilities


def look(found: Capabilities) -> None:
    """Fill in what is still empty."""
    found.namespace = netns.identity()
    found.container = host.container()
    found.selinux, found.seccomp, found.hidepid, found.yama = host.selinux(), host.seccomp(), host.hidepid(), ptrace.yama()
    # Our own are duplicated without asking anybody.
    found.descriptors = {"own": True, "user": ptrace.any_lends(mine=True), "others": ptrace.any_lends(mine=False)}
    session = carrier.recognise()
    found.session = {"known": session.known, "connections": session.connections, "text": str(session)}
    _say_descriptors(found)
    _conclude(found)
    found.fix = _fix(found)


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
        _tcpdrop.socket_of(os.getpid(), ptrace.NO_DESCRIPTOR)
    except OSError as error:
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


def _fix(found: Capabilities) -> str:
    """One line."""
    if found.ok:
        return "" if found.supported is not False else f"CONFIG_INET_DIAG_DESTROY=y in the kernel, for {_UNHELD}"
    if not found.listing:
        if found.selinux == "enforcing" and found.problems and "Permission denied" in found.problems[0]:
            return "SELinux: allow netlink_tcpdiag_socket to this domain (ausearch -m avc -ts recent), or run unconfined"
        return "INET_DIAG and INET_TCP_DIAG in the kernel (modprobe tcp_diag)"
    if os.geteuid():
        return f"sudo {capabilities.own_command()}"
    if found.supported is False:
        return "CAP_SYS_PTRACE (in a container --cap-add SYS_PTRACE), or CONFIG_INET_DIAG_DESTROY=y in the kernel"
    if found.container == "kubernetes":
        return "NET_ADMIN in the container's securityContext.capabilities.add"
    if found.container:
        return "CAP_NET_ADMIN: start the container with --cap-add NET_ADMIN"
    return "CAP_NET_ADMIN, in a container --cap-add NET_ADMIN"
