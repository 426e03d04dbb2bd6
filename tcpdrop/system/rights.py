# SPDX-License-Identifier: BSD-2-Clause
"""May the caller drop here, and what is missing if not."""

from __future__ import annotations

import errno
from _struct import pack

from ..errors import Error, NotPermitted
from . import kernel, platform

#: a filter on the socket mark, which the kernel takes from CAP_NET_ADMIN only
#: (INET_DIAG_BCMARK_COND, mark 0, mask 0; Linux 4.9)
MARK_COND = pack("=BBHII", 10, 12, 16, 0, 0)


def check_right(scope: int | None = None) -> None:
    """Raise what every drop in this namespace would fail with: NotPermitted, NotSupported, Error."""
    kernel.probe(scope)
    if platform.PROBE_ASKS_RIGHT:
        return
    try:
        kernel.list_connections(0, MARK_COND, scope=scope)
    except NotPermitted as error:  # so would the abort be
        raise kernel.error_of(error.errno or errno.EPERM, "") from None


def lacks_right(scope: int | None = None) -> Error | None:
    """The same, handed out."""
    try:
        check_right(scope)
    except Error as error:
        return error
    return None
