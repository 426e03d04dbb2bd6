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
_OWN = "/proc/self/ns/net"


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
        return _OWN
    for path in others():
        if label == f"net:[{_inode(path)}]":
            return path
    raise ValueError(f"no process or name of a network namespace '{printable(label)}' is to be seen")


class Namespace:
    """A network namespace.  What it is called is resolved once: a PID may be another process by the next look.

    where: None for the caller's own, a PID, or text for path_of().
    label: how connections in it are marked; None for the caller's own, unless all were asked for.

    A run asks one descriptor from its selection to its last look, and closes it
    then; `with Namespace(where) as scope` does so for a single drop.  Whoever asks
    later, as for connections that were kept, gets it opened anew, and an Error when
    another namespace has its name by then.
    """

    __slots__ = ("_descriptor", "_inode", "found", "label", "path", "where")

    def __init__(self, where: str | int | None = None, label: str | None = None, *, inode: int | None = None) -> None:
        self._descriptor: int | None = None
        if where is not None:
            check_supported()
        self.where = where
        self.path = None if where is None else path_of(str(where))
        self.label = label
        #: it was come across among all: that it is gone by the next look is no error
        self.found = False
        #: which one it is, once that was seen
        self._inode = int(str(where)[5:-1]) if str(where).startswith("net:[") else inode

    @property
    def is_open(self) -> bool:
        return self._descriptor is not None

    @property
    def scope(self) -> int | None:
        """The kernel's scope: a descriptor, None for the caller's own.  Raises Error when it cannot be opened."""
        if self.path is not None and self._descriptor is None:
            self._descriptor = self._open(self.path)
        return self._descriptor

    @property
    def inode(self) -> int | None:
        """Which one it is; None when that does not show."""
        if self.path is None:
            return _inode(_OWN)
        self.scope  # noqa: B018 - opens it
        return self._inode

    def _open(self, path: str) -> int:
        name = printable(str(self.where))
        try:
            descriptor = os.open(path, os.O_RDONLY)
        except FileNotFoundError as error:
            another = next((path for path in others() if _inode(path) == self._inode), None) if self._inode is not None else None
            if another is not None:  # the process that showed it has ended, and it lives on
                return self._open(another)
            hint = "digits are the id of a process, and there is no such process" if is_number(name) else ""
            raise Error(f"no network namespace '{name}'", errno=error.errno, step="open", hint=hint) from None
        except PermissionError as error:
            hint = "needs CAP_SYS_PTRACE or the process's own user; run as root"
            raise NotPermitted(f"network namespace '{name}': not permitted", errno=error.errno, step="open", hint=hint) from None
        except OSError as error:
            raise Error(f"network namespace '{name}': {error.strerror}", errno=error.errno, step="open") from None
        inode = os.fstat(descriptor).st_ino
        if self._inode not in (None, inode):
            os.close(descriptor)
            raise Error(f"network namespace '{name}' is another one by now", errno=errno.ESTALE, step="open")
        self._inode = inode
        return descriptor

    def again(self) -> Namespace:
        """The same one, for a run of its own, whose descriptor nobody else closes."""
        return Namespace(self.where, self.label, inode=self._inode)

    def close(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    __del__ = close  # a look that ended in an error, and a run that was left

    def __enter__(self) -> int | None:
        return self.scope

    def __exit__(self, *_: object) -> None:
        self.close()


def check_supported() -> None:
    """Raise NotSupported on a system without network namespaces."""
    if not platform.NETNS:
        instead = "a zone is named by --zone, or entered by zlogin" if platform.ZONES else ""
        raise NotSupported("this system has no network namespaces", errno=errno.EOPNOTSUPP, hint=instead)


def identity(path: str = _OWN) -> str | None:
    """'net:[4026531840]', or None where it cannot be told."""
    if not platform.NETNS:
        return None
    try:
        return os.readlink(path)
    except OSError:
        return None


def others() -> Iterator[str]:
    """Paths of namespaces that are not ours, as far as they can be seen; some may repeat."""
    own = _inode(_OWN) if platform.NETNS else None
    if own is None:
        return
    from .procfs import all_pids  # only who looks around

    names = [f"{NAMES}/{name}" for name in _listed(NAMES)]
    processes = [f"/proc/{pid}/ns/net" for pid in all_pids()]
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


def namespaces(where: str | int | None) -> list[Namespace]:
    """Each one that is meant, with its label.  "all" is every one that can be seen, our own first."""
    if where is None:
        return [Namespace()]
    check_supported()
    if where != "all":
        one = Namespace(where)
        one.label = None if one.inode == _inode(_OWN) else _label(one.path or "", one.inode)
        return [one]
    found: dict[int, Namespace] = {}
    own = _inode(_OWN)
    if own is not None:
        found[own] = Namespace(None, identity())
    for path in others():
        inode = _inode(path)
        if inode is not None and inode not in found:
            found[inode] = Namespace(path, _label(path, inode), inode=inode)
            found[inode].found = True
    return list(found.values())


def _label(path: str, inode: int | None) -> str:
    """A namespace's name, else its identity."""
    return path[len(NAMES) + 1 :] if path.startswith(NAMES + "/") else f"net:[{inode}]"


def scopes_of(where: str | int | None) -> Iterator[int | None]:
    """Our own namespace, and each one that is meant beside it, open while it is looked at."""
    yield None
    for one in namespaces(where) if where is not None else ():
        with one as scope:
            yield scope
