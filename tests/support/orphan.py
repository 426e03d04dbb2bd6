# SPDX-License-Identifier: BSD-2-Clause
"""Nobody's child but init's: for the tests of an ordinary user, whose ancestors belong to others."""

import fcntl
import os
import signal


def become():
    """Go on as a child of init, in a session without a terminal; returns what tells the status at the end.

    The su or sshd above an ordinary user cannot be read, and the program says at
    each drop that it does not know the operator's session.  What was started
    waits here and ends as we do; when it is killed, so are we.
    """
    read, write = os.pipe()
    life, held = os.pipe()
    if os.fork():
        os.close(write)
        os.close(life)
        _wait(read)
    if os.fork():
        os._exit(0)
    os.close(held)
    os.setsid()
    fcntl.fcntl(life, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(life, fcntl.F_SETSIG, signal.SIGTERM)
    fcntl.fcntl(life, fcntl.F_SETFL, os.O_ASYNC)
    os.write(write, b"%d\n" % os.getpid())
    return lambda status: os.write(write, b"%d\n" % status)


def _wait(read):
    """Until the last end of the pipe is closed; keys go to whom they were meant for."""
    with os.fdopen(read) as answer:
        pid = int(answer.readline())
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda number, _: os.kill(pid, number))
        said = answer.read().split()
    os._exit(int(said[-1]) if said else 1)
