# SPDX-License-Identifier: BSD-2-Clause
"""What the C module raised, as our errors."""

from __future__ import annotations

import errno

from ..errors import Error, NotFound, NotPermitted, NotSupported, Refused
from .platform import HINTS

_UNSUPPORTED = {
    errno.EOPNOTSUPP,
    getattr(errno, "ENOTSUP", errno.EOPNOTSUPP),
    errno.EPROTONOSUPPORT,
    errno.EAFNOSUPPORT,
    errno.ENOSYS,
}


def from_os_error(error: OSError, what: str = "", *, hint: str = "") -> Error:
    """The one place that turns what the C module raised into our errors."""
    step = getattr(error, "step", "")
    number = error.errno
    hint = hint or HINTS.get(number or 0, "")
    if number == errno.ENOENT:
        return NotFound("not found", errno=number, what=what, step=step, hint=hint)
    if number == errno.EPERM and step == "setns":
        hint = "needs CAP_SYS_ADMIN, here and in the user namespace that owns it; run as root"
        return NotPermitted("cannot enter the network namespace: not permitted", errno=number, what=what, step=step, hint=hint)
    if number in (errno.EPERM, errno.EACCES):
        return NotPermitted("not permitted", errno=number, what=what, step=step, hint=hint)
    if number in _UNSUPPORTED:
        return NotSupported("not supported", errno=number, what=what, step=step, hint=hint)
    if number == errno.ENOTUNIQ:
        hint = "link-local on two interfaces, which this kernel does not tell apart: dropping one could hit the other"
        return Refused("two connections have this tuple", errno=number, what=what, step=step, hint=hint)
    text = f"{step}: {error.strerror}" if step else str(error.strerror)
    return Error(text, errno=number, what=what, step=step, hint=hint)
