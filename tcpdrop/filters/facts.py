# SPDX-License-Identifier: BSD-2-Clause
"""What predicates must know that no row says.  What was not gathered is None: unknown."""

from __future__ import annotations

import os
import stat

from ..model.four_tuple import interface
from ..system import kernel, procfs
from ..system.listeners import Listeners
from ..system.lookups import names_in
from .nodes import CGROUPS, CLOCK, INTERFACES, LISTENERS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..system.holders import Owners


class Facts:
    """listeners: which connections are accepted by the sockets that listen.
    interfaces: name -> index.  owners: who holds which socket.  cgroups: whether paths may be looked up.
    now: a reading of the clock that a row's `created` is of (sunos_clock.py).
    protecting: it is a rule that asks, and a "no" must be certain.
    """

    __slots__ = (
        "_cgroup_ids",
        "_indices",
        "_other_cgroups",
        "cgroups",
        "interfaces",
        "listeners",
        "now",
        "owners",
        "protecting",
    )

    def __init__(
        self,
        *,
        listeners: Listeners | None = None,
        interfaces: dict[str, int] | None = None,
        owners: Owners | None = None,
        cgroups: bool = False,
        now: int | None = None,
    ) -> None:
        self.listeners = listeners
        self.interfaces = interfaces
        self.owners = owners
        self.cgroups = cgroups
        self.now = now
        self.protecting = False
        self._indices: dict[str, int | None] = {}
        self._cgroup_ids: dict[str, frozenset[int] | None] = {}
        self._other_cgroups: dict[str, frozenset[int] | None] = {}

    def ifindex(self, name: str) -> int | None:
        """The interface of this name or number; None where there is none, or two are meant."""
        if name not in self._indices:
            try:
                self._indices[name] = None if self.interfaces is None else interface(name, self.interfaces)
            except ValueError:
                self._indices[name] = None
        return self._indices[name]

    def cgroup_ids(self, path: str) -> frozenset[int] | None:
        """The ids of a cgroup and of all below it."""
        if not self.cgroups:
            return None
        if path not in self._cgroup_ids:
            self._cgroup_ids[path] = _cgroups_below(path)
        return self._cgroup_ids[path]

    def other_cgroup_ids(self, path: str) -> frozenset[int] | None:
        """The ids of all that are certainly not there."""
        if path not in self._other_cgroups:
            self._other_cgroups[path] = _cgroups_beside(path)
        return self._other_cgroups[path]

    def in_cgroup(self, path: str, number: int) -> bool | None:
        """Is this the id of a cgroup at this path or below?  One that has ended since may have been there."""
        ids = self.cgroup_ids(path)
        if ids is None or number in ids:
            return None if ids is None else True
        others = self.other_cgroup_ids(path)
        return False if others is not None and number in others else None


#: Knows nothing: for a first look at what the rows alone decide.
UNKNOWN = Facts()


def gather(needs: frozenset[str], scope: int | None = None) -> Facts:
    """The facts that a filter needs about a network namespace, without owners: those need the rows.

    Raises Error when the namespace cannot be entered.
    """
    listeners = interfaces = None
    if LISTENERS in needs:
        listeners = Listeners(kernel.listeners(scope))
    if INTERFACES in needs:
        interfaces = names_in(scope)
    now = None
    if CLOCK in needs:
        from ..model import sunos_clock as clock  # where there are creation times

        now = clock.now()
    return Facts(listeners=listeners, interfaces=interfaces, cgroups=CGROUPS in needs, now=now)


# ---- cgroup paths to the ids that the kernel shows with a socket: the inode numbers of the cgroup2 file system


def _cgroup_mount() -> tuple[str, str] | None:
    """Where the unified hierarchy is mounted and to be seen: not covered by another file system, as below `ip netns exec`.

    And which cgroup it is that is seen there: "/" but for a part of the tree, or more than our cgroup namespace ("/..").
    """
    for place, device, shown in procfs.mounts_of("cgroup2"):
        try:
            if os.stat(place).st_dev == device:
                return place, shown
        except OSError:
            continue
    return None


def _cgroup_directory(path: str) -> bytes | None:
    """Bytes, since a path is UTF-8 whatever the locale says.  None: what is meant is not seen."""
    mounted = _cgroup_mount()
    if mounted is None:
        return None
    root, shown = mounted
    if _is_below(path, root):
        inside = path[len(root) :]
    elif shown == "/":
        inside = path
    elif _is_below(path, shown):
        inside = path[len(shown) :]
    else:
        return None
    if ".." in inside.split("/"):
        return None
    return _encoded(f"{root}/{inside.strip('/')}")


def _is_below(path: str, top: str) -> bool:
    return path == top or path.startswith(top + "/")


def _encoded(path: str) -> bytes:
    return path.encode("utf-8", "surrogateescape")


def cgroup_parts(path: str) -> tuple[bytes, ...]:
    """The names on the way from the root of all cgroups to this path, in whatever spelling; () is the root itself."""
    top, mounted = os.path.normpath(b"/" + (_cgroup_directory(path) or _encoded(path)).lstrip(b"/")), _cgroup_mount()
    root = os.path.normpath(_encoded(mounted[0] if mounted else "/"))
    inside = top[len(root) :] if top == root or top.startswith(root + b"/") else top
    return tuple(part for part in inside.split(b"/") if part)


def cgroup_is_absent(path: str) -> bool:
    """Is there certainly no cgroup with this path?"""
    top = _cgroup_directory(path)
    try:
        return top is not None and not stat.S_ISDIR(os.stat(top).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False


def _cgroups_below(path: str) -> frozenset[int] | None:
    """The ids of the cgroup and of all below it; None when it is not there or may not be read.

    path: '/system.slice/nginx.service', or with the mount point in front.
    """
    top = _cgroup_directory(path)
    return None if top is None else _ids_of(top)


def _cgroups_beside(path: str) -> frozenset[int] | None:
    """The ids of all others, by a walk of its own: what came or ended since the first is in neither."""
    top, mounted = _cgroup_directory(path), _cgroup_mount()
    return None if top is None or mounted is None else _ids_of(_encoded(mounted[0]), without=top)


def _ids_of(top: bytes, without: bytes = b"") -> frozenset[int] | None:
    """The ids of this directory and of all below it, without what is at and below another."""
    found: set[int] = set()
    try:
        if not os.path.isdir(top):
            return None
        for directory, below, _ in os.walk(top, onerror=_vanished):
            if directory.rstrip(b"/") == without.rstrip(b"/"):
                below.clear()
                continue
            try:
                found.add(os.stat(directory).st_ino)
            except FileNotFoundError:
                continue  # ended during the walk
    except OSError:
        return None
    return frozenset(found) or None


def _vanished(error: OSError) -> None:
    """A cgroup that ends during the walk is none of ours; any other failure leaves the set unknown."""
    if not isinstance(error, FileNotFoundError):
        raise error
