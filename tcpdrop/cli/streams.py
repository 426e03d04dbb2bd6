# SPDX-License-Identifier: BSD-2-Clause
"""stdout for data, stderr for everything else.

A reader that goes away or a full disk must not stop a run that drops: the
first write error is kept, nothing more is written, and the run ends with it.
SIGINT, SIGTERM and SIGHUP stop a run after the current batch, and it says what
it did; a second one does not wait for who reads it.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # signal itself loads enum, and the classic form is here too
import errno
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType
    from typing import TextIO


#: of the JSON that is written, and read by --from
SCHEMA = 1
#: what people and supervisors end a command with
_ENDING = (_signal.SIGINT, _signal.SIGTERM, _signal.SIGHUP)


class Streams:
    def __init__(self, out: TextIO | None, err: TextIO | None) -> None:
        self._out = out
        self._err = err
        #: the first failure to write data
        self.error: OSError | None = None
        #: what is written was only looked up: who has read enough may go
        self.reader_may_go = False
        #: somebody has to read before it goes on: a second signal may end that
        self.waits = False

    def data(self, text: str) -> None:
        """One or more lines for stdout."""
        self.write(text + "\n")

    def write(self, text: str) -> None:
        """A piece of one."""
        if self._out is None:  # started with stdout closed
            self.error = OSError(9, "it is closed")
        else:
            self._try(self._out.write, text)

    def path(self, path: str) -> None:
        """A path that a shell is to open: its very bytes, whatever they are."""
        if path.isascii() or self._out is None:
            self.data(path)
            return
        self.flush()
        self._try(self._out.buffer.write, os.fsencode(path) + b"\n")

    def flush(self) -> None:
        """The data so far must be out before what may take long."""
        if self._out is not None:
            self._try(self._out.flush)

    def _try(self, call: Callable[..., object], *arguments: object) -> None:
        if self.error is None:
            self.error = self._failure(call, *arguments)

    def _failure(self, call: Callable[..., object], *arguments: object) -> OSError | None:
        try:
            self.waits = True
            try:
                call(*arguments)
            finally:
                self.waits = False
        except OSError as error:
            return error
        return None

    def note(self, text: str) -> None:
        """One line for stderr, behind the data so far; if nobody reads that, nothing can be done about it."""
        self.flush()
        if self._err is not None and (self._failure(self._err.write, text + "\n") or self._failure(self._err.flush)):
            _silence(self._err)
            self._err = None

    def logged(self, word: str) -> None:
        """What audit.to_syslog() said."""
        if word:
            self.note(f"tcpdrop: {word}")

    def progress(self, text: str) -> None:
        """A line on a terminal that the next one replaces; "" takes it away."""
        if self._err is not None:
            try:
                self._err.write(f"\r\x1b[K{text}")
                self._err.flush()
            except OSError:
                self._err = None

    @property
    def looked_at(self) -> bool:
        """Does a person read the data itself?"""
        return self._out is not None and self._out.isatty()

    @property
    def interactive(self) -> bool:
        """Does a person read stderr?"""
        return self._err is not None and self._err.isatty()

    def finish(self) -> None:
        """Write out what is buffered.  Afterwards .error is final."""
        try:
            self.flush()
        except KeyboardInterrupt:
            self.error = OSError(errno.ECANCELED, "nobody read it until a signal")
        if self.error is not None and self._out is sys.stdout and self._out is not None:
            _silence(self._out)


class Stop:
    """`with Stop() as stop`: stop() is true once a signal came; the status is then 128 + its number.

    Who has something to wait for first calls begin() and end() instead.

    streams: whose reader nobody waits for after a second signal: what was not read yet is lost, and the run says so.
    """

    def __init__(self, streams: Streams | None = None) -> None:
        self.number = 0
        self._streams = streams
        self._before: list[tuple[int, object]] = []

    def begin(self) -> None:
        """From now on.  Again it does nothing."""
        for number in _ENDING if not self._before else ():
            if _signal.getsignal(number) != _signal.SIG_IGN:  # nohup stays nohup
                self._before.append((number, _signal.signal(number, self._note)))

    def end(self) -> None:
        for number, before in self._before:
            _signal.signal(number, before)

    def __enter__(self) -> Stop:
        self.begin()
        return self

    def _note(self, number: int, _: FrameType | None) -> None:
        if self.number and self._streams is not None and self._streams.waits:
            self._streams.waits = False  # raised once
            raise OSError(errno.ECANCELED, "nobody read it until a second signal")  # after EINTR Python writes again
        self.number = self.number or number

    def __call__(self) -> bool:
        return self.number != 0

    def __exit__(self, *_: object) -> None:
        self.end()


def _silence(stream: TextIO) -> None:
    """Python flushes the stream again at its end, would complain, and exit with 120."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    except (OSError, ValueError):
        pass  # no descriptor behind it: nothing is flushed


def error_object(message: str, *, outcome: str | None = None) -> str:
    """A refusal or a usage error, for programs."""
    return dumps({"schema": SCHEMA, "type": "error", "error": message, "outcome": outcome})


def dumps(value: object) -> str:
    """One line of JSON, ASCII only: no terminal and no log can be hurt by a name in it."""
    import json  # not for text

    return json.dumps(value)
