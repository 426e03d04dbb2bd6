# SPDX-License-Identifier: BSD-2-Clause
"""SIGINT, SIGTERM and SIGHUP stop a run after the current batch; then it says what it did."""

from __future__ import annotations

import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType


#: what people and supervisors end a command with
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(Exception):
    """A signal came while nothing had been begun."""

    def __init__(self, number: int) -> None:
        super().__init__("nothing was dropped (stopped by a signal)")
        self.number = number


class Stop:
    """`with Stop() as stop`: stop() is true once a signal came; the status is then 128 + its number."""

    def __init__(self) -> None:
        self.number = 0
        self._before: list[tuple[int, object]] = []

    def __enter__(self) -> Stop:
        for number in _ENDING:
            if signal.getsignal(number) is not signal.SIG_IGN:  # nohup stays nohup
                self._before.append((number, signal.signal(number, self._note)))
        return self

    def _note(self, number: int, _: FrameType | None) -> None:
        self.number = self.number or number

    def __call__(self) -> bool:
        return self.number != 0

    def __exit__(self, *_: object) -> None:
        for number, before in self._before:
            signal.signal(number, before)  # type: ignore[arg-type]


class AtOnce(Stop):
    """`with AtOnce():` a signal raises Interrupted: a call that waits for a person must not go on waiting."""

    def _note(self, number: int, _: FrameType | None) -> None:
        raise Interrupted(number)
