# SPDX-License-Identifier: BSD-2-Clause
"""Nobody's child but init's: for the tests of an ordinary user, whose ancestors belong to others."""

import os
import signal


def become():
    """Go on as a child of init, and in a session without a terminal.

    The su or sshd above an ordinary user cannot be read, and the program says at
    each drop that it does not know the operator's session.  What was started
    waits here, and ends as we do.
    """
    read, write = os.pipe()
    if os.fork():
        os.close(write)
        _wait(read)
    if os.fork():
        os._exit(0)
    os.setsid()
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
