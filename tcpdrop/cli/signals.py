# SPDX-License-Identifier: BSD-2-Clause
"""A signal while a person is asked: nothing was begun, and nothing is.  Of a run that has begun see Stop (streams.py)."""

from __future__ import annotations

from .streams import Stop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType


class Interrupted(Exception):
    """A signal came while nothing had been begun."""

    def __init__(self, number: int) -> None:
        super().__init__("nothing was dropped (stopped by a signal)")
        self.number = number


class AtOnce(Stop):
    """`with AtOnce():` a signal raises Interrupted: a call that waits for a person must not go on waiting.

    So does one that the Stop around it has noted already, while the question was made, say.
    """

    def __enter__(self) -> AtOnce:
        super().__enter__()
        for _, before in self._before:
            noted = getattr(getattr(before, "__self__", None), "number", 0)
            if noted:
                self.end()
                raise Interrupted(noted)
        return self

    def _note(self, number: int, _: FrameType | None) -> None:
        raise Interrupted(number)
