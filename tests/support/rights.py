# SPDX-License-Identifier: BSD-2-Clause
"""Who may not drop, and what is said to whom."""

import os

from support.command import COMMAND, NO_CAPABILITIES, NOBODY

from tcpdrop import _tcpdrop
from tcpdrop.system import platform

WHO = {"nobody": NOBODY, "root without capabilities": NO_CAPABILITIES}


def advice(wrapper):
    """How the user gets there: sudo, unless it is root already."""
    if wrapper == NOBODY:
        return f"run as root: sudo {COMMAND}"
    return "uid 0 is not enough here, as in a container without --cap-add NET_ADMIN"


def refused(wrapper):
    """The same behind the call that is refused, and its errno."""
    return f"{platform.ABORT}: EPERM; {missing(wrapper)}"


def missing(wrapper):
    """The right that is missing, and where, as a hint says it."""
    if _tcpdrop.BACKEND == "sunos":
        return "needs the privilege sys_ip_config, as root has it; a zone that shares its IP stack never does: drop from the global zone"
    where = os.readlink("/proc/self/ns/net")
    return f"needs CAP_NET_ADMIN in the user namespace that owns network namespace {where}; {advice(wrapper)}"
