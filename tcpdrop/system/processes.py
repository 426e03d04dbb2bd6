# SPDX-License-Identifier: BSD-2-Clause
"""What /proc says about one process: name, users, cgroup, systemd unit.  None is unknown."""

from __future__ import annotations

from . import cgroup_names, procfs
from .systemd_units import SUFFIXES, Unit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    T = TypeVar("T")


class Processes:
    """Reads each process at most once, so that one listing tells one story."""

    __slots__ = ("_cgroups", "_comms", "_leaders", "_names_all", "_uids", "_units")

    def __init__(self) -> None:
        self._comms: dict[int, str | None] = {}
        self._leaders: dict[int, int | None] = {}
        self._uids: dict[int, frozenset[int] | None] = {}
        self._cgroups: dict[int, str | None] = {}
        self._units: dict[str, Unit] = {}
        self._names_all: Callable[[str], bool] | None = None

    def comm(self, pid: int) -> str | None:
        """The command's name, at most 15 bytes; bytes that are not UTF-8 as surrogates."""
        if pid not in self._comms:
            self._comms[pid] = _known(procfs.command_of, pid)
        return self._comms[pid]

    def leader(self, pid: int) -> int | None:
        """The process that this is, or is a thread of; None: there is neither."""
        if pid not in self._leaders:
            self._leaders[pid] = _known(procfs.leader_of, pid)
        return self._leaders[pid]

    def remember(self, pid: int, comm: str) -> None:
        """The name as somebody saw it before."""
        self._comms[pid] = comm

    def uids(self, pid: int) -> frozenset[int] | None:
        """The real and the effective user."""
        if pid not in self._uids:
            self._uids[pid] = _known(procfs.uids_of, pid)
        return self._uids[pid]

    def cgroup(self, pid: int) -> str | None:
        """The path in the unified hierarchy, or else in systemd's own: '/system.slice/cron.service'."""
        if pid not in self._cgroups:
            self._cgroups[pid] = _known(procfs.cgroup_of, pid)
        return self._cgroups[pid]

    def unit(self, pid: int) -> str | None:
        """The innermost systemd unit; None also when there is none."""
        for part in reversed((self.cgroup(pid) or "").split("/")):
            if part.endswith(SUFFIXES) and not part.endswith(".slice"):
                return part
        return None

    def in_unit(self, pid: int, name: str) -> bool | None:
        """Is it in this unit, which may be named by an alias or a pattern, however deep?  Slices and a user's manager count."""
        path = self.cgroup(pid)
        if path is None:
            return None
        if name not in self._units:
            self._units[name] = Unit(name)
        if self._units[name].holds(path):
            return True
        if self._names_all is None:
            self._names_all = cgroup_names.name_all_units()
        return False if self._names_all(path) else None


def _known(ask: Callable[[int], T], pid: int) -> T | None:
    """What can be read of the process."""
    try:
        return ask(pid)
    except OSError:
        return None
