# SPDX-License-Identifier: BSD-2-Clause
"""Network namespaces by name, process or path.  Only descriptors: no thread of ours moves.

ip-netns(8), namespaces(7).
"""

from __future__ import annotations

import errno
import os

from ..errors import Error, NotPermitted, NotSupported
from ..model.addresses import is_number, printable
from . import platform

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

NAMES = "/run/netns"


def path_of(where: str) -> str:
    """The file of a namespace: digits are a PID, with a slash it is a path, else a name.

    Also 'net:[4026531840]', as it is shown where it has no name.  Raises
    ValueError when a name and a process both fit, or nothing has that number.
    """
    if not where:
        raise ValueError("a network namespace is a NAME, a PID or a PATH, not an empty text")
    if "/" in where:
        return where
    if where.startswith("net:["):
        return _path_with(where)
    named = f"{NAMES}/{where}"
    if not is_number(where):
        return named
    if os.path.exists(named):
        raise ValueError(f"'{where}' is a process and also a network namespace: write {named} or /proc/{where}/ns/net")
    return f"/proc/{where}/ns/net"


def _path_with(label: str) -> str:
    """Some path of the namespace with this identity."""
    if identity() == label:
        return "/proc/self/ns/net"
    for path in others():
        if label == f"net:[{_inode(path)}]":
            return path
    raise ValueError(f"no process or name of a network namespace '{printable(label)}' is to be seen")


class opened:  # noqa: N801 - a context manager that reads like a verb
    """`with opened(where) as scope`: the C module's scope, None for the caller's own.

    where: None, a PID, or text for path_of().  Raises Error when it cannot be
    opened, naming what is missing; NotSupported where there are none.
    """

    def __init__(self, where: str | int | None) -> None:
        if where is not None:
            check_supported()
        self.path = None if where is None else path_of(str(where))
        self.where = where
        self.scope: int | None = None

    def __enter__(self) -> int | None:
        if self.path is None:
            return None
        try:
            self.scope = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError as error:
            raise Error(f"no network namespace '{printable(str(self.where))}'", errno=error.errno, step="open") from None
        except PermissionError as error:
            hint = "needs CAP_SYS_PTRACE or the process's own user; run as root"
            raise NotPermitted(
                f"network namespace '{printable(str(self.where))}': not permitted", errno=error.errno, step="open", hint=hint
            ) from None
        except OSError as error:
            raise Error(f"network namespace '{printable(str(self.where))}': {error.strerror}", errno=error.errno, step="open") from None
        return self.scope

    def __exit__(self, *_: object) -> None:
        if self.scope is not None:
            os.close(self.scope)
            self.scope = None


def check_supported() -> None:
    """Raise NotSupported on a system without network namespaces."""
    if not platform.NETNS:
        instead = "a zone is named by --zone, or entered by zlogin" if platform.ZONES else ""
        raise NotSupported("this system has no network namespaces", errno=errno.EOPNOTSUPP, hint=instead)


def identity(path: str = "/proc/self/ns/net") -> str | None:
    """'net:[4026531840]', or None where it cannot be told."""
    if not platform.NETNS:
        return None
    try:
        return os.readlink(path)
    except OSError:
        return None


def others() -> Iterator[str]:
    """Paths of namespaces that are not ours, as far as they can be seen; some may repeat."""
    own = _inode("/proc/self/ns/net") if platform.NETNS else None
    if own is None:
        return
    names = [f"{NAMES}/{name}" for name in _listed(NAMES)]
    processes = [f"/proc/{pid}/ns/net" for pid in _listed("/proc") if is_number(pid)]
    for path in names + processes:
        if _inode(path) not in (own, None):
            yield path


def _listed(directory: str) -> list[str]:
    try:
        return os.listdir(directory)
    except OSError:
        return []  # no namespace has a name here


def _inode(path: str) -> int | None:
    try:
        return os.stat(path).st_ino
    except OSError:
        return None


def places(where: str | int | None) -> list[tuple[str | int | None, str | None]]:
    """(where, label) of each namespace meant; the label, which path_of() takes, is None for our own.

    "all" is every namespace that can be seen, our own first and with a label.
    """
    if where is None:
        return [(None, None)]
    check_supported()
    if where != "all":
        path = path_of(str(where))
        return [(where, None if _inode(path) == _inode("/proc/self/ns/net") else _label(path))]
    found: dict[int, tuple[str | int | None, str | None]] = {}
    own = _inode("/proc/self/ns/net")
    if own is not None:
        found[own] = (None, identity())
    for path in others():
        inode = _inode(path)
        if inode is not None and inode not in found:
            found[inode] = (path, _label(path))
    return list(found.values())


def _label(path: str) -> str | None:
    """A namespace's name, else its identity; None when it cannot be seen (opening it says why)."""
    if path.startswith(NAMES + "/"):
        return path[len(NAMES) + 1 :]
    inode = _inode(path)
    return None if inode is None else f"net:[{inode}]"
