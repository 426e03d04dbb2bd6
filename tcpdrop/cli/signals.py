# SPDX-License-Identifier: BSD-2-Clause
"""SIGINT, SIGTERM and SIGHUP stop a run after the current batch, and it says what it did; a second one does not wait for who reads it."""

from __future__ import annotations

import errno
import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType

    from .streams import Streams


#: what people and supervisors end a command with
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(Exception):
    """A signal came while nothing had been begun."""

    def __init__(self, number: int) -> None:
        super().__init__("nothing was dropped (stopped by a signal)")
        self.number = number


class Stop:
    """`with Stop() as stop`: stop() is true once a signal came; the status is then 128 + its number.

    streams: whose reader nobody waits for after a second signal: what was not read yet is lost, and the run says so.
    """

    def __init__(self, streams: Streams | None = None) -> None:
        self.number = 0
        self._streams = streams
        self._before: list[tuple[int, object]] = []

    def __enter__(self) -> Stop:
        for number in _ENDING:
            if signal.getsignal(number) is not signal.SIG_IGN:  # nohup stays nohup
                self._before.append((number, signal.signal(number, self._note)))
        return self

    def _note(self, number: int, _: FrameType | None) -> None:
        if self.number and self._streams is not None and self._streams.waits:
            self._streams.waits = False  # raised once
            raise OSError(errno.ECANCELED, "nobody read it until a second signal")  # after EINTR Python writes again
        self.number = self.number or number

    def __call__(self) -> bool:
        return self.number != 0

    def __exit__(self, *_: object) -> None:
        for number, before in self._before:
            signal.signal(number, before)  # type: ignore[arg-type]


class AtOnce(Stop):
    """`with AtOnce():` a signal raises Interrupted: a call that waits for a person must not go on waiting.

    So does one that the Stop around it has noted already, while the question was made, say.
    """

    def __enter__(self) -> AtOnce:
        super().__enter__()
        for _, before in self._before:
            noted = getattr(getattr(before, "__self__", None), "number", 0)
            if noted:
                self.__exit__()
                raise Interrupted(noted)
        return self

    def _note(self, number: int, _: FrameType | None) -> None:
        raise Interrupted(number)
