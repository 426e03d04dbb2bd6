# SPDX-License-Identifier: BSD-2-Clause
"""Which connections must live, and who says so:

session   what the caller came by: its ancestors' sockets, SSH_CONNECTION (--include-self lifts it)
logins    all connections of login services, where the caller's own cannot be told (lifted alike)
rules     /etc/tcpdrop.conf, which nobody lifts, and --protect
guard     all of it for a selection, with the kernel's own under --all, and each one's other end on loopback
"""

from __future__ import annotations

from ..errors import Protected


class Protection:
    """Why a connection must live, and whether --include-self lifts that.

    unseen: no process was seen to hold it, so that it may be dropped by the kernel alone.
    """

    __slots__ = ("lifted", "unseen", "why")

    def __init__(self, why: str, *, lifted: bool = False, unseen: bool = False) -> None:
        self.why = why
        self.lifted = lifted
        self.unseen = unseen

    def refusal(self, what: str) -> Protected:
        return Protected("protected", what=what, hint=f"{self.why}; --include-self" if self.lifted else self.why)
