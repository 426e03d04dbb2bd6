# SPDX-License-Identifier: BSD-2-Clause
"""Names in a filter that name nothing on this host: a rule with one never protects what it was written for."""

from __future__ import annotations

from ..model.addresses import printable
from ..model.four_tuple import interface
from ..system import platform
from ..system.systemd_units import Unit as UnitNames
from .facts import cgroup_is_absent
from .nodes import walk
from .owned import Cgroup, Pid, Unit
from .sockets import Dev

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..system.lookups import InterfaceNames
    from .filter import Filter
    from .nodes import Node


def absent_names(chosen: Filter, interfaces: InterfaceNames) -> list[str]:
    """A clause for each interface, unit, cgroup and process that is not there.  Raises Error when a namespace cannot be asked."""
    return list(dict.fromkeys(filter(None, (_absent(node, interfaces) for node, _ in walk(chosen.node)))))


def _absent(node: Node, interfaces: InterfaceNames) -> str:
    if isinstance(node, Dev):
        return _absent_device(node.args[0], interfaces)
    if isinstance(node, Unit) and not UnitNames(node.args[0]).may_exist:
        return f"there is no unit '{printable(node.args[0])}'"
    if isinstance(node, Cgroup) and cgroup_is_absent(node.args[0]):
        return f"there is no cgroup '{printable(node.args[0])}'"
    if isinstance(node, Pid) and not platform.HELD_BY_ENDS:  # where a row has its creator, that may be gone
        return "; ".join(f"there is no process {pid}" for pid in node.pids if platform.process_is_absent(pid))
    return ""


def _absent_device(name: str, interfaces: InterfaceNames) -> str:
    why = ""
    for known in interfaces if platform.TRIES_INTERFACES else ():
        try:
            interface(name, known)
        except ValueError as error:
            why = str(error)
        else:
            return ""
    return why
