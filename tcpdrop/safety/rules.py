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

from ..errors import FilterError, Refused

PATH = "/etc/tcpdrop.conf"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ..filters import Filter
    from ..filters.absent import Scopes


def _own() -> Iterable[int | None]:
    return (None,)


def rules(scopes: Scopes = _own) -> list[Filter]:
    """The filters of the file; none without a file.  Raises Refused when it cannot be trusted or followed.

    scopes: the network namespaces in which what a rule names may be.
    """
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
    found = [_rule(number, line, scopes) for number, line in enumerate(lines, 1) if line.split(b"#")[0].strip()]
    names = {one for one in found if isinstance(one, str)}
    if names:
        from . import login_services  # most hosts name none

        login_services.added = names
    return [one for one in found if not isinstance(one, str)]


class Rules:
    """The host's own rules and the caller's, each with what to call it.

    Raises Refused as rules() does, and FilterError for a name in the caller's that names nothing.
    """

    def __init__(self, protect: Iterable[Filter], scopes: Scopes = _own) -> None:
        self._scopes = scopes
        self._callers = []
        for rule in protect:
            self._callers.append((f"--protect '{rule}'", _followed(rule, scopes, f"--protect '{rule}': ")))
        self._stamp = _stamp()
        self._hosts = rules(scopes)

    def __iter__(self) -> Iterator[tuple[str, Filter]]:
        yield from ((f"{PATH}: {rule}", rule) for rule in self._hosts)
        yield from self._callers

    def __len__(self) -> int:
        return len(self._hosts) + len(self._callers)

    def look_again(self) -> None:
        """Read the file anew if it is another one by now, or was changed: a run may take hours."""
        stamp = _stamp()
        if stamp != self._stamp:
            self._hosts = rules(self._scopes)
            self._stamp = stamp


def _stamp() -> list[tuple[int, ...]]:
    """Which file it is, and when it was changed; a link counts beside what it leads to."""
    found: list[tuple[int, ...]] = []
    for look in (os.lstat, os.stat):
        try:
            one = look(PATH)
        except OSError as error:
            found.append((error.errno or 0,))
        else:
            found.append((one.st_dev, one.st_ino, one.st_size, one.st_mtime_ns, one.st_ctime_ns))
    return found


def _followed(rule: Filter | str, scopes: Scopes, what: str = "") -> Filter:
    """The rule.  FilterError for a name that names nothing: it protects nothing, and nobody would know."""
    from ..filters import Filter, absent_names  # most hosts have no rules

    if isinstance(rule, str):
        rule = Filter(rule)
    names = absent_names(rule, scopes)
    if names:
        raise FilterError(f"{what}{'; '.join(names)}")
    return rule


def _check_trust(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise _refused("is not a regular file")
    if status.st_uid != 0:
        raise _refused(f"belongs to uid {status.st_uid}, not to root")
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise _refused(f"can be written by others than root (mode {stat.S_IMODE(status.st_mode):04o})")


def _rule(number: int, line: bytes, scopes: Scopes) -> Filter | str:
    """The filter of a protect line, the name of a login line."""
    try:
        words = line.decode("utf-8").split("#")[0].split(None, 1)
        if len(words) == 2 and words[0] == "login" and len(words[1].split()) == 1:
            return words[1].strip()[:15]  # as the kernel keeps it
        if len(words) != 2 or words[0] != "protect":
            raise ValueError("a line is 'protect FILTER' or a comment, or 'login NAME'")
        return _followed(words[1].strip(), scopes)
    except ValueError as error:
        raise _refused(f"line {number}: {error}") from None


def _refused(why: str, number: int | None = None) -> Refused:
    return Refused(f"{PATH} {why}: nothing is dropped until it is mended", errno=number)
