# SPDX-License-Identifier: BSD-2-Clause
"""Does the operator sit at a console of this host, so that no connection carries what he types?

A virtual console has a keyboard, and a serial line leads out of the machine.  devices.txt in the kernel's
admin-guide, console(4), ttyS(4).
"""

from __future__ import annotations

import os

from ..system import procfs
from .session import SERVERS, ancestors, multiplexer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

#: virtual consoles and UARTs; further UARTs (ARM's); a hypervisor's console
_CONSOLES = (4, 204, 229)
_PSEUDO = range(136, 144)
#: what stands on a virtual console; whichever of them shows; a keyboard that a program makes: any console may be meant
_ANY = ("/dev/vcs", "/dev/tty0", "/dev/uinput", "/dev/input/uinput", "/dev/uhid")
_EVERY = -1
_MASTERS = ("/dev/ptmx", "/dev/pts/ptmx")


def is_ours() -> bool:
    """Certainly so.

    What stands between us and the login has the console for a terminal, or a pseudo terminal that one of
    these shows (sudo, script); and nobody else has the console open, or a keyboard of his own making, who
    may type there for another (conspy, a server of VNC for the framebuffer).
    """
    try:
        line = [os.getpid(), *ancestors()]
        if line.pop() != 1 or multiplexer() or procfs.some_are_hidden():
            return False
        terminals = {procfs.terminal_of(pid) for pid in line}
        consoles = {one for one in terminals if _major(one) in _CONSOLES}
        pseudo = {one for one in terminals if _major(one) in _PSEUDO}
        if len(consoles) != 1 or consoles | pseudo != terminals or any(procfs.command_of(pid) in SERVERS for pid in line):
            return False
        shown = {f"{_minor(one) + 256 * (_major(one) - _PSEUDO[0])}" for one in pseudo}
        return shown <= _shown_by(line) and not _is_open_elsewhere(*consoles)
    except OSError:  # somebody has ended, or cannot be read
        return False


def _shown_by(line: list[int]) -> set[str]:
    """The numbers of the pseudo terminals of which these processes have the other end."""
    infos = [fdinfo for pid in line for link, fdinfo in procfs.streams_of(pid) if link in _MASTERS]
    return {text.partition(":")[2].strip() for fdinfo in infos for text in procfs.lines_of(fdinfo) if text.startswith("tty-index:")}


def _is_open_elsewhere(console: int) -> bool:
    """Has a process that belongs to another terminal, or to none, the console open?  Raises OSError."""
    for pid in procfs.all_pids():
        try:
            if procfs.terminal_of(pid) != console and {console, _EVERY}.intersection(_terminals_open_in(pid)):
                return True
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has ended
    return False


def _terminals_open_in(pid: int) -> Iterator[int]:
    for link, fdinfo in procfs.streams_of(pid):
        if link.startswith(_ANY):
            yield _EVERY
        elif link.startswith("/dev/") and link not in ("/dev/null", "/dev/zero", "/dev/urandom"):
            yield _by_device(os.stat(fdinfo.replace("/fdinfo/", "/fd/")).st_rdev)


def _by_device(rdev: int) -> int:
    return _number(os.major(rdev), os.minor(rdev))


# As /proc/PID/stat numbers terminals: proc_pid_stat(5).


def _number(major: int, minor: int) -> int:
    return major << 8 | minor & 0xFF | (minor & ~0xFF) << 12


def _major(number: int) -> int:
    return number >> 8 & 0xFFF


def _minor(number: int) -> int:
    return number & 0xFF | number >> 12 & ~0xFF
