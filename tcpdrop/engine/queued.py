# SPDX-License-Identifier: BSD-2-Clause
"""For systems where a drop is queued and every look is a walk over all connections.

Many are dropped with one walk before, and looked for with one walk for all of
them, again with growing pauses, until they are gone or patience ends.

A run never queues a second drop of what waits already: the kernel looks at the
socket's state when its turn comes, not at the tuple, and would end whatever the
program has connected that descriptor to since the first.
"""

from __future__ import annotations

import errno
import time
from struct import pack, unpack

from .. import _tcpdrop
from ..errors import Error
from ..model.rows import ALL_STATES, CLOSED, COOKIE, IFINDEX, LADDR, LISTEN, LPORT, RADDR, ROW, RPORT, packed_addr
from ..system.kernel import from_os_error

#: seconds until what does not go is called still present, and more for each of many
PATIENCE, PATIENCE_EACH = 2.0, 0.0001
#: a kernel does it within a millisecond, so that the first look is mostly the last: walks are few, for some
#: releases may panic in one (docs/porting.md)
_FIRST_PAUSE, _LONGEST_PAUSE = 0.02, 0.5

_CONNECTIONS = ALL_STATES & ~(1 << LISTEN | 1 << CLOSED)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..model.rows import Row


def _seen(rows: Sequence[Row], scope: int | None) -> tuple[_tcpdrop.Table, list[list[int]]]:
    """One walk: its table, and for each row the numbers in there of what is that socket, or may be."""
    wanted: dict[tuple[object, ...], list[int]] = {}
    for place, row in enumerate(rows):
        wanted.setdefault(_ends(row), []).append(place)
    ports = {(row[LPORT], row[RPORT]) for row in rows}
    try:
        table = _tcpdrop.list_connections(_CONNECTIONS, scope=scope)
    except OSError as error:
        raise from_os_error(error) from None
    found: list[list[int]] = [[] for _ in rows]
    for number, row in enumerate(ROW.iter_unpack(table.tobytes())):
        if (row[LPORT], row[RPORT]) in ports:
            for place in wanted.get(_ends(row), ()):
                if _may_be(rows[place], row):
                    found[place].append(number)
    return table, found


def _ends(row: Row) -> tuple[object, ...]:
    return packed_addr(row, LADDR), row[LPORT], packed_addr(row, RADDR), row[RPORT]


def _may_be(known: Row, row: Row) -> bool:
    """The same identity and interface, as far as both are known."""
    return known[COOKIE] in (0, row[COOKIE]) and (not known[IFINDEX] or row[IFINDEX] in (0, known[IFINDEX]))


def present(rows: Sequence[Row], scope: int | None) -> list[bool]:
    """Is each of these sockets still there?  Raises Error."""
    return [bool(numbers) for numbers in _seen(rows, scope)[1]]


def abort_given(rows: Sequence[Row], scope: int | None) -> list[int]:
    """Drop sockets that were named one by one: the errno of each, 0 for accepted.  Raises Error, OSError."""
    table, found = _seen(rows, scope)
    answers = [0 if len(numbers) == 1 else errno.ENOTUNIQ if numbers else errno.ENOENT for numbers in found]
    places = [place for place, answer in enumerate(answers) if not answer]
    numbers = pack(f"{len(places)}I", *(found[place][0] for place in places))
    for place, answer in zip(places, unpack(f"{len(places)}i", _tcpdrop.abort_rows(table, numbers, scope=scope))):
        answers[place] = answer
    return answers


def wait_until_gone(rows: Sequence[Row], scope: int | None) -> list[int]:
    """Look again for what was accepted; the places of those that are still there when patience ends.  Raises Error."""
    left = list(range(len(rows)))
    deadline = time.monotonic() + PATIENCE + PATIENCE_EACH * len(rows)
    pause = _FIRST_PAUSE
    while left:
        time.sleep(pause)
        pause = min(3 * pause, _LONGEST_PAUSE)
        left = [place for place, there in zip(left, present([rows[place] for place in left], scope)) if there]
        if time.monotonic() >= deadline:
            break
    return left


def still_present(what: str) -> Error:
    return Error("still present", errno=errno.EBUSY, what=what)
