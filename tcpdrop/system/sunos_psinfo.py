# SPDX-License-Identifier: BSD-2-Clause
"""What /proc/PID/psinfo of Solaris and illumos tells everybody of a process.  proc(5)."""

from __future__ import annotations

import errno
from struct import Struct

#: pr_pid, pr_ppid, pr_uid, pr_euid, pr_fname and pr_zoneid of a psinfo_t, which has the data model of who reads it
_PSINFO = Struct("=8xii8xii104x16s124xi" if Struct("P").size == 8 else "=8xii8xii56x16s116xi")


class PsInfo:
    """The file's bytes, read.  Raises OSError when they are of another layout."""

    __slots__ = ("command", "parent", "uids", "zone")

    def __init__(self, raw: bytes, pid: int) -> None:
        if len(raw) < _PSINFO.size:
            raise OSError(errno.EPROTO, "psinfo is too short")
        found, parent, uid, euid, name, zone = _PSINFO.unpack_from(raw)
        if found != pid:  # then nothing of it can be believed
            raise OSError(errno.EPROTO, "psinfo has another layout")
        self.parent: int = parent
        self.zone: int = zone
        self.uids: frozenset[int] = frozenset((uid, euid))
        self.command: str = name.partition(b"\0")[0].decode("utf-8", "surrogateescape")
