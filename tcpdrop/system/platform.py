# SPDX-License-Identifier: BSD-2-Clause
"""What the system behind the C module can do: the one place in Python that knows systems by name.

The rest asks for the trait, so that a port is described here and nowhere else.
What a trait chooses for Solaris and illumos alone stands in files named sunos_*:
model/sunos_clock.py, and here sunos_zones.py, sunos_fdinfo.py, sunos_psinfo.py.
"""

from __future__ import annotations

import errno
import os

from .. import _tcpdrop
from ..model.addresses import is_number

NAME = _tcpdrop.BACKEND
_LINUX, _SUNOS = NAME == "linux", NAME == "sunos"

#: abort() returns before the socket is gone: look again until it is
QUEUED = _SUNOS
#: every look-up is a walk over all connections: never one for each of many
LOOKS_BY_WALK = _SUNOS
#: a socket bound to an interface is found only with that interface's index
TRIES_INTERFACES = not _SUNOS
#: there are network namespaces
NETNS = _LINUX
#: a row tells when its connection was made, by the clock of sunos_clock.py
CREATION_TIMES = _SUNOS
#: /proc tells what a process holds by both ends, not by inode: sunos_fdinfo.py
HELD_BY_ENDS = _SUNOS
#: there are zones, and an abort may name one
ZONES = _SUNOS
#: no two sockets have the same cookie; elsewhere those made in one tick by one process do
COOKIES_ARE_UNIQUE = _LINUX
#: a process can drop its own connection by its descriptor
DESCRIPTORS = _LINUX
#: what the program that held a connection gets when the kernel aborts it: the errno's name
VICTIM_SEES = "ECONNRESET" if _SUNOS else "ECONNABORTED"
#: the peer of a dropped connection may get a reset at once
TELLS_PEER = _LINUX
#: releases are known whose kernel does something wrong where we meet it: sunos_release.py
HAS_CAUTIONS = _SUNOS
#: probe() asks for the right too; elsewhere a filter on the socket mark does
PROBE_ASKS_RIGHT = _SUNOS

#: the step at which the kernel refuses to abort a connection
ABORT = "TCP_IOC_ABORT_CONN" if _SUNOS else "destroy"

_RIGHT = "needs the privilege sys_ip_config, as root has it; a zone that shares its IP stack never does: drop from the global zone"
_STRUCTURE = (
    "this kernel has no TCP_IOC_ABORT_CONN, or one with another structure; illumos and Solaris 8 to 10 have the one "
    "that is sent, Oracle Solaris 11 is unknown: please report it"
)

_HEADERS = (
    "built where the system's headers have no tcp_ioc_abort_conn_t, or lay something out otherwise than tcpdrop sends it: "
    "what it was stands in the build's output (pip install -v), please report it"
)

#: what to look at where connections cannot be listed, and the errno does not say why
LISTING = "ss -t asks the same: does it work?" if _LINUX else "netstat reads the same tables: does it work?"

#: errno -> what it means and what to do, in one clause, where the number alone says too little
HINTS: dict[int, str] = {}
if _SUNOS:
    HINTS = {
        errno.EPERM: _RIGHT,
        # The C side makes this of the kernel's EINVAL, for a checked request is never invalid.
        errno.EOPNOTSUPP: _STRUCTURE,
        # The C side's own: src/sunos_abi.c did not compile here.
        errno.ENOSYS: _HEADERS,
        errno.EAGAIN: "the kernel is short of memory, and leaves connections out of its answers then: try again",
        errno.EACCES: "/dev/arp (to list) or /dev/tcp (to drop) cannot be opened: a zone or a chroot may forbid it; run as root",
        errno.EBUSY: "the device or the stream is in use exclusively; try again",
        errno.ENODEV: "the device is missing: in a chroot /dev must have arp and tcp",
        errno.ENXIO: "the device has no driver behind it, or its stream was hung up; try again",
    }
    if hasattr(errno, "ENOSR"):
        HINTS[errno.ENOSR] = "the kernel has no STREAMS resources or memory left just now; try again"


def release() -> tuple[int, int]:
    """The kernel's version, major and minor; (0, 0) where it is no such thing."""
    major, _, rest = os.uname().release.partition(".")
    minor = rest[: len(rest) - len(rest.lstrip("0123456789"))]
    return (int(major), int(minor or 0)) if is_number(major) else (0, 0)


# ---- is there such a process?  What /proc does not show may be hidden (hidepid), or another PID namespace's


def process_exists(pid: int) -> bool:
    return os.path.exists(f"/proc/{pid}")


def process_is_absent(pid: int) -> bool:
    """Is there certainly no process, and no thread, of this number?  Also where /proc does not show everybody."""
    try:
        if os.readlink("/proc/self") != str(os.getpid()):
            return False  # it has the numbers of another PID namespace
        os.kill(pid, 0)  # sends nothing
    except ProcessLookupError:
        return not process_exists(pid)
    except (OSError, OverflowError):
        return False
    return False
