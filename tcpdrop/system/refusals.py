# SPDX-License-Identifier: BSD-2-Clause
"""Why a kernel refuses, in one clause: the call that failed, its errno, the likeliest cause.

An errno proves little.  gVisor, a container's seccomp filter and a systemd unit
refuse the same call, and any of them can be told to answer as another does; the
process's own entries in /proc narrow it down.  seccomp(2), systemd.exec(5).
"""

from __future__ import annotations

import errno
import os
import sys

from ..model.addresses import printable
from . import netns, platform

#: of a subflow of MPTCP, which is not dropped so: the refusal is ours, and no call stands behind it
MPTCP = "SOCK_DESTROY ends a subflow of MPTCP, not the connection"

#: the directory that this package lies in
_HERE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

_EMULATED = "likeliest gVisor, WSL 1 or qemu's user mode, whose netlink has no sock_diag"
_UNIT = "likeliest RestrictAddressFamilies= of a systemd unit, which leaves AF_NETLINK out"
_FILTER = "likeliest a seccomp filter: a container's profile, or SystemCallFilter= of a systemd unit"
_LSM = "likeliest SELinux or AppArmor: the audit log has the line (ausearch -m avc -ts recent)"
_ALLOW_SOCKET = "socket(AF_NETLINK) let through: RestrictAddressFamilies=AF_NETLINK in a unit, --security-opt seccomp=FILE for a container"

#: (step, errno) -> the likeliest cause, and what would help ("": nothing but another kernel)
_CAUSES: dict[tuple[str, int], tuple[str, str]] = {
    ("socket", errno.EPROTONOSUPPORT): (_EMULATED, "the host itself, outside gVisor, or WSL 2: no setting gives this kernel sock_diag"),
    ("socket", errno.EAFNOSUPPORT): (_UNIT, _ALLOW_SOCKET),
    ("socket", errno.EPERM): (_FILTER, _ALLOW_SOCKET),
    ("socket", errno.ENOSYS): (_FILTER, _ALLOW_SOCKET),
    ("sendto", errno.EPERM): (_FILTER, "sendto(2) let through"),
    ("sendto", errno.ECONNREFUSED): ("no sock_diag listens in this kernel", "the host itself, outside gVisor"),
    ("dump", errno.ENOENT): ("the kernel's module tcp_diag is not there", "INET_TCP_DIAG in the kernel (modprobe tcp_diag)"),
    ("dump", errno.EOPNOTSUPP): (
        "the kernel's module inet_diag is not there",
        "INET_DIAG and INET_TCP_DIAG in the kernel (modprobe tcp_diag)",
    ),
    ("destroy", errno.EOPNOTSUPP): ("this kernel is built without CONFIG_INET_DIAG_DESTROY", "CONFIG_INET_DIAG_DESTROY=y in the kernel"),
    ("destroy", errno.EINVAL): ("this kernel is too old to drop connections: Linux has SOCK_DESTROY since 4.5", "Linux 4.5 or newer"),
    **dict.fromkeys(
        [(step, errno.EAGAIN) for step in ("dump", "MPTCP dump", "interfaces", "rules")],
        ("it changed each time that it was read: try again", ""),
    ),
    ("setns", errno.EPERM): ("needs CAP_SYS_ADMIN, here and in the user namespace that owns it; run as root", ""),
    ("pthread_create", errno.EAGAIN): ("no thread is to be had: ulimit -u, or the control group's pids.max", "a higher limit of processes"),
    ("pidfd_getfd", errno.ENOSYS): ("borrowing a descriptor takes Linux 5.6, or a seccomp filter forbids it", "pidfd_getfd(2) let through"),
}
#: errno -> the same, whatever the step
_ANYWHERE = {
    errno.EMFILE: ("this process has no descriptor left", "a higher ulimit -n"),
    errno.ENFILE: ("this host has no open file left", "a higher sysctl fs.file-max"),
    errno.ENOMEM: ("memory is short", "memory, or a higher ulimit -v"),
    errno.ENOBUFS: ("the kernel is short of memory: try again", ""),
}
#: refusals of the first call that say what they are; one cause explains any other as well as another
_PLAIN = (*_ANYWHERE, errno.EACCES)


def refused(step: str, number: int | None) -> str:
    """The call, its errno and the likeliest cause; the cause alone where no call is known."""
    because = cause(step, number)
    return because if step == "mptcp" else "; ".join(filter(None, (call(step, number), because)))


def call(step: str, number: int | None) -> str:
    """`socket: EPERM`; "" without a step."""
    return f"{step}: {name_of(number)}" if step else ""


def name_of(number: int | None) -> str:
    """EPERM; of two names that one number has, the one that manuals use."""
    return "EOPNOTSUPP" if number == errno.EOPNOTSUPP else errno.errorcode.get(number or 0, str(number))


def cause(step: str, number: int | None) -> str:
    """The likeliest cause, in one clause; "" where none is known."""
    number = number or 0
    if number in platform.HINTS:
        return platform.HINTS[number]
    if step == "mptcp":
        return MPTCP
    if step == "unsupported":
        return "tcpdrop knows no way to list or drop connections on this system"
    if number == errno.EPERM and step in ("destroy", "dump"):
        return missing_right()
    known = _known(step, number)[0]
    if step == "socket" and number not in _PLAIN:
        known += f"; seccomp, a unit and gVisor look alike from here, and {_evidence()}"
    return known


def remedy(step: str, number: int | None) -> str:
    """What would help, in one line; "" where that is not known."""
    return _known(step, number or 0)[1]


def _known(step: str, number: int) -> tuple[str, str]:
    if number == errno.EACCES and step in ("socket", "sendto", "dump", "destroy", "look-up"):
        return _LSM, ""
    # No kernel of Linux refuses the first call with another one: a filter answers with whatever it was told to.
    other = (_FILTER, _ALLOW_SOCKET) if step == "socket" else ("", "")
    return _CAUSES.get((step, number)) or _ANYWHERE.get(number) or other


def _evidence() -> str:
    """What shows of this process."""
    here = {True: "has a seccomp filter", False: "has no seccomp filter", None: "may have a seccomp filter"}[filtered()]
    unit = _unit()
    return f"this process {here}" + (f" and runs in {printable(unit)}" if unit else "")


def filtered() -> bool | None:
    """Is a filter on our system calls?  None where /proc does not tell.  seccomp(2), proc_pid_status(5)."""
    words = next((line.split() for line in _lines("/proc/self/status") if line.startswith("Seccomp:")), None)
    return None if words is None else words[1:] == ["2"]


def _unit() -> str:
    """The systemd service that this process belongs to; "" when it shows none."""
    groups = [part for line in _lines("/proc/self/cgroup") for part in line.split("/")]
    return next((part for part in reversed(groups) if part.endswith(".service")), "")


def _lines(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read().split("\n")
    except OSError:
        return []


def missing_right() -> str:
    """What to do about EPERM, in one clause."""
    if errno.EPERM in platform.HINTS:
        return platform.HINTS[errno.EPERM]
    where = netns.identity() or "this network namespace"
    how = (
        f"run as root: sudo {own_command()}" if os.geteuid() else "uid 0 is not enough here, as in a container without --cap-add NET_ADMIN"
    )
    return f"needs CAP_NET_ADMIN in the user namespace that owns network namespace {where}; {how}"


def own_command() -> str:
    """How this very program is started, for a shell: by absolute paths that sudo finds too, and no variable that it takes away."""
    script = sys.argv[0] if sys.argv else ""
    if os.path.basename(script) == "tcpdrop" and os.path.isfile(script):
        return _quoted(os.path.abspath(script))
    python = f"{_quoted(sys.executable)} -I"
    site = sys.modules.get("site")
    if sys.flags.isolated or (site is not None and _HERE in site.getsitepackages()):
        return f"{python} -m tcpdrop"
    code = f"import sys; sys.path.insert(0, {_HERE!r}); from tcpdrop.cli import main; sys.exit(main())"
    return f"{python} -c {_quoted(code)}"


def _quoted(text: str) -> str:
    """One word of a shell, as shlex.quote() has it, which loads more."""
    plain = all(c.isascii() and (c.isalnum() or c in "@%+=:,./-_") for c in text)
    return text if plain else "'" + text.replace("'", "'\"'\"'") + "'"
