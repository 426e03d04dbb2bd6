# SPDX-License-Identifier: BSD-2-Clause
"""Is it gone?  What is looked at after a drop."""

from __future__ import annotations

import errno
import time

from ..errors import Error, StillPresent
from ..model.rows import ALL_STATES, CLOSED, COOKIE, IFINDEX, INODE, LISTEN, LPORT, ROW, RPORT, ends_of, spelled
from ..system import kernel, platform
from .rebound import rebound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from .._tcpdrop import Table
    from ..model.rows import Row


#: before this kernel a drop of what no process holds any more may end nothing, and is called success.  tcp_abort()
_ENDS_ORPHANS = (6, 11)


def still_present(row: Row) -> StillPresent:
    hint = ""
    if not platform.QUEUED and not row[INODE] and platform.release() < _ENDS_ORPHANS:
        hint = "no process holds it, and kernels before 6.11 may not end that"
    return StillPresent("still present", errno=errno.EBUSY, what=spelled(row), hint=hint)


def outlives(row: Row, scope: int | None) -> bool:
    """Is this one, which was dropped just now, there even so?  On Linux that may be only what no process holds."""
    if platform.QUEUED:
        return bool(wait_until_gone([row], scope))
    return present([row], scope)[0] and survives(row, scope, again=True)


def present(rows: Sequence[Row], scope: int | None) -> list[bool]:
    """Is each of these very sockets still there?  Raises Error."""
    if platform.LOOKS_BY_WALK:
        return [bool(numbers) for numbers in walk(rows, scope)[1]] if rows else []
    there = [kernel.still_there(row, scope) is not None for row in rows]
    missing = [number for number, is_there in enumerate(there) if not is_there]
    for number in rebound([rows[number] for number in missing], scope):
        there[missing[number]] = True
    return there


def survives(row: Row, scope: int | None, *, again: bool) -> bool:
    """Drop this very socket once more (again), since it was seen after its drop: is it there even so?

    A half-open connection that was dropped may become a full one at that very
    moment, with the same cookie (inet_csk_clone_lock(), Linux).
    """
    if platform.QUEUED:
        return True  # it was looked for until patience ended
    number = kernel.abort_row(row, scope) if again else errno.EOPNOTSUPP
    try:
        return number not in (0, errno.ENOENT) or present([row], scope)[0]
    except Error:
        return True  # as far as can be told


# ---- Solaris and illumos: a drop is queued, and every look is a walk over all connections
#
# A run never queues a second drop of what waits already: the kernel looks at the
# socket's state when its turn comes, not at the tuple, and would end whatever the
# program has connected that descriptor to since the first.

#: seconds until what does not go is called still present, and more for each of many
PATIENCE, PATIENCE_EACH = 2.0, 0.0001
#: a kernel does it within a millisecond, so that the first look is mostly the last: walks are few, for some
#: releases may panic in one (docs/porting.md)
_FIRST_PAUSE, _LONGEST_PAUSE = 0.02, 0.5

_CONNECTIONS = ALL_STATES & ~(1 << LISTEN | 1 << CLOSED)


def wait_until_gone(rows: Sequence[Row], scope: int | None) -> list[int]:
    """Look again for what was accepted, with growing pauses; the numbers of those that are there when patience ends.

    Raises Error when it cannot be looked.
    """
    left = list(range(len(rows)))
    deadline = time.monotonic() + PATIENCE + PATIENCE_EACH * len(rows)
    pause = _FIRST_PAUSE
    while left:
        time.sleep(pause)
        pause = min(3 * pause, _LONGEST_PAUSE)
        left = [number for number, there in zip(left, present([rows[number] for number in left], scope)) if there]
        if time.monotonic() >= deadline:
            break
    return left


def walk(rows: Sequence[Row], scope: int | None) -> tuple[Table, list[list[int]]]:
    """One walk for all of these: its table, and for each row the numbers in there of what is that socket, or may be."""
    wanted: dict[tuple[object, ...], list[int]] = {}
    for number, row in enumerate(rows):
        wanted.setdefault(ends_of(row), []).append(number)
    ports = {(row[LPORT], row[RPORT]) for row in rows}
    table = kernel.list_connections(_CONNECTIONS, scope=scope)
    found: list[list[int]] = [[] for _ in rows]
    for at, row in enumerate(ROW.iter_unpack(table.tobytes())):
        if (row[LPORT], row[RPORT]) in ports:
            for number in wanted.get(ends_of(row), ()):
                if _may_be(rows[number], row):
                    found[number].append(at)
    return table, found


def _may_be(known: Row, row: Row) -> bool:
    """The same identity and interface, as far as both are known."""
    return known[COOKIE] in (0, row[COOKIE]) and (not known[IFINDEX] or row[IFINDEX] in (0, known[IFINDEX]))
