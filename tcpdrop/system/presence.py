# SPDX-License-Identifier: BSD-2-Clause
"""Is there such a process?  What /proc does not show may be hidden (hidepid), or another PID namespace's."""

from __future__ import annotations

import os


def exists(pid: int) -> bool:
    return os.path.exists(f"/proc/{pid}")


def is_absent(pid: int) -> bool:
    """Is there certainly no process, and no thread, of this number?  Also where /proc does not show everybody."""
    try:
        if os.readlink("/proc/self") != str(os.getpid()):
            return False  # it has the numbers of another PID namespace
        os.kill(pid, 0)  # sends nothing
    except ProcessLookupError:
        return not exists(pid)
    except (OSError, OverflowError):
        return False
    return False
