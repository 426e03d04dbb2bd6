# SPDX-License-Identifier: BSD-2-Clause
"""Patterns of whole names, as the shell has them: * ? [...], case counting."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_GLOBS: dict[str, Callable[[str], bool]] = {}


def glob(pattern: str) -> Callable[[str], bool]:
    """A test for * ? [...] over the whole name, case counting; a name that is spelled as the pattern fits it, as in the shell."""
    if pattern not in _GLOBS:
        if len(_GLOBS) > 1000:
            _GLOBS.clear()
        _GLOBS[pattern] = _make_glob(pattern)
    return _GLOBS[pattern]


def is_pattern(name: str) -> bool:
    """Does it stand for other names than itself?"""
    return any(char in name for char in "*?[")


def _make_glob(pattern: str) -> Callable[[str], bool]:
    if not is_pattern(pattern):
        return pattern.__eq__
    # They load re: only who asks for a pattern pays.
    import re
    from fnmatch import translate

    match = re.compile(translate(pattern)).match
    return lambda name: name == pattern or match(name) is not None


def is_within(pattern: str, other: str) -> bool:
    """Does every name that fits this pattern certainly fit the other one?"""
    if pattern == other:
        return True
    # Of a pattern what stands for anything may only be where the other has a star.
    if is_pattern(pattern) and ("[" in pattern or any(char in other for char in "?[")):
        return False
    return glob(other)(pattern)
