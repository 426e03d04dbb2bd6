# SPDX-License-Identifier: BSD-2-Clause
"""Predicates on who holds the socket: pid, comm, user, mine, unit, cgroup, kernel.

A socket without inode (TIME_WAIT, an orphan, not yet accepted) has no holder
that could be found: unknown, not nobody and not root.
"""

from __future__ import annotations

import os

from ..model.globs import glob, is_pattern
from ..model.rows import CGROUP, FLAGS, INODE, PID, ROW_CGROUP, ROW_UID, UID
from ..system import procfs
from . import bytecode
from .lexer import quoted
from .nodes import CGROUPS, OWNERS, PIDS, Mergeable, Node
from .values import COMM_BYTES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ..model.rows import Info, Row
    from ..system.holders import Owners
    from .bytecode import Condition
    from .facts import Facts
    from .nodes import Answer, Test


class Pid(Mergeable):
    """Held (illumos: or created) by one of these processes: args is ("pid", number, ...), ascending."""

    __slots__ = ()
    word = "pid"

    @property
    def pids(self) -> tuple[int, ...]:
        return self.args[1:]

    @classmethod
    def of(cls, pids: Iterable[int]) -> Pid:
        return cls("pid", *sorted(set(pids)))

    @classmethod
    def joined(cls, nodes: list[Pid]) -> Pid:
        return cls.of(pid for node in nodes for pid in node.pids)

    def compiled(self) -> Test:
        pids = self.pids

        def held(row: Row, info: Info | None, facts: Facts) -> Answer:
            if row[PID] in pids:  # a creator's, which is never 0
                return True
            if facts.owners is None:
                return None
            answer: Answer = False
            for pid in pids:
                one = facts.owners.has(pid, row)
                if one:
                    return True
                if one is None:
                    answer = None
            return answer

        return held

    def needs(self) -> frozenset[str]:
        return frozenset([PIDS])

    def __str__(self) -> str:
        return "pid " + ",".join(map(str, self.pids))


class _Holder(Node):
    """True when any holder is what the value says: args is (value,)."""

    __slots__ = ()

    def compiled(self) -> Test:
        def held(row: Row, info: Info | None, facts: Facts) -> Answer:
            if not row[INODE] or facts.owners is None:
                return None
            return facts.owners.any_holder(row[INODE], self, self.is_it(facts.owners))

        return held

    def is_it(self, owners: Owners) -> Callable[[int], Answer]:
        """The test of one pid."""
        raise NotImplementedError

    def needs(self) -> frozenset[str]:
        return frozenset([OWNERS])


class Comm(_Holder):
    """The command's name, which the kernel cuts at 15 bytes, matches the glob."""

    __slots__ = ()
    word = "comm"

    def is_it(self, owners: Owners) -> Callable[[int], Answer]:
        comm, matches = owners.processes.comm, glob(self.args[0])

        def named(pid: int) -> Answer:
            name = comm(pid)
            if name is None or matches(name):
                return None if name is None else True
            return None if may_be_longer(name) and could_match(self.args[0], name) else False

        return named

    def __str__(self) -> str:
        return f"comm {quoted(self.args[0])}"


def may_be_longer(name: str) -> bool:
    """Did the kernel keep the first 15 bytes of a longer name, as far as can be told?"""
    return len(name.encode("utf-8", "surrogateescape")) >= COMM_BYTES


def could_match(pattern: str, name: str) -> bool:
    """Does the pattern match some name that begins like this one?  A plain name is meant as the kernel shows it: no."""
    if not is_pattern(pattern):
        return False
    if name and "\udc80" <= name[-1] <= "\udcff":  # cut inside a character
        name = name.rstrip("".join(map(chr, range(0xDC80, 0xDD00))))
    parts = _parts_of(pattern)
    #: how many parts may be behind us after the characters so far
    at = _past_stars({0}, parts)
    for char in name:
        after = {index if parts[index] == "*" else index + 1 for index in at if index < len(parts) and _takes(parts[index], char)}
        at = _past_stars(after, parts)
    return any(index < len(parts) for index in at)  # something is left for what was cut


def _parts_of(pattern: str) -> list[str]:
    """'a*[xy]' -> 'a', '*', '[xy]', as fnmatch(3) reads it."""
    parts, at = [], 0
    while at < len(pattern):
        end = at + 1
        if pattern[at] == "[":
            first = at + 2 if pattern[at + 1 : at + 2] == "!" else at + 1
            close = pattern.find("]", first + 1)
            end = close + 1 if close >= 0 else end
        parts.append(pattern[at:end])
        at = end
    return parts


def _past_stars(at: set[int], parts: list[str]) -> set[int]:
    found = set()
    for index in at:
        found.add(index)
        while index < len(parts) and parts[index] == "*":
            index += 1
            found.add(index)
    return found


def _takes(part: str, char: str) -> bool:
    return part in ("*", "?", char) or (part[0] == "[" and len(part) > 2 and glob(part)(char))


class User(_Holder):
    """The socket's user or a holder's, real or effective: args is (uid,)."""

    __slots__ = ()
    word = "user"

    def compiled(self) -> Test:
        (uid,), held, unmapped = self.args, super().compiled(), procfs.unmapped_uid()

        def used(row: Row, info: Info | None, facts: Facts) -> Answer:
            # The unmapped user stands for many, and for none of them for certain.
            if not row[INODE] or not row[FLAGS] & ROW_UID or row[UID] == unmapped:
                return True if held(row, info, facts) else None
            return True if row[UID] == uid else held(row, info, facts)

        return used

    def is_it(self, owners: Owners) -> Callable[[int], Answer]:
        return _runs_as(owners, self.args[0])

    def __str__(self) -> str:
        return f"user {self.args[0]}"


class Mine(_Holder):
    """A process of the caller's own user holds it, whoever made it."""

    __slots__ = ()
    word = "mine"

    def is_it(self, owners: Owners) -> Callable[[int], Answer]:
        return _runs_as(owners, os.geteuid())

    def __str__(self) -> str:
        return "mine"


def _runs_as(owners: Owners, uid: int) -> Callable[[int], Answer]:
    uids = owners.processes.uids

    def runs_as(pid: int) -> Answer:
        known = uids(pid)
        return None if known is None else uid in known

    return runs_as


class Unit(_Holder):
    """A holder runs in this systemd unit: args is (name with suffix,)."""

    __slots__ = ()
    word = "unit"

    def is_it(self, owners: Owners) -> Callable[[int], Answer]:
        in_unit, name = owners.processes.in_unit, self.args[0]
        return lambda pid: in_unit(pid, name)

    def __str__(self) -> str:
        return f"unit {quoted(self.args[0])}"


class Cgroup(Node):
    """The socket was made in this cgroup or below it: args is (path,).  A path that is not there: unknown.

    The kernel notes the cgroup at socket() and keeps it when the process moves,
    and when the cgroup ends: then nothing tells where that was.
    """

    __slots__ = ()
    word = "cgroup"

    def compiled(self) -> Test:
        (path,) = self.args

        def inside(row: Row, info: Info | None, facts: Facts) -> Answer:
            return facts.in_cgroup(path, row[CGROUP]) if row[FLAGS] & ROW_CGROUP else None

        return inside

    def condition(self, facts: Facts | None) -> tuple[Condition | None, bool]:
        if facts is None or not facts.cgroup_ids(self.args[0]) or not bytecode.has_cgroup_op():
            return None, False
        # Only what is certainly elsewhere is left out: a mini socket, or one of a cgroup that has ended, is unknown
        # and counted so.  The kernel was seen to have 0 for those.
        others = facts.other_cgroup_ids(self.args[0])
        if not others or len(others) > bytecode.MAX_OPS:
            return None, False
        return bytecode.Inverse(bytecode.some([bytecode.in_cgroup(number) for number in sorted(others)])), False

    def needs(self) -> frozenset[str]:
        return frozenset([CGROUPS])

    def __str__(self) -> str:
        return f"cgroup {quoted(self.args[0])}"


class Kernel(Node):
    """The kernel itself holds it (NFS, iSCSI): it has an inode, and no process holds that.

    Nothing proves it: a socket of which no holder was seen may be registered
    with an io_uring or be under way in a message.  So it is False or unknown:
    `not kernel` selects, `kernel` protects, and neither guesses.  A socket that
    nobody holds any more has no inode, and is not meant.
    """

    __slots__ = ()
    word = "kernel"

    def compiled(self) -> Test:
        def unheld(row: Row, info: Info | None, facts: Facts) -> Answer:
            if not row[INODE]:
                return False
            return False if facts.owners is not None and facts.owners.of(row[INODE]) is not None else None

        return unheld

    def needs(self) -> frozenset[str]:
        return frozenset([OWNERS])

    def __str__(self) -> str:
        return "kernel"
