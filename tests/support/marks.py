# SPDX-License-Identifier: BSD-2-Clause
"""Marks for single tests of a module whose others run anywhere."""

from pathlib import Path

import pytest

_MARKS = (pytest.mark.privileged, pytest.mark.only_on("linux", reason="a drop as Linux does it"))


def drops_on_linux(function):
    """This test drops for real, as Linux does it."""
    for mark in _MARKS:
        function = mark(function)
    return function


def lone_root():
    """Is root here an ordinary user's, in a user namespace of one?  It owns its network, and neither other users nor their processes."""
    try:
        ranges = Path("/proc/self/uid_map").read_text(encoding="ascii").splitlines()
    except FileNotFoundError:
        return False
    return sum(int(one.split()[2]) for one in ranges) < 65536


#: what root of a user namespace of one user cannot: become another user, or look into others' processes
real_root = pytest.mark.skipif(lone_root(), reason="needs root outside a user namespace of one user")
