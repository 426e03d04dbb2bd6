# SPDX-License-Identifier: BSD-2-Clause
"""May the caller borrow a descriptor of another process?  Asked of the kernel, without side effects.

pidfd_getfd(2) wants the rights of ptrace(2): the same user, or CAP_SYS_PTRACE;
Yama narrows that to one's own children.
"""

from __future__ import annotations

import errno
import os

from ..errors import Error
from ..model.addresses import is_number
from . import kernel, procfs
from .processes import Processes

#: a number that no process has open: borrowing it fails with EBADF where borrowing is permitted
NO_DESCRIPTOR = (1 << 31) - 1

CAP_SYS_PTRACE = 19

#: no connection has them
_ENDS = (b"\x7f\x00\x00\x01", 1, b"\x7f\x00\x00\x01", 2)


def may_borrow(pid: int) -> bool | None:
    """Does this process lend its descriptors?  None: it is gone, or the kernel gave another answer."""
    try:
        kernel.abort_held(pid, NO_DESCRIPTOR, _ENDS, cookie=1, inode=1, dry_run=True)
    except Error as error:
        if error.errno == errno.EBADF:
            return True
        if error.errno in (errno.EPERM, errno.EACCES, errno.ENOSYS):
            return False
    return None


def any_lends(*, mine: bool) -> bool | None:
    """Does some process of the caller's user (mine), or of another one, lend?  None: there is none to ask that could refuse.

    Not our own process nor a child, whom Yama lets pass.
    """
    processes, own = Processes(), os.getpid()
    answer: bool | None = None
    for pid in procfs.all_pids():
        uids = processes.uids(pid)
        if pid == own or uids is None or (os.geteuid() in uids) is not mine:
            continue
        lends = may_borrow(pid)
        if lends:
            return True
        if lends is False:
            answer = False
    return may_borrow_all() if answer is None and not mine else answer


def may_borrow_all() -> bool:
    """Has the caller CAP_SYS_PTRACE, so that nothing but Yama could refuse?  capabilities(7)."""
    words = next((line.split() for line in procfs.lines_of("/proc/self/status") if line.startswith("CapEff:")), [])
    effective = int(words[1], 16) if len(words) == 2 and not words[1].strip("0123456789abcdef") else 0
    return bool(effective >> CAP_SYS_PTRACE & 1) and yama() != 3


def yama() -> int | None:
    """kernel.yama.ptrace_scope; None where there is no Yama."""
    text = procfs.text_of("/proc/sys/kernel/yama/ptrace_scope").strip()
    return int(text) if is_number(text) and len(text) < 4 else None


def hint() -> str:
    """What would give the right, in one clause."""
    scope = yama()
    if scope == 3:
        return "kernel.yama.ptrace_scope=3 forbids it to everybody until the next boot"
    if os.geteuid() == 0:
        return "needs CAP_SYS_PTRACE, in a container --cap-add SYS_PTRACE"
    if scope:
        return f"needs CAP_SYS_PTRACE, or for your own processes kernel.yama.ptrace_scope=0 (it is {scope})"
    return "needs the process's own user, or CAP_SYS_PTRACE"
