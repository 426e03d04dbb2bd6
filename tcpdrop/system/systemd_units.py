# SPDX-License-Identifier: BSD-2-Clause
"""systemd's units by the names that people know them by.

A cgroup has the name of the unit itself, and `sshd.service` may be a link to
`ssh.service`.  So links in the directories of units are followed, as
systemctl(1) does.  systemd.unit(5).
"""

from __future__ import annotations

import os

from ..model.addresses import printable
from ..model.globs import glob, is_pattern
from . import cgroup_names, procfs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

#: the unit in which all others are
ROOT = "-.slice"
#: suffixes of what has processes
SUFFIXES = (".service", ".scope", ".socket", ".mount", ".swap", ".slice")
#: and of what has none: it only starts others, or waits
_WITHOUT_PROCESSES = (".timer", ".target", ".path", ".device", ".automount")
#: what is made and ends while the host runs, and is in no directory
_COMES_AND_GOES = (".scope", ".slice")

_ROOTS = (b"/etc/systemd", b"/run/systemd", b"/usr/local/lib/systemd", b"/usr/lib/systemd", b"/lib/systemd")
_KINDS = (b"system", b"user", b"system.control", b"transient", b"generator", b"generator.early", b"generator.late")


def unit_name(text: str) -> str:
    """'nginx' -> 'nginx.service', as systemctl(1) does; a pattern is taken as it is.  Raises ValueError."""
    if "/" in text:
        raise ValueError(f"'{printable(text)}' never matches: no unit has a / in its name")
    for suffix in _WITHOUT_PROCESSES:
        if text.endswith(suffix):
            instead = f"name the service, like {text[: -len(suffix)]}.service"
            raise ValueError(f"'{printable(text)}' never matches: a {suffix[1:]} has no processes; {printable(instead)}")
    name = text if text.endswith(SUFFIXES) or is_pattern(text) else text + ".service"
    stem, at, rest = name.partition("@")
    if at and rest in SUFFIXES:
        instead = f"name one that is made of it, or all, {stem}@*{rest}"
        raise ValueError(f"'{printable(text)}' never matches: a template has no processes; {printable(instead)}")
    return name


class Unit:
    """What a unit is called in the path of a cgroup."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._pattern = is_pattern(name)
        # 'ssh?' is meant as 'ssh?.service' too, as 'ssh' is.
        patterns = [glob(name), glob(name + ".service")]
        self._matches: Callable[[str], bool] = lambda part: any(matches(part) for matches in patterns)
        known = filter(self._matches, _files()) if self._pattern else [name]
        #: the name, that of what it is a link to, and that with its dashes escaped, as of a path
        self.names = {real for one in known for real in _real_names(one)} | {name}
        #: template -> what is before the @ of those that are links to it, for a pattern: 'autovt@*' means getty@tty1.service
        self._aliases = _aliases() if self._pattern else {}
        if not self._pattern and not self.has_file:
            stem, dot, suffix = name.rpartition(".")
            self.names.add(stem.replace("-", "\\x2d") + dot + suffix)

    @property
    def has_file(self) -> bool:
        files = {_bytes(one) for name in self.names for one in (name, _template(name))}
        return any(os.path.lexists(place + b"/" + file) for file in files for place in _places())

    def holds(self, path: str) -> bool:
        """Is a cgroup with this path in it, however deep?"""
        if self.name == ROOT:
            return True
        parts = path.split("/")
        # systemd puts _ before a name that a controller's file could have.
        parts += [part[1:] for part in parts if part.startswith("_")]
        return not self.names.isdisjoint(parts) or any(part.endswith(SUFFIXES) and self._fits(part) for part in parts)

    def _fits(self, name: str) -> bool:
        """Does the unit go by this name, or by one that a link to its template gives it?"""
        instance = name.partition("@")[2]
        return self._matches(name) or any(self._matches(f"{stem}@{instance}") for stem in self._aliases.get(_template(name), ()))

    @property
    def may_exist(self) -> bool:
        """Is there a unit of this name, or may there be one any time?"""
        if self._pattern or self.name.endswith(_COMES_AND_GOES) or self.has_file:
            return True
        names_all = cgroup_names.name_all_units()
        return any(self.holds(path) or not names_all(path) for path in procfs.cgroup_paths())


def _places() -> list[bytes]:
    return [root + b"/" + kind for root in _ROOTS for kind in _KINDS]


def _files() -> set[str]:
    found: set[str] = set()
    for place in _places():
        try:
            found.update(name.decode("utf-8", "surrogateescape") for name in os.listdir(place))
        except OSError:
            continue  # there is no such directory here
    return {name for name in found if name.endswith(SUFFIXES)}


def _aliases() -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for name in _files():
        stem, at, rest = name.partition("@")
        for target in _real_names(name) - {name} if at and rest in SUFFIXES else ():
            found.setdefault(target, set()).add(stem)
    return found


def _real_names(name: str) -> set[str]:
    """The name, and what it is a link to; 'a@b.service' goes by 'a@.service'."""
    found = {name}
    for one in {name, _template(name)}:
        for place in _places():
            target = _target(place + b"/" + _bytes(one))
            if target and target.endswith(SUFFIXES):
                stem, at, rest = target.partition("@")
                instance = name.partition("@")[2].rpartition(".")[0]
                found.add(f"{stem}@{instance}{rest}" if at and rest.startswith(".") and instance else target)
    return found


def _target(path: bytes) -> str:
    """The last name that a link leads to; "" for what is none, and for a unit that is masked."""
    if not os.path.islink(path):
        return ""
    real = os.path.realpath(path)
    return "" if real == b"/dev/null" else os.path.basename(real).decode("utf-8", "surrogateescape")


def _template(name: str) -> str:
    """'getty@tty1.service' -> 'getty@.service'"""
    stem, at, rest = name.partition("@")
    return f"{stem}@.{rest.rpartition('.')[2]}" if at else name


def _bytes(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")
