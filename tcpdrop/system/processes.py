# SPDX-License-Identifier: BSD-2-Clause
"""What /proc says about one process: name, users, cgroup, systemd unit.  None is unknown."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .procfs import PsInfo

_UNIT_SUFFIXES = (".service", ".scope", ".socket", ".mount", ".swap")


class Processes:
    """Reads each process at most once, so that one listing tells one story."""

    __slots__ = ("_cgroups", "_comms", "_uids")

    def __init__(self) -> None:
        self._comms: dict[int, str | None] = {}
        self._uids: dict[int, frozenset[int] | None] = {}
        self._cgroups: dict[int, str | None] = {}

    def comm(self, pid: int) -> str | None:
        """The command's name, at most 15 bytes; bytes that are not UTF-8 as surrogates."""
        if pid not in self._comms:
            raw = _read(pid, "comm")
            if raw is None:
                info = _psinfo(pid)
                self._comms[pid] = None if info is None else info.command
            else:
                self._comms[pid] = (raw[:-1] if raw.endswith(b"\n") else raw).decode("utf-8", "surrogateescape")
        return self._comms[pid]

    def remember(self, pid: int, comm: str) -> None:
        """The name as somebody saw it before."""
        self._comms[pid] = comm

    def uids(self, pid: int) -> frozenset[int] | None:
        """The real and the effective user."""
        if pid not in self._uids:
            raw = _read(pid, "status")  # Solaris has a file of that name too, of other contents
            info = _psinfo(pid) if raw is None or not raw.startswith(b"Name:") else None
            self._uids[pid] = _parse_uids(raw) if info is None else info.uids
        return self._uids[pid]

    def cgroup(self, pid: int) -> str | None:
        """The path in the unified hierarchy, or else in systemd's own: '/system.slice/cron.service'."""
        if pid not in self._cgroups:
            self._cgroups[pid] = _parse_cgroup(_read(pid, "cgroup"))
        return self._cgroups[pid]

    def unit(self, pid: int) -> str | None:
        """The innermost systemd unit; None also when there is none."""
        for part in reversed((self.cgroup(pid) or "").split("/")):
            if part.endswith(_UNIT_SUFFIXES):
                return part
        return None

    def in_unit(self, pid: int, name: str) -> bool | None:
        """Is it in this unit, however deep?  Slices and a user's manager count."""
        path = self.cgroup(pid)
        # systemd puts _ before a name that a controller's file could have.
        return None if path is None else any(part in (name, "_" + name) for part in path.split("/"))


def unit_name(text: str) -> str:
    """'nginx' -> 'nginx.service', as systemctl does."""
    return text if text.endswith((*_UNIT_SUFFIXES, ".slice")) else text + ".service"


def _read(pid: int, name: str) -> bytes | None:
    try:
        with open(f"/proc/{pid}/{name}", "rb", buffering=0) as file:
            return file.read()
    except OSError:
        return None


def _psinfo(pid: int) -> PsInfo | None:
    """How Solaris and illumos tell name and users."""
    from .procfs import psinfo

    try:
        return psinfo(pid)
    except OSError:
        return None


def _parse_uids(status: bytes | None) -> frozenset[int] | None:
    for line in (status or b"").split(b"\n"):
        if line.startswith(b"Uid:"):
            return frozenset(int(number) for number in line.split()[1:3])
    return None


def _parse_cgroup(text: bytes | None) -> str | None:
    """Lines are number:controllers:path."""
    if text is None:
        return None
    unified = systemd = None
    for line in text.decode("utf-8", "surrogateescape").split("\n"):
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers == "name=systemd":
            systemd = path
        elif number == "0" and not controllers:
            unified = path
    # In a hybrid system the unified tree may hold nobody: all are at its root.
    return systemd if unified in (None, "/") and systemd else unified
