# SPDX-License-Identifier: BSD-2-Clause
"""What the path of a cgroup does not tell to who lives in a cgroup namespace: cgroup_namespaces(7).

/proc/PID/cgroup is shown from the root of the reader's own namespace on: what
that is called, and what is above it, is left out, and what is beside it begins
with "/..".  So a unit whose name is in no path may hold a process all the same.

But systemd's first process is in init.scope, directly below what all units of
its host are below: a path that begins there, too, names them all.
"""

from __future__ import annotations

import os

from . import procfs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

#: /proc/self/ns/cgroup of the machine itself: the kernel's PROC_CGROUP_INIT_INO
_FIRST = "cgroup:[4026531835]"


def name_all_units() -> Callable[[str], bool]:
    """The test of a path: does it name every unit that what is in it is in?"""
    if _is_first():
        return lambda path: True
    top = _top_of_units()
    return lambda path: _steps_up(path) == top


def own_are_hidden() -> bool:
    """May this process be in a unit whose name it cannot see?"""
    try:
        return not (_is_first() or name_all_units()(procfs.cgroup_of("self") or ""))
    except OSError:
        return True


def _is_first() -> bool:
    try:
        return os.readlink("/proc/self/ns/cgroup") == _FIRST
    except FileNotFoundError:
        return True  # a kernel without such namespaces
    except OSError:
        return False


def _top_of_units() -> int:
    """How many steps up from our namespace's root it is to what all units are below; -1 where that does not show."""
    try:
        path = procfs.cgroup_of(1) or ""
    except OSError:
        return -1
    steps = _steps_up(path)
    return steps if path == "/.." * steps + "/init.scope" else -1


def _steps_up(path: str) -> int:
    steps = 0
    for part in path.split("/")[1:]:
        if part != "..":
            break
        steps += 1
    return steps
