# SPDX-License-Identifier: BSD-2-Clause
"""Each thing that is asked of the kernel, tried once without side effects: what works, and why the rest does not."""

from __future__ import annotations

import errno
import os

from ..errors import Error
from . import kernel, netns, platform, refusals
from .ptrace import NO_DESCRIPTOR
from .rights import MARK_COND

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

#: what each is for
LIST, LOOK_UP, DROP, RIGHT, INTERFACES, ROUTES, BORROW, ENTER = (
    *("list", "look up", "drop", "right to drop", "interfaces", "routes", "borrow a descriptor", "enter a namespace"),
)
#: no connection has them
_NOBODY = (b"\x7f\x00\x00\x01", 1, b"\x7f\x00\x00\x01", 2)


class Trial:
    """One of them."""

    __slots__ = ("error", "name")

    def __init__(self, name: str, error: Error | None) -> None:
        self.name = name
        #: why the kernel refused; None: it did not
        self.error = error

    def as_dict(self) -> dict[str, object]:
        if self.error is None:
            return {"for": self.name, "works": True, "step": None, "errno": None, "cause": None}
        step, number = self.error.step, self.error.errno or 0
        why = refusals.cause(step, number) or os.strerror(number)
        return {"for": self.name, "works": False, "step": step, "errno": refusals.name_of(number), "cause": why}


def trials() -> list[Trial]:
    """All that this system has."""
    tried: list[tuple[str, Callable[[], object], bool]] = [
        (LIST, lambda: kernel.list_connections(0), True),
        (LOOK_UP, lambda: kernel.look_up(_NOBODY), not platform.LOOKS_BY_WALK),
        (DROP, kernel.probe, True),
        (RIGHT, lambda: kernel.list_connections(0, MARK_COND), not platform.PROBE_ASKS_RIGHT),
        (INTERFACES, kernel.interfaces, True),
        (ROUTES, kernel.rules, platform.TELLS_PEER),
        (BORROW, _borrow, platform.DESCRIPTORS),
        (ENTER, _enter, platform.NETNS),
    ]
    return [Trial(name, _failure(ask)) for name, ask, here in tried if here]


def _failure(ask: Callable[[], object]) -> Error | None:
    try:
        ask()
    except Error as error:
        return error
    return None


def _borrow() -> None:
    """From ourselves, whatever Yama says: a refusal is a filter's, or an old kernel's."""
    try:
        kernel.socket_of(os.getpid(), NO_DESCRIPTOR)
    except Error as error:
        if error.errno != errno.EBADF:
            raise


def _enter() -> None:
    """Our own namespace."""
    with netns.Namespace("/proc/self/ns/net") as scope:
        kernel.list_connections(0, scope=scope)
