# SPDX-License-Identifier: BSD-2-Clause
"""In a process that tests/c/faults.c is loaded into: fail the first, the second, the third ... call of a function, until none is left."""

import ctypes
import errno
import gc
import os
import sys
from typing import NamedTuple

from support.wait import until

_SHIM = ctypes.CDLL(None)


class Fault(NamedTuple):
    call: str
    number: int
    how: str = ""

    def __str__(self):
        return f"{self.call} {errno.errorcode.get(self.number, self.number)} {self.how}".strip()

    @property
    def lost(self):
        """Was something carried out whose answer is lost, or false?"""
        return self.call == "recvfrom" or self.how == "after"


def _each(call, *numbers, how=""):
    return [Fault(call, number, how) for number in numbers]


LIES = [
    *_each("recvfrom", errno.ENOBUFS, how="after"),
    *(Fault("recvfrom", 0, how) for how in ("cut", "empty", "foreign", "number", "torn", "large", "noop")),
    *_each("recvfrom", errno.EIO, 0, how="error"),
    *_each("recvfrom", errno.EIO, how="done"),
]
MEMORY = [Fault(call, errno.ENOMEM) for call in ("malloc", "calloc", "realloc", "aligned_alloc", "strdup", "madvise")]
FAULTS = [
    *_each("socket", errno.EMFILE, errno.ENOMEM, errno.EINTR),
    *_each("sendto", errno.ENOBUFS, errno.EINTR, errno.EAGAIN, errno.ENOMEM),
    *_each("sendto", errno.EINTR, how="after"),
    Fault("sendto", 0, "cut"),
    *_each("recvfrom", errno.EINTR, errno.EAGAIN, errno.ENOBUFS, errno.ENOMEM),
    *LIES,
    *MEMORY,
    *_each("getsockopt", errno.ENOBUFS),
    *_each("setsockopt", errno.ENOPROTOOPT),
    *_each("getsockname", errno.ENOBUFS),
    *_each("getpeername", errno.ENOBUFS),
    *_each("connect", errno.ENOMEM, errno.EINTR),
    *_each("pthread_create", errno.EAGAIN),
    *_each("setns", errno.EPERM),
    *_each("open", errno.EMFILE, errno.EINTR),
    *_each("openat", errno.EMFILE, errno.EACCES),
    *_each("read", errno.EINTR, errno.EIO),
    *_each("readlinkat", errno.EACCES),
    *_each("fstat", errno.EACCES),
    *_each("fstatat", errno.ENOMEM),
    *_each("lstat", errno.EACCES, errno.ENOMEM),
    *_each("poll", errno.EINTR, errno.ENOMEM),
    *_each("fcntl", errno.EMFILE),
    *_each("fopen", errno.EMFILE),
    *_each("fgets", errno.EIO),
    *_each("syscall", errno.EMFILE, errno.EPERM, errno.EINTR),
    *_each("sched_getaffinity", errno.EINVAL),
]


def arm(fault, nth):
    _SHIM.faults_arm(fault.call.encode(), nth, fault.number, fault.how.encode())


def disarm():
    """Has the call failed?"""
    return bool(_SHIM.faults_disarm())


def threads():
    return len(os.listdir("/proc/self/task"))


class Left:
    """What may not stay behind: what the module allocated, descriptors, threads."""

    def __init__(self):
        if sys.implementation.name == "pypy":
            for _ in range(3):  # what nobody holds: found, given up, and what it held itself
                gc.collect()
        # AddressSanitizer calls some of these itself, for the module: then who called does not show.
        self.held = 0 if "libasan" in os.environ.get("LD_PRELOAD", "") else _SHIM.faults_held()
        self.descriptors = sorted(os.listdir("/proc/self/fd"))
        self.threads = threads()

    def check(self, what):
        # pthread_join(3) returns when the kernel has let go of the thread's memory; /proc loses it a moment later.
        until(lambda: threads() <= self.threads, f"the threads of {what} to have ended")
        now = Left()
        assert now.__dict__ == self.__dict__, f"{what}: {now.__dict__} after {self.__dict__}"


def walk(faults, case):
    """Each call in turn: case.prepare(), case.call(), case.judge(); how often something failed."""
    times = 0
    for fault in faults:
        nth = 0
        while True:
            nth += 1
            case.prepare()
            before = Left()
            arm(fault, nth)
            result = error = None
            try:
                result = case.call()
            except (OSError, MemoryError) as e:
                error = e.with_traceback(None)
            fired = disarm()
            what = f"{case.name}: {fault}, call {nth}"
            assert fired or error is None, f"{what}: {error!r} without a fault"
            case.judge(result, error, fault, nth, what)
            del result
            before.check(what)
            if not fired:
                break
            times += 1
            assert nth < 2000, f"{what}: without end"
    return times


PYTHON = Fault("python", errno.ENOMEM)


def walk_memory(case):
    """Each of CPython's own allocations fails in turn."""
    import _testcapi  # not every CPython has it

    times = quiet = nth = 0
    while quiet < 25:  # what is freed and made anew is not always asked for
        nth += 1
        case.prepare()
        before = Left()
        result = error = None
        try:
            _testcapi.set_nomemory(nth - 1, nth)
            result = case.call()
        except MemoryError as e:
            error = e.with_traceback(None)
        except SystemError as e:
            # CPython 3.11's own, where no room is had for a frame; of a function of ours it would say its name.
            assert str(e) == "error return without exception set", e
            error = MemoryError()
        finally:
            _testcapi.remove_mem_hooks()
        quiet = 0 if error is not None else quiet + 1
        times += error is not None
        what = f"{case.name}: {PYTHON}, allocation {nth}"
        case.judge(result, error, PYTHON, nth, what)
        del result
        before.check(what)
        assert nth < 2000, f"{what}: without end"
    return times


def told(error, what):
    """An exception that says what failed."""
    if isinstance(error, OSError):
        assert error.errno and isinstance(getattr(error, "step", None), str) and error.step, f"{what}: {error!r} names no step"
    else:
        assert isinstance(error, MemoryError), f"{what}: {error!r}"


def say(text):
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
