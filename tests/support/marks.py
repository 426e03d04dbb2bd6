# SPDX-License-Identifier: BSD-2-Clause
"""A mark for single tests of a module whose others run anywhere."""

import pytest

_MARKS = (pytest.mark.privileged, pytest.mark.only_on("linux", reason="a drop as Linux does it"))


def drops_on_linux(function):
    """This test drops for real, as Linux does it."""
    for mark in _MARKS:
        function = mark(function)
    return function
