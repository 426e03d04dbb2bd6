# SPDX-License-Identifier: BSD-2-Clause
"""/etc/tcpdrop.conf: what must never be dropped on this host, whoever asks.

    # comments and empty lines
    protect remote 10.0.0.5 and rport 2049
    login my-remote-shell

`login` names a service through which people log in, by its process, beside
those that are known (login_services.py).  The rules bind the command line,
Python, Ansible and Salt alike and cannot be lifted from there.  Behind that
file come the drop-ins, /etc/tcpdrop.conf.d/*.conf, in the order of their names;
all rules add up.  What others could have written binds nobody: one such file,
or the directory, refuses every drop.
"""

from __future__ import annotations

import errno
import os
import stat
from codecs import BOM_UTF8

from ..errors import FilterError, Refused
from ..model.addresses import harmless, printable
from ..system.kernel import is_absent
from ..system.lookups import InterfaceNames

PATH = "/etc/tcpdrop.conf"
#: bytes of one file: some fifty thousand addresses, which take each drop a third of a second
LARGEST = 1 << 20

#: the services that login lines name, as the files were when they were read last
login_names: frozenset[str] = frozenset()

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import TypeVar, Union

    from ..filters import Filter
    from ..system.lookups import Scopes

    Text = TypeVar("Text", str, bytes)
    #: a file, the number of a line, and its filter, the name of a login service, or what is wrong
    Line = tuple[str, int, Union[Filter, str, Refused]]


def _own() -> Iterable[int | None]:
    return (None,)


def rules(scopes: Scopes = _own) -> list[tuple[str, Filter]]:
    """The filters of all files, each with its file's path.  Raises Refused when one cannot be trusted or followed.

    scopes: the network namespaces in which what a rule names may be.
    """
    found: list[tuple[str, Filter]] = []
    names: set[str] = set()
    for path, _, what in lines(scopes):
        if isinstance(what, Refused):
            raise what
        if isinstance(what, str):
            names.add(what)
        else:
            found.append((path, what))
    _note(names)
    return found


def _note(names: Iterable[str] = ()) -> None:
    """The files are read as a whole: a line that is not there any more names nobody."""
    global login_names
    login_names = frozenset(names)


def lines(scopes: Scopes = _own) -> Iterator[Line]:
    """What each line of each file says, or why it cannot be followed; line 0 is why a file, or the directory, cannot be trusted."""
    interfaces = InterfaceNames(scopes)
    yield from _lines(PATH, interfaces)
    try:
        names = _names()
    except Refused as error:
        yield f"{PATH}.d", 0, error
        return
    for name in names:
        if is_read(name):
            yield from _lines(f"{PATH}.d/{name}", interfaces)


def _lines(path: str, interfaces: InterfaceNames) -> Iterator[Line]:
    try:
        text = _trusted(path, _lines_of)
    except Refused as error:
        yield path, 0, error
        return
    for number, line in enumerate(text, 1):
        if line.strip() and not line.strip().startswith(b"#"):
            try:
                yield path, number, _rule(path, number, line, interfaces)
            except Refused as error:
                yield path, number, error


def is_read(name: str) -> bool:
    """Is a file of this name in the directory a drop-in?  Not what editors and package managers leave there."""
    return name.endswith(".conf") and not name.startswith(".")


def _names() -> list[str]:
    """What the directory of drop-ins has, in the order of the bytes of the names; nothing without one.  Raises Refused."""
    return sorted(_trusted(f"{PATH}.d", os.listdir), key=os.fsencode)


def unread() -> list[str]:
    """What lies in the directory and is no drop-in by its name: nobody may know that."""
    try:
        names = _names()
    except Refused:
        return []  # lines() says it
    return [f"{PATH}.d/{name}" for name in names if not is_read(name) and not name.startswith(".")]


def _lines_of(descriptor: int) -> list[bytes]:
    with open(descriptor, "rb", closefd=False) as file:
        raw = file.read(LARGEST + 1)
    if len(raw) > LARGEST:
        raise OSError(errno.EFBIG, f"it has more than {LARGEST >> 20} MiB")
    lines = raw.split(b"\n")
    if lines and lines[0].startswith(BOM_UTF8):  # as editors of Windows begin a file
        lines[0] = lines[0][len(BOM_UTF8) :]
    return lines


def _trusted(path: str, read: Callable[[int], list[Text]]) -> list[Text]:
    """What `read` makes of a file, or of the directory, that only root could have written; [] where there is none."""
    try:
        # Not to wait for a writer, should it be a pipe.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except FileNotFoundError:
        if os.path.lexists(path):
            raise _refused(path, "leads nowhere", errno.ENOENT) from None
        return []
    except OSError as error:
        raise _refused(path, f"cannot be read: {error.strerror}", error.errno) from None
    try:
        why = _distrust(os.fstat(descriptor), directory=path == f"{PATH}.d")
        if why:
            raise _refused(path, why)
        return read(descriptor)
    except OSError as error:
        raise error if isinstance(error, Refused) else _refused(path, f"cannot be read: {error.strerror}", error.errno) from None
    finally:
        os.close(descriptor)


class Rules:
    """The host's own rules and the caller's, each with what to call it.

    Raises Refused as rules() does, and FilterError for a name in the caller's that names nothing.
    """

    def __init__(self, protect: Iterable[Filter], scopes: Scopes = _own) -> None:
        self._scopes = scopes
        self._callers = []
        interfaces = InterfaceNames(scopes)
        for rule in protect:
            self._callers.append((f"--protect '{rule}'", _followed(rule, interfaces, f"--protect '{printable(str(rule))}': ")))
        self._stamp = _stamp()
        self._hosts: list[tuple[str, Filter]] = []
        if self._stamp is _ABSENT:  # most hosts have none, and a look at either name tells that
            _note()
        else:
            self._hosts = rules(scopes)

    def __iter__(self) -> Iterator[tuple[str, Filter]]:
        yield from ((f"{harmless(path)}: {rule}", rule) for path, rule in self._hosts)
        yield from self._callers

    def __len__(self) -> int:
        return len(self._hosts) + len(self._callers)

    def look_again(self) -> None:
        """Read the files anew if they are others by now, or one was changed: a run may take hours."""
        stamp = _stamp()
        if stamp != self._stamp:
            self._hosts = rules(self._scopes)
            self._stamp = stamp


#: what _stamp() says where nothing has either name
_ABSENT: list[tuple[object, ...]] = []


def _stamp() -> list[tuple[object, ...]]:
    """Which files they are, and when each was changed; a link counts beside what it leads to."""
    paths = [PATH, f"{PATH}.d"]
    if is_absent(PATH) and is_absent(paths[1]):
        return _ABSENT
    try:
        paths += (f"{PATH}.d/{name}" for name in _names())
    except Refused:
        pass  # lines() says it
    return [(path, _identity(os.lstat, path), _identity(os.stat, path)) for path in paths]


def _identity(look: Callable[[str], os.stat_result], path: str) -> tuple[int, ...]:
    try:
        one = look(path)
    except OSError as error:
        return (error.errno or 0,)
    return (one.st_dev, one.st_ino, one.st_size, one.st_mtime_ns, one.st_ctime_ns)


def _followed(rule: Filter | str, interfaces: InterfaceNames, what: str = "") -> Filter:
    """The rule.  FilterError for one that can never match: it protects nothing, and nobody would know."""
    from ..filters import Filter, absent_names, matches_none  # most hosts have no rules

    if isinstance(rule, str):
        rule = Filter(rule)
    names = absent_names(rule, interfaces)
    if names:
        raise FilterError(f"{what}{'; '.join(names)}")
    if matches_none(rule):
        raise FilterError(f"{what}no connection can ever match this: terms beside each other must all hold, as if by 'and'")
    return rule


def _distrust(status: os.stat_result, *, directory: bool) -> str:
    """Why it is not to be trusted, or ""."""
    if not (stat.S_ISDIR if directory else stat.S_ISREG)(status.st_mode):
        return "is not a directory" if directory else "is not a regular file"
    if status.st_uid != 0:
        return f"belongs to uid {status.st_uid}, not to root"
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return f"can be written by others than root (mode {stat.S_IMODE(status.st_mode):04o})"
    return ""


def _rule(path: str, number: int, line: bytes, interfaces: InterfaceNames) -> Filter | str:
    """The filter of a protect line, the name of a login line."""
    try:
        words = _before_comment(line.decode("utf-8", "surrogateescape")).split(None, 1)
        if any("\ud800" <= char <= "\udfff" for word in words for char in word):
            raise ValueError("it is not UTF-8")
        if len(words) == 2 and words[0] == "login" and len(words[1].split()) == 1:
            # As the kernel keeps it.
            return words[1].strip().encode()[:15].decode("utf-8", "surrogateescape")
        if len(words) != 2 or words[0] != "protect":
            raise ValueError("a line is 'protect FILTER' or a comment, or 'login NAME'")
        return _followed(words[1].strip(), interfaces)
    except ValueError as error:
        raise _refused(path, f"line {number}: {error}") from None


def _before_comment(text: str) -> str:
    """The line up to a # behind a blank; one within a word or in quotes is part of a name."""
    quote, at = "", 0
    while at < len(text):
        char = text[at]
        if quote:
            at += char == "\\"  # and what it escapes
            quote = "" if char == quote else quote
        elif char in "\"'":
            quote = char
        elif char == "#" and (at == 0 or text[at - 1].isspace()):
            return text[:at]
        at += 1
    return text


def _refused(path: str, why: str, number: int | None = None) -> Refused:
    return Refused(f"{harmless(path)} {why}: nothing is dropped until it is mended", errno=number)
