# SPDX-License-Identifier: BSD-2-Clause
"""Containers and pods of this host by what their cgroups are called, without asking any engine.

A runtime names the cgroup of what it starts, and everybody may read that, in
cgroup v1 and v2 alike; /proc/PID/cgroup, cgroups(7):

docker       docker-ID.scope, docker/ID
podman       libpod-ID.scope, libpod-ID
containerd   cri-containerd-ID.scope, nerdctl-ID.scope, .../podUID/ID
CRI-O        crio-ID.scope
nspawn       machine-NAME.scope, systemd-nspawn@NAME.service
pods         kubepods-burstable-podUID.slice, kubepods/burstable/podUID

What watches over a container (conmon, systemd-nspawn itself) lives in the host's
network namespace, mostly in a cgroup of its own.
"""

from __future__ import annotations

import os
import re

from ..model.addresses import printable

#: they may be in the container's cgroup, and are not in its namespace
WATCHERS = ("conmon", "systemd-nspawn")

#: a part of a cgroup's path -> the container's id
_ID = re.compile(r"(?:(?:docker|libpod|cri-containerd|nerdctl|crio)-)?([0-9a-f]{64})(?:\.scope)?\Z")
#: -> the machine's name, as systemd escapes it
_MACHINE = re.compile(r"(?:machine-(.+)\.scope|systemd-nspawn@(.+)\.service)\Z")
#: -> the pod's uid; systemd has "_" for "-", which parts slices
_POD = re.compile(r"(?:kubepods(?:-[a-z]+)?-)?pod([0-9a-f_-]{32,36})(?:\.slice)?\Z")


def path_of(kind: str, prefix: str) -> tuple[str, int | None] | None:
    """The network namespace of the one container or pod whose id begins so, and its inode if that shows; None if none is seen.

    An id that fits as a whole is the one that is meant.  Raises ValueError when two fit.
    """
    if not prefix:
        raise ValueError(f"{kind}: an id, or how one begins, must follow the colon")
    prefix = prefix.replace("_", "-") if kind == "pod" else prefix
    members = _members(kind, prefix)
    if prefix in members:
        members = {prefix: members[prefix]}
    if len(members) > 1:
        names = ", ".join(sorted(printable(name) if kind == "pod" else printable(name)[:16] for name in members))
        raise ValueError(f"'{kind}:{printable(prefix)}' fits {len(members)}: {names}")
    spaces: dict[int, int] = {}
    for pids in members.values():
        for pid in _first(pids):
            inode = _inode(pid)
            if inode is not None:
                spaces.setdefault(inode, pid)
    if len(spaces) > 1:
        paths = " or ".join(f"/proc/{pid}/ns/net" for pid in sorted(spaces.values()))
        raise ValueError(f"'{kind}:{printable(prefix)}' has {len(spaces)} network namespaces: write {paths}")
    return next(((f"/proc/{pid}/ns/net", inode or None) for inode, pid in spaces.items()), None)


def _members(kind: str, prefix: str) -> dict[str, list[int]]:
    """The id of each that fits -> its processes, ascending, and those of the containers within it."""
    found: dict[str, list[int]] = {}
    for pid in sorted(int(name) for name in os.listdir("/proc") if name.isdigit()):
        lines = _text(f"/proc/{pid}/cgroup").split("\n")
        fit = {name for line in lines for name in names(kind, line.split(":", 2)[-1]) if name.startswith(prefix)}
        if fit and _text(f"/proc/{pid}/comm").rstrip("\n") not in WATCHERS:
            for name in fit:
                found.setdefault(name, []).append(pid)
    return found


def names(kind: str, path: str) -> list[str]:
    """The ids of the containers, or the uids of the pods, that a cgroup of this path is in."""
    parts = path.split("/")
    if kind == "pod":
        return [match[1].replace("_", "-") for match in map(_POD.match, parts) if match]
    found = [match[1] for match in map(_ID.match, parts) if match]
    return found + [_plain(match[1] or match[2]) for match in map(_MACHINE.match, parts) if match]


def _plain(name: str) -> str:
    r"""my\x2dname -> my-name; systemd-escape(1)."""
    return re.sub(r"\\x([0-9a-f]{2})", lambda match: chr(int(match[1], 16)), name)


def _first(pids: list[int]) -> list[int]:
    """Those whose parent is outside: what the runtime started.  A process within may have a namespace of its own."""
    inside = set(pids)
    outer = []
    for pid in pids:
        fields = _text(f"/proc/{pid}/stat").rpartition(")")[2].split()
        if fields and int(fields[1]) not in inside:
            outer.append(pid)
    return outer


def _text(path: str) -> str:
    """A whole file; "" when its process has ended, or does not show."""
    try:
        with open(path, "rb") as file:
            return os.fsdecode(file.read())
    except OSError:
        return ""


def _inode(pid: int) -> int | None:
    try:
        return os.stat(f"/proc/{pid}/ns/net").st_ino
    except FileNotFoundError:
        return None  # it has ended
    except PermissionError:
        return 0  # to be opened, and refused with its reason
    except OSError:
        return None
