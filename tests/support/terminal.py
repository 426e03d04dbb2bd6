# SPDX-License-Identifier: BSD-2-Clause
"""A command at a terminal of its own: somebody reads its questions and types answers."""

import contextlib
import os
import select
import subprocess
import sys
import time

from support.command import COMMAND

#: make the terminal on stderr the controlling one, listen to its end (which nohup does not), then become the command
LAUNCH = """
import fcntl, os, signal, sys, termios
fcntl.ioctl(2, termios.TIOCSCTTY, 0)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])
"""


class Terminal:
    """stdin and stderr are the terminal, stdout is a pipe (stdout_too: it as well); with `saved` stdin is a pipe that carries it."""

    def __init__(self, *args, saved=None, stdout_too=False):
        self._master, slave = os.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-c", LAUNCH, os.fspath(COMMAND), *map(str, args)],
            stdin=slave if saved is None else subprocess.PIPE,
            stdout=slave if stdout_too else subprocess.PIPE,
            stderr=slave,
            start_new_session=True,
            cwd="/",
        )
        os.close(slave)
        if saved is not None:
            self.process.stdin.write(saved)
            self.process.stdin.close()
        self.seen = ""

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()
        os.close(self._master)

    def _read(self, timeout):
        ready, _, _ = select.select([self._master], [], [], timeout)
        if ready:
            with contextlib.suppress(OSError):  # EIO: nobody is there any more
                self.seen += os.read(self._master, 65536).decode("utf-8", "replace").replace("\r\n", "\n")

    def expect(self, text, timeout=20):
        deadline = time.monotonic() + timeout
        while text not in self.seen:
            assert time.monotonic() < deadline and self.process.poll() is None, f"waited for {text!r}, saw {self.seen!r}"
            self._read(0.1)
        return self

    def type(self, text):
        os.write(self._master, text.encode())
        return self

    def end(self, timeout=20):
        """(status, what the pipe got, all that was seen on the terminal)"""
        deadline = time.monotonic() + timeout
        while self.process.poll() is None:
            assert time.monotonic() < deadline, f"it does not end: {self.seen!r}"
            self._read(0.02)
        for _ in range(3):
            self._read(0)
        return self.process.returncode, self.process.stdout.read().decode() if self.process.stdout else "", self.seen
