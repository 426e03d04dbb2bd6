# SPDX-License-Identifier: BSD-2-Clause
"""Cgroup paths to the ids that the kernel shows with a socket: the inode numbers of the cgroup2 file system."""

from __future__ import annotations

import os

from ..system.procfs import mounts

_DEFAULT = "/sys/fs/cgroup"


def mount_point() -> str:
    """Where the unified hierarchy is mounted."""
    return next((fields[1] for fields in mounts() if len(fields) > 2 and fields[2] == "cgroup2"), _DEFAULT)


def ids_below(path: str) -> frozenset[int] | None:
    """The ids of the cgroup and of all below it; None when it is not there or may not be read.

    path: '/system.slice/nginx.service', or with the mount point in front.
    """
    root = mount_point()
    inside = path[len(root) :] if path == root or path.startswith(root + "/") else path
    top = root + "/" + inside.strip("/")
    if ".." in inside.split("/"):
        return None
    found: set[int] = set()
    try:
        if not os.path.isdir(top):
            return None
        for directory, _, _ in os.walk(top, onerror=_vanished):
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
