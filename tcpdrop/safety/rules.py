# SPDX-License-Identifier: BSD-2-Clause
"""/etc/tcpdrop.conf: what must never be dropped on this host, whoever asks.

    # comments and empty lines
    protect remote 10.0.0.5 and rport 2049
    login my-remote-shell

`login` names a service through which people log in, by its process, beside
those that are known (login_services.py).  Its rules bind the command line, Python, Ansible and Salt alike and cannot be
lifted from there.  A file that others could have written binds nobody, so it
is refused as a whole.
"""

from __future__ import annotations

import errno
import os
import stat

from ..errors import Refused

PATH = "/etc/tcpdrop.conf"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..filters import Filter


def rules() -> list[Filter]:
    """The filters of the file; none without a file.  Raises Refused when it cannot be trusted or read."""
    try:
        # Not to wait for a writer, should it be a pipe.
        descriptor = os.open(PATH, os.O_RDONLY | os.O_NONBLOCK)
    except FileNotFoundError:
        if os.path.lexists(PATH):
            raise _refused("leads nowhere", errno.ENOENT) from None
        return []
    except OSError as error:
        raise _refused(f"cannot be read: {error.strerror}", error.errno) from None
    try:
        _check_trust(os.fstat(descriptor))
        with open(descriptor, "rb", closefd=False) as file:
            lines = file.readlines()
    except OSError as error:
        raise error if isinstance(error, Refused) else _refused(f"cannot be read: {error.strerror}", error.errno) from None
    finally:
        os.close(descriptor)
    found = [_rule(number, line) for number, line in enumerate(lines, 1) if line.split(b"#")[0].strip()]
    names = {one for one in found if isinstance(one, str)}
    if names:
        from . import login_services  # most hosts name none

        login_services.added = names
    return [one for one in found if not isinstance(one, str)]


def rules_with(protect: Iterable[Filter]) -> list[tuple[str, Filter]]:
    """The host's own rules and the caller's, each with what to call it.  Raises Refused as rules() does."""
    return [(f"{PATH}: {rule}", rule) for rule in rules()] + [(f"--protect '{rule}'", rule) for rule in protect]


def _check_trust(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise _refused("is not a regular file")
    if status.st_uid != 0:
        raise _refused(f"belongs to uid {status.st_uid}, not to root")
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise _refused(f"can be written by others than root (mode {stat.S_IMODE(status.st_mode):04o})")


def _rule(number: int, line: bytes) -> Filter | str:
    """The filter of a protect line, the name of a login line."""
    from ..filters import Filter  # most hosts have no rules

    try:
        words = line.decode("utf-8").split("#")[0].split(None, 1)
        if len(words) == 2 and words[0] == "login" and len(words[1].split()) == 1:
            return words[1].strip()[:15]  # as the kernel keeps it
        if len(words) != 2 or words[0] != "protect":
            raise ValueError("a line is 'protect FILTER' or a comment, or 'login NAME'")
        return Filter(words[1].strip())
    except ValueError as error:
        raise _refused(f"line {number}: {error}") from None


def _refused(why: str, number: int | None = None) -> Refused:
    return Refused(f"{PATH} {why}: nothing is dropped until it is mended", errno=number)
