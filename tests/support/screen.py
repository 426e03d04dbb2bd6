# SPDX-License-Identifier: BSD-2-Clause
"""A whole terminal with a screen that can be looked at: a pseudo-terminal, and pyte as what draws on it."""

import fcntl
import os
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time

import pyte
from support.command import COMMAND
from support.terminal import LAUNCH


class Window:
    """A command that draws; .rows() is what a person sees.

    As rxvt: pyte does not know the repetitions and scrolls that xterm has beyond it.
    """

    def __init__(self, *args, size=(24, 80), env=None, command=(COMMAND,)):
        self.master, self._slave = os.openpty()
        self.screen = pyte.Screen(size[1], size[0])
        self._stream = pyte.ByteStream(self.screen)
        self._set_size(*size)
        self.before = termios.tcgetattr(self._slave)
        self.raw = b""
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-c", LAUNCH, *map(os.fspath, command), *map(str, args)],
            stdin=self._slave,
            stdout=self._slave,
            stderr=self._slave,
            start_new_session=True,
            cwd="/",
            env={**os.environ, "TERM": "rxvt", "LC_ALL": "C.UTF-8", **(env or {})},
        )

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.hang_up()

    def _set_size(self, rows, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def resize(self, rows, columns):
        self.screen.resize(rows, columns)
        self._set_size(rows, columns)
        os.kill(self.process.pid, signal.SIGWINCH)
        return self

    def hang_up(self):
        """The terminal dies, as with a broken ssh."""
        for descriptor in (self._slave, self.master):
            if descriptor is not None:
                os.close(descriptor)
        self._slave = self.master = None

    def let_go(self):
        """Only the command holds its terminal any more."""
        os.close(self._slave)
        self._slave = None

    def show(self, text):
        """What stood on the screen before the command."""
        self._stream.feed(text.encode())

    def read(self, seconds):
        end = time.monotonic() + seconds
        while self.master is not None and (left := end - time.monotonic()) > 0:
            ready, _, _ = select.select([self.master], [], [], left)
            if not ready:
                return
            try:
                data = os.read(self.master, 65536)
            except OSError:  # EIO: nobody is there any more
                return
            self.raw += data
            self._stream.feed(data)

    def rows(self):
        return [line.rstrip() for line in self.screen.display]

    def text(self):
        return "\n".join(self.rows())

    def until(self, wanted, timeout=20):
        """Wait until the screen satisfies: a text that is in it, or a function of its text."""
        holds = wanted if callable(wanted) else lambda text: wanted in text
        deadline = time.monotonic() + timeout
        while not holds(self.text()):
            assert time.monotonic() < deadline, f"waited for {wanted!r}:\n{self.text()}"
            ended = self.process.poll() is not None
            self.read(0.05)  # also what it said last
            assert not ended or holds(self.text()), f"it ended with {self.process.returncode}:\n{self.text()}"
        return self

    def press(self, keys):
        os.write(self.master, keys.encode())
        return self

    def row_of(self, pattern):
        """The first row that matches, or ''."""
        return next((row for row in self.rows() if re.search(pattern, row)), "")

    def end(self, timeout=20):
        """The status, when it has ended by itself."""
        deadline = time.monotonic() + timeout
        while self.process.poll() is None:
            assert time.monotonic() < deadline, f"it does not end:\n{self.text()}"
            self.read(0.05)
        self.read(0.2)
        return self.process.returncode

    def is_whole(self):
        """Is the terminal as it was: its modes, and the shell's own screen?"""
        modes = termios.tcgetattr(self._slave)
        left = self.raw.rfind(b"\x1b[?47l") > self.raw.rfind(b"\x1b[?47h") > 0
        return modes == self.before and left
