# SPDX-License-Identifier: BSD-2-Clause
"""What may keep people from hearing of a drop: readers that go, full disks, logs that nobody reads, locales without the characters.

The victims are held by a process whose name is Latin-1, whatever else is wrong.
"""

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from support import private
from support.procnet import sockets

#: the name of who holds the victims
NAME = b"caf\xe9"
HOLDS = """
import ctypes, resource, socket, sys
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
ctypes.CDLL(None).prctl(15, bytes.fromhex(sys.argv[1]), 0, 0, 0)
listener = socket.create_server(("127.0.0.1", 0))
ends = []
for word in sys.stdin:
    client = socket.create_connection(listener.getsockname())
    ends += [client, listener.accept()[0]]
    print(listener.getsockname()[1], client.getsockname()[1], flush=True)
"""


class Victim(NamedTuple):
    lport: int
    rport: int

    def __str__(self):
        return f"127.0.0.1 {self.lport} 127.0.0.1 {self.rport}"

    def lives(self):
        return any((row.lport, row.rport) == self for row in sockets())


@contextlib.contextmanager
def victims():
    """A function that gives one more connection of that process."""
    argv = [sys.executable, "-c", HOLDS, NAME.hex()]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:

        def one():
            process.stdin.write("one\n")
            process.stdin.flush()
            return Victim(*map(int, process.stdout.readline().split()))

        yield one
        process.stdin.close()


class Trouble(NamedTuple):
    """What a command runs in."""

    #: before the command
    wrapper: tuple = ()
    env: Mapping = MappingProxyType({})
    #: where its output goes; None: somebody reads it
    stdout: object = None
    #: of the reason that it gives, if nobody can read what it writes
    unwritten: str = ""
    #: the log takes nothing, and never will
    stuck: bool = False


@contextlib.contextmanager
def reader_gone(place):
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb", buffering=0) as stdout:
        yield Trouble(stdout=stdout, unwritten="Broken pipe")


@contextlib.contextmanager
def disk_full(place):
    with open("/dev/full", "wb", buffering=0) as stdout:
        yield Trouble(stdout=stdout, unwritten="No space left on device")


@contextlib.contextmanager
def log_full(place, kind=socket.SOCK_DGRAM):
    """Nobody reads it, and no more fits; a stream takes nobody any more."""
    log = private.Log(place, kind=kind)
    with log.socket, contextlib.ExitStack() as writers:
        with contextlib.suppress(BlockingIOError):
            while True:
                writer = writers.enter_context(socket.socket(socket.AF_UNIX, kind))
                writer.setblocking(False)
                writer.connect(log.socket.getsockname())
                while kind == socket.SOCK_DGRAM:
                    writer.send(b"x")
        yield Trouble(wrapper=log.wrapper, stuck=True)


@contextlib.contextmanager
def stream_full(place):
    with log_full(place, socket.SOCK_STREAM) as trouble:
        yield trouble


@contextlib.contextmanager
def log_missing(place):
    log = private.Log(place)
    log.socket.close()
    (place / "dev" / "log").unlink()
    yield Trouble(wrapper=log.wrapper)


@contextlib.contextmanager
def log_closed(place):
    """The name is there, and nobody behind it."""
    log = private.Log(place)
    log.socket.close()
    yield Trouble(wrapper=log.wrapper)


@contextlib.contextmanager
def log_is_a_file(place):
    with log_missing(place) as trouble:
        (place / "dev" / "log").write_bytes(b"")
        yield trouble


@contextlib.contextmanager
def no_such_locale(place):
    yield Trouble(env={"LC_ALL": "xx_XX.none", "LANG": "xx_XX.none", "LANGUAGE": "xx"})


@contextlib.contextmanager
def ascii_locale(place):
    yield Trouble(env={"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"})


@contextlib.contextmanager
def latin_1(place):
    subprocess.run(
        ["localedef", "-i", "POSIX", "-f", "ISO-8859-1", "-c", place / "xx_XX.ISO-8859-1"], stderr=subprocess.DEVNULL, check=False
    )
    yield Trouble(env={"LC_ALL": "xx_XX.ISO-8859-1", "LOCPATH": str(place), "SUDO_USER": "\udce9\u65e5"})


@contextlib.contextmanager
def none(place):
    yield Trouble()


TROUBLES = {
    "none": none,
    "the reader is gone": reader_gone,
    "the disk is full": disk_full,
    "the log is full": log_full,
    "the log is a stream that takes nobody": stream_full,
    "there is no log": log_missing,
    "nobody listens to the log": log_closed,
    "the log is a file": log_is_a_file,
    "there is no such locale": no_such_locale,
    "ASCII": ascii_locale,
    "Latin-1": latin_1,
}
