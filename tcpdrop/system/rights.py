# SPDX-License-Identifier: BSD-2-Clause
"""May the caller drop here, and what is missing if not."""

from __future__ import annotations

import errno
import os
import sys
from struct import pack

from ..errors import Error, NotPermitted, NotSupported
from ..model.rows import is_mini
from . import kernel, netns, platform

#: a filter on the socket mark, which the kernel takes from CAP_NET_ADMIN only
#: (INET_DIAG_BCMARK_COND, mark 0, mask 0; Linux 4.9)
MARK_COND = pack("=BBHII", 10, 12, 16, 0, 0)

#: before this kernel it refused to end the small sockets that wait out a connection.  tcp_abort()
_ENDS_MINI = (6, 0)

#: why a subflow of MPTCP is not dropped so
MPTCP = "SOCK_DESTROY ends a subflow of MPTCP, not the connection"


TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..model.rows import Row


def check_right(scope: int | None = None) -> None:
    """Raise what every drop in this namespace would fail with: NotPermitted, NotSupported, Error."""
    try:
        kernel.probe(scope)
        if not platform.PROBE_ASKS_RIGHT:
            kernel.list_connections(0, MARK_COND, scope=scope)
    except Error as error:
        raise explained(error) from None


def lacks_right(scope: int | None = None) -> Error | None:
    """The same, handed out."""
    try:
        check_right(scope)
    except Error as error:
        return error
    return None


def explained(error: Error, row: Row | None = None) -> Error:
    """Say what would help; row: whose drop failed."""
    if error.hint:  # the system's own
        return error
    if error.step == "mptcp":
        error.hint = MPTCP
    elif isinstance(error, NotPermitted):
        error.hint = missing_right()
    elif row is not None and error.errno == errno.EOPNOTSUPP and is_mini(row) and not platform.HINTS and platform.release() < _ENDS_MINI:
        error.hint = "Linux drops what is in TIME_WAIT, or in FIN_WAIT2 and closed, since 6.0"
    elif isinstance(error, NotSupported) or error.errno == errno.EINVAL:
        error.hint = missing_support(error.errno)
    return error


def missing_right() -> str:
    """What to do about EPERM, in one clause."""
    if errno.EPERM in platform.HINTS:
        return platform.HINTS[errno.EPERM]
    where = netns.identity() or "this network namespace"
    how = (
        f"run as root: sudo {own_command()}" if os.geteuid() else "uid 0 is not enough here, as in a container without --cap-add NET_ADMIN"
    )
    return f"needs CAP_NET_ADMIN in the user namespace that owns network namespace {where}; {how}"


def missing_support(number: int | None) -> str:
    """What to do about EOPNOTSUPP (or EINVAL), in one clause."""
    if platform.HINTS:
        return platform.HINTS.get(number or 0, "")
    if platform.NAME == "unsupported":
        return "tcpdrop knows no way to drop connections on this system"
    if number == errno.EINVAL:
        return "this kernel is too old to drop connections: Linux has SOCK_DESTROY since 4.5"
    return "this kernel is built without CONFIG_INET_DIAG_DESTROY"


def own_command() -> str:
    """How this very program is started, as an absolute path that sudo finds too."""
    script = sys.argv[0] if sys.argv else ""
    if os.path.basename(script) == "tcpdrop" and os.path.isfile(script):
        return os.path.abspath(script)
    return f"{sys.executable} -I -m tcpdrop"
