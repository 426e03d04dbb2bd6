# SPDX-License-Identifier: BSD-2-Clause
"""Network namespaces by name, process or path.  Only descriptors: no thread of ours moves.

ip-netns(8), namespaces(7).
"""

from __future__ import annotations

import errno
import os

from ..errors import Error, NotFound, NotPermitted, NotSupported
from ..model.addresses import is_number, printable, spelled_bytes, typed_bytes
from . import platform

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

NAMES = "/run/netns"
_OWN = "/proc/self/ns/net"
_NS_GET_NSTYPE, _CLONE_NEWNET = 0xB703, 0x40000000
#: what an engine started: container:ID, pod:UID (containers.py)
_ENGINES = ("container", "pod")
#: the step at which it stayed unknown where a process lives: it may well be in a namespace that was read
HIDDEN = "stat"
_READS_ALL = "needs CAP_SYS_PTRACE or the process's own user; run as root"


def path_of(where: str) -> tuple[str, int | None]:
    """The file of a namespace, and which one it is where that is known already.

    Digits are a PID, with a slash it is a path, container:ID and pod:UID what an
    engine started, else a name.  Also 'net:[4026531840]', as it is shown where it
    has no name.  Raises ValueError when two fit.
    """
    check_name(where)
    where = typed_bytes(where)
    if "/" in where:
        return where, None
    if where.startswith("net:["):
        return _path_with(where), int(where[5:-1])
    named = f"{NAMES}/{where}"
    kind, colon, prefix = where.partition(":")
    if colon and kind in _ENGINES and not os.path.exists(named):
        from . import containers  # few are asked for so

        return containers.path_of(kind, prefix) or (named, None)
    if not is_number(where):
        return named, None
    if os.path.exists(named):
        raise ValueError(f"'{where}' is a process and also a network namespace: write {named} or /proc/{where}/ns/net")
    return f"/proc/{where}/ns/net", None


def check_name(where: str) -> None:
    """Raise ValueError for what can name none, whatever this host has."""
    if not where:
        raise ValueError("a network namespace is a NAME, a PID or a PATH, not an empty text")
    if where.startswith("net:[") and "/" not in where:
        possible = where.endswith("]") and is_number(where[5:-1]) and len(where) <= len("net:[]") + 20
    else:
        possible = _is_path(where)
    if not possible:
        raise ValueError(f"'{printable(where)}' names no network namespace: a NAME, a PID, a PATH or net:[NUMBER] does")


def _is_path(text: str) -> bool:
    try:
        return b"\0" not in os.fsencode(text)
    except UnicodeError:
        return False


def _path_with(label: str) -> str:
    """Some path of the namespace with this identity."""
    if identity() == label:
        return _OWN
    for path in others():
        if label == f"net:[{_inode(path)}]":
            return path
    return f"{NAMES}/{label}"  # none is to be seen, and so it is said when it is opened


def check_where(where: object) -> None:
    """Raise TypeError unless it may name network namespaces."""
    if where is not None and (isinstance(where, bool) or not isinstance(where, (str, int, os.PathLike))):
        raise TypeError(f"netns is a NAME, a PID or a PATH, not {printable(repr(where))}")


class Namespace:
    """A network namespace.  What it is called is resolved once: a PID may be another process by the next look.

    where: None for the caller's own, a PID, or text for path_of().
    label: how connections in it are marked; None for the caller's own, unless all were asked for.

    A run asks one descriptor from its selection to its last look, and closes it
    then; `with Namespace(where) as scope` does so for a single drop.  Whoever asks
    later, as for connections that were kept, gets it opened anew, and an Error when
    another namespace has its name by then.
    """

    __slots__ = ("_descriptor", "_inode", "failure", "found", "label", "path", "where")

    def __init__(self, where: str | int | None = None, label: str | None = None, *, inode: int | None = None) -> None:
        self._descriptor: int | None = None
        check_where(where)
        if where is not None:
            check_supported()
        self.where = where
        known: int | None = None
        self.path: str | None = None
        if where is not None:
            self.path, known = path_of(str(where))
        self.label = label
        #: it is one of all: that another than our own is gone by the next look is no error
        self.found = False
        #: why it cannot be asked, once that was tried: so it is not tried again
        self.failure: Error | None = None
        #: which one it is, once that was seen
        self._inode = known if inode is None else inode

    @property
    def is_open(self) -> bool:
        return self._descriptor is not None

    @property
    def scope(self) -> int | None:
        """The kernel's scope: a descriptor, None for the caller's own.  Raises Error when it cannot be opened, or asked."""
        if self.failure is not None:
            raise self.failure
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

    @property
    def was_seen(self) -> bool:
        """Is it known which one it is?"""
        return self._inode is not None

    def _open(self, path: str) -> int:
        name = printable(str(self.where))
        try:
            os.stat(path)
            # What is none is not opened: a pipe waits, a tape winds, a watchdog begins to count.
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK) if _found_inode(path) is not None else -1
        except OSError as error:
            return self._open_other(_why(error, path, name))
        inode = _inode(f"/proc/self/fd/{descriptor}")
        if inode is None or self._inode not in (None, inode):
            if descriptor >= 0:
                os.close(descriptor)
            if self.found:  # its process has ended or went elsewhere, its name was taken away between two looks
                return self._open_other(Error(f"no network namespace '{name}'", errno=errno.ENOENT, step="open"))
            if inode is None:
                raise Error(f"'{name}' is no network namespace, or none any more", errno=errno.EINVAL, step="open")
            raise Error(f"network namespace '{name}' is another one by now", errno=errno.ESTALE, step="open")
        self._inode = inode
        return descriptor

    def _open_other(self, error: Error) -> int:
        """The process or the name that showed it has ended, and it may live on; else raises the error."""
        if has_ended(error) and self._inode is not None:
            for path in others():
                if _inode(path) == self._inode:
                    try:
                        return self._checked(os.open(path, os.O_RDONLY))
                    except OSError:
                        continue  # that one has ended too
        raise error

    def _checked(self, descriptor: int) -> int:
        if _inode(f"/proc/self/fd/{descriptor}") == self._inode:
            return descriptor
        os.close(descriptor)
        raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))

    def again(self) -> Namespace:
        """The same one, for a run of its own, whose descriptor nobody else closes."""
        same = Namespace(self.where, self.label, inode=self._inode)
        same.found = self.found
        return same

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


def has_ended(error: Error) -> bool:
    """Does this error of a Namespace say that it is no more?  Of one that was never seen only that it has not that name."""
    return error.step == "open" and error.errno == errno.ENOENT


def _why(error: OSError, path: str, name: str) -> Error:
    """Why a namespace could not be opened.  A process that ended meanwhile is no want of rights, though the kernel says so."""
    process, _, rest = path.rpartition("/ns/")
    gone = rest and process.startswith("/proc/") and not os.path.exists(process)
    if isinstance(error, FileNotFoundError) or gone:
        hint = "digits are the id of a process, and there is no such process" if is_number(name) else ""
        if hint and not platform.process_is_absent(int(name)):
            hint = "digits are the id of a process, and /proc does not show that one"
        if name.partition(":")[0] in _ENGINES:
            hint = "no process that can be seen is in one whose id begins so: docker ps, podman ps and crictl ps show ids, not names"
        return Error(f"no network namespace '{name}'", errno=errno.ENOENT, step="open", hint=hint)
    if isinstance(error, PermissionError):
        return NotPermitted(f"network namespace '{name}': not permitted", errno=error.errno, step="open", hint=_READS_ALL)
    return Error(f"network namespace '{name}': {error.strerror}", errno=error.errno, step="open")


# ---- all of them


def others() -> Iterator[str]:
    """Paths of namespaces that are not ours, as far as they can be seen; some may repeat."""
    own = _inode(_OWN) if platform.NETNS else None
    if own is None:
        return
    for path in _paths():
        if _found_inode(path) not in (own, None):
            yield path


def _paths() -> Iterator[str]:
    """Where a namespace may show: names, processes, threads with one of their own, and mounts, also those of other mount namespaces.

    One that nothing but an open descriptor keeps shows nowhere.
    """
    for name in _listed(NAMES):
        yield f"{NAMES}/{name}"
    # Ascending: servers first, and after them their children, who inherit.
    pids = sorted(int(name) for name in _listed("/proc") if name.isdigit())
    for pid in pids:
        yield f"/proc/{pid}/ns/net"
    mounts: dict[str | None, int] = {}
    for pid in pids:
        threads = _listed(f"/proc/{pid}/task")
        for thread in threads if len(threads) > 1 else ():
            yield f"/proc/{pid}/task/{thread}/ns/net"
        mounts.setdefault(identity(f"/proc/{pid}/ns/mnt"), pid)
    for pid in mounts.values():
        for path in _mounted(pid):
            yield f"/proc/{pid}/root{path}"


def _mounted(pid: int) -> Iterator[str]:
    """Where network namespaces are mounted, as this process sees it.  proc_pid_mountinfo(5)."""
    try:
        with open(f"/proc/{pid}/mountinfo", "rb") as file:
            lines = file.read().split(b"\n")
    except OSError:
        return
    for line in lines:
        fields = line.split(b" ")
        if len(fields) > 4 and fields[3].startswith(b"net:["):
            place = fields[4]
            for code, plain in ((b"\\040", b" "), (b"\\011", b"\t"), (b"\\012", b"\n"), (b"\\134", b"\\")):
                place = place.replace(code, plain)
            yield os.fsdecode(place)


def _listed(directory: str) -> list[str]:
    try:
        return sorted(os.listdir(directory))
    except OSError:
        return []  # no namespace has a name here, or the process has ended


def _inode(path: str) -> int | None:
    """Which network namespace this is; None for what is none, or cannot be seen."""
    try:
        found, own = os.stat(path), os.stat(_OWN)
    except OSError:
        return None
    return found.st_ino if found.st_dev == own.st_dev else None


def _found_inode(path: str) -> int | None:
    """The same of one among all, which nobody named: there one of another kind is none, and not an error."""
    inode = _inode(path)
    return None if inode is None or _is_of_another_kind(path) else inode


def _is_of_another_kind(path: str) -> bool:
    """Namespaces of all kinds are files of one device; the kernel tells which kind one is of.  ioctl_ns(2).

    Of what is no namespace at all it must not be asked: to open a pipe waits for its writer.
    """
    if path.endswith("/ns/net"):
        return False
    try:
        from fcntl import ioctl  # only of names and mounts

        descriptor = os.open(path, os.O_RDONLY)
        try:
            return ioctl(descriptor, _NS_GET_NSTYPE) != _CLONE_NEWNET
        finally:
            os.close(descriptor)
    except (OSError, ImportError):
        return False  # an old kernel, another processor's number, no descriptor left: whoever enters it is told


def namespaces(where: str | int | None) -> list[Namespace]:
    """Each one that is meant, with its label.  "all" is every one that can be seen, our own first."""
    if where is None:
        return [Namespace()]
    check_supported()
    if where != "all":
        one = Namespace(where)
        one.label = None if one.inode == _inode(_OWN) else _label(one.path or "", one.inode)
        return [one]
    own = _inode(_OWN)
    if own is None:
        raise Error("network namespaces cannot be told apart: /proc is not there, or not to be read", errno=errno.ENOENT, step="proc")
    found = {own: Namespace(None, identity())}
    found[own].found = True
    for path in others():
        inode = _found_inode(path)
        if inode is not None and inode not in found:
            found[inode] = Namespace(path, _label(path, inode), inode=inode)
            found[inode].found = True
    return list(found.values())


def called(where: str | None) -> Namespace:
    """One that a list names, with its label: what it is called here, whatever the list says; that only of one that cannot be opened."""
    one = Namespace(where, where)
    try:
        inode = one.inode
    except Error as error:
        if not has_ended(error):
            one.failure = error
        return one
    if where is None or inode == _inode(_OWN):
        return Namespace(None, identity())
    one.where = one.label = _label(one.path or "", inode)
    return one


def unseen() -> list[Error]:
    """What namespaces("all") had to leave out: names that lead to none, and processes that may not be looked at."""
    left: list[Error] = [
        NotFound(f"'{printable(name)}' is no network namespace: its file in {NAMES} is stale", errno=errno.EINVAL, step="open")
        for name in _listed(NAMES)
        if _found_inode(f"{NAMES}/{name}") is None and os.path.lexists(f"{NAMES}/{name}")
    ]
    hidden = sum(_is_hidden(f"/proc/{name}/ns/net") for name in _listed("/proc") if name.isdigit())
    if not platform.process_exists(1):
        text = "/proc does not show all processes (hidepid): the network namespaces that they are in may be missing"
        left.append(NotPermitted(text, errno=errno.EACCES, step=HIDDEN, hint=_READS_ALL))
    if hidden:
        processes = f"{hidden} processes are in" if hidden > 1 else "1 process is in"
        left.append(NotPermitted(f"which network namespace {processes} may not be seen", errno=errno.EACCES, step=HIDDEN, hint=_READS_ALL))
    return left


def _is_hidden(path: str) -> bool:
    try:
        os.stat(path)
    except PermissionError:
        return os.path.exists(path[: path.index("/ns/")])
    except OSError:
        pass  # it has ended
    return False


def _label(path: str, inode: int | None) -> str:
    """A namespace's name, if that is read back as one; else its identity."""
    name = spelled_bytes(path[len(NAMES) + 1 :]) if path.startswith(NAMES + "/") else ""
    return name if _reads_back(name) else f"net:[{inode}]"


def _reads_back(name: str) -> bool:
    """Does it mean this name wherever a namespace is written: for --netns, in a column, above a table?"""
    means_another = is_number(name) or name in ("all", "-") or name.startswith(("net:[", "#"))
    return name != "" and name.isprintable() and name.strip() == name and not means_another


def scopes_of(where: str | int | None) -> Iterator[int | None]:
    """Our own namespace, and each one that is meant beside it, open while it is looked at."""
    yield None
    for one in namespaces(where) if where is not None else ():
        try:
            scope = one.scope
        except Error:
            if not one.found:
                raise
            continue  # one of all has ended, or cannot be entered: that is told where its connections are asked for
        yield scope
        one.close()
