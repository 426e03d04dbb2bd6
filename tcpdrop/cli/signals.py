# SPDX-License-Identifier: BSD-2-Clause
"""SIGINT, SIGTERM and SIGHUP stop a run after the current batch; then it says what it did."""

from __future__ import annotations

import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType


class Stop:
    """`with Stop() as stop`: stop() is true once a signal came; the status is then 128 + its number."""

    def __init__(self) -> None:
        self.number = 0
        self._before: list[tuple[int, object]] = []

    def __enter__(self) -> Stop:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
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
