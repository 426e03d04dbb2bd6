# SPDX-License-Identifier: BSD-2-Clause
"""Does the operator sit at a console of this host, so that no connection carries what he types?

A virtual console has a keyboard, and a serial line leads out of the machine.  But whoever may (openvt, over
ssh) starts a program at one, and types nothing there: so login(1) must stand above us, or sulogin(8).
devices.txt in the kernel's admin-guide, console(4), ttyS(4).
"""

from __future__ import annotations

import os

from ..system import procfs
from .session import SERVERS, ancestors, multiplexer

#: virtual consoles and UARTs; further UARTs (ARM's); a hypervisor's console
_CONSOLES = (4, 204, 229)
_PSEUDO = range(136, 144)
#: who asks for the password at a console, and stays above the shell
_LOGINS = ("login", "sulogin")
#: what stands on a virtual console; whichever of them shows; a keyboard that a program makes: any console may be meant
_ANY = ("vcs", "tty0", "uinput", "uhid")
_MASTERS = ("/dev/ptmx", "/dev/pts/ptmx")


def is_ours() -> bool:
    """Certainly so.

    What stands between us and the login has the console for a terminal, or a pseudo terminal that one of
    these shows (sudo, script); the login itself may have left it to its child (util-linux). And nobody
    else has the console open, or a keyboard of his own making, who may type there for another (conspy, a
    server of VNC for the framebuffer).
    """
    try:
        line = [os.getpid(), *ancestors()]
        if line[-1] != 1 or multiplexer() or procfs.some_are_hidden():
            return False
        names = [procfs.command_of(pid) for pid in line]
        below = line[: next((place for place, name in enumerate(names) if name in _LOGINS), 0)]
        terminals = {procfs.terminal_of(pid) for pid in below}
        consoles = [one for one in terminals if _major(one) in _CONSOLES]
        pseudo = [one for one in terminals if _major(one) in _PSEUDO]
        if len(consoles) != 1 or len(pseudo) + 1 != len(terminals) or not set(SERVERS).isdisjoint(names):
            return False
        shown = {f"{_minor(one) + 256 * (_major(one) - _PSEUDO[0])}" for one in pseudo}
        return shown <= _shown_by(below) and not _is_open_elsewhere(consoles[0], line)
    except OSError:  # somebody has ended, or cannot be read
        return False


def _shown_by(line: list[int]) -> set[str]:
    """The numbers of the pseudo terminals of which these processes have the other end."""
    infos = [fdinfo for pid in line for link, fdinfo in procfs.streams_of(pid) if link in _MASTERS]
    return {text.partition(":")[2].strip() for fdinfo in infos for text in procfs.lines_of(fdinfo) if text.startswith("tty-index:")}


def _is_open_elsewhere(console: int, line: list[int]) -> bool:
    """May a process that belongs to another terminal, or to none, and is none of these, have the console open?  Raises OSError."""
    for pid in set(procfs.all_pids()).difference(line):
        try:
            elsewhere = procfs.terminal_of(pid) != console
            streams = list(procfs.streams_of(pid)) if elsewhere else []
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has ended
        if any(_may_be(console, link, fdinfo) for link, fdinfo in streams):
            return True
    return False


def _may_be(console: int, link: str, fdinfo: str) -> bool:
    directory, _, name = link.rpartition("/")
    if directory not in ("/dev", "/dev/input"):
        # A device may have another name, below a root of its own (chroot): what it is called is enough, and no file is asked.
        return name.startswith((*_ANY, "tty", "hvc", "console")) and "/dev" in directory
    if name.startswith(_ANY):
        return True
    try:
        rdev = os.stat(fdinfo.replace("/fdinfo/", "/fd/")).st_rdev
    except FileNotFoundError:
        return False  # closed meanwhile
    if rdev == os.makedev(5, 1):
        return _of_system() in (console, None)
    return _number(os.major(rdev), os.minor(rdev)) == console


def _of_system() -> int | None:
    """Which terminal /dev/console is; None: whichever virtual console shows, or it cannot be told.  sysfs-tty in the kernel's ABI."""
    name = procfs.text_of("/sys/class/tty/console/active").split()[-1:]
    major, _, minor = procfs.text_of(f"/sys/class/tty/{name[0]}/dev").strip().partition(":") if name and name != ["tty0"] else ("", "", "")
    return _number(int(major), int(minor)) if major and minor else None


# As /proc/PID/stat numbers terminals: proc_pid_stat(5).


def _number(major: int, minor: int) -> int:
    return major << 8 | minor & 0xFF | (minor & ~0xFF) << 12


def _major(number: int) -> int:
    return number >> 8 & 0xFFF


def _minor(number: int) -> int:
    return number & 0xFF | number >> 12 & ~0xFF
