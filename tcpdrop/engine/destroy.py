# SPDX-License-Identifier: BSD-2-Clause
"""The first method: the kernel is asked to abort the connection.

SOCK_DESTROY on Linux, TCP_IOC_ABORT_CONN on Solaris and illumos.  Each socket
is named by its ends and its identity, so another one is never hit.
"""

from __future__ import annotations

import errno

from ..errors import Error
from ..model.rows import COOKIE, IFINDEX, INODE, LISTEN, ROW, ends_of, spelled
from ..system import kernel, platform

#: the methods' names
DESTROY, DESCRIPTOR = "destroy", "descriptor"

#: how a descriptor drops, by what abort_held() found: TCP, MPTCP, and TCP in repair, whose peer hears nothing.  connect(2)
DISCONNECTED: tuple[Way, ...] = ((DESCRIPTOR, "ECONNRESET"), (DESCRIPTOR, "ENOTCONN"), (DESCRIPTOR, "ECONNABORTED"))

#: the answers after which a descriptor may still do it: no right to it, a kernel without it, MPTCP
CANNOT = frozenset((errno.EPERM, errno.EACCES, errno.EOPNOTSUPP))

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence
    from types import ModuleType

    from ..model.rows import Row
    from ..model.table import Batch
    from .methods import Chunk, Way
    from .pace import Pace

#: dropped (or it would be): the usual answer, one object for all of them; usual_way() says it of one row
DESTROYED: Way = (DESTROY, platform.VICTIM_SEES)


def usual_way(row: Row) -> Way:
    """How the kernel drops this row: what nobody holds, nobody sees."""
    return DESTROYED if row[INODE] or not platform.DESCRIPTORS else (DESTROY, None)


def drop(rows: list[Row] | Batch, scope: int | None, *, dry_run: bool = False, pace: Pace | None = None) -> Iterator[Chunk]:
    """Abort each; see methods.drop().  A list is of rows that were looked up just now, a Batch of rows that were selected."""
    if dry_run:
        yield from _would_drop(rows, scope)
    elif isinstance(rows, list):
        for number, row in enumerate(rows):
            yield (number,), _drop_one(row, scope)
    else:
        yield from _drop_many(rows, scope, pace)


def _would_drop(rows: list[Row] | Batch, scope: int | None) -> Iterator[Chunk]:
    """All but the last step: the right, and what is MPTCP's."""
    failure = _rights().lacks_right(scope)
    if failure is not None:
        yield range(len(rows)), failure
    else:
        direct = yield from _without_subflows(rows, scope)
        if direct:
            yield direct, DESTROYED


def _drop_one(row: Row, scope: int | None) -> Way | Error:
    """Look up, compare, abort; what is MPTCP's the look-up tells."""
    try:
        kernel.abort(ends_of(row), ifindex=row[IFINDEX], cookie=row[COOKIE], scope=scope)
    except Error as error:
        error.what = spelled(row)
        _rights().explained(error)
        return error
    return DESTROYED


def _drop_many(batch: Batch, scope: int | None, pace: Pace | None) -> Iterator[Chunk]:
    direct = yield from _without_subflows(batch, scope)
    for numbers in pace.slices(direct) if pace is not None else (direct,):
        answers = _abort(batch, numbers, scope)
        if not any(answers):
            yield numbers, DESTROYED
            continue
        yield [number for number, answer in zip(numbers, answers) if not answer], DESTROYED
        for number, answer in zip(numbers, answers):
            if answer:
                yield (number,), _answer_of(answer, batch[number], scope)


def _without_subflows(rows: list[Row] | Batch, scope: int | None) -> Generator[Chunk, None, Sequence[int]]:
    """Answer for the subflows of MPTCP, which an abort does not end; return the numbers of the others."""
    if not platform.DESCRIPTORS or kernel.mptcp_sockets(scope) == []:
        return range(len(rows))
    from ..system.mptcp import subflows, unsupported  # mostly there is none on the whole host

    apart = set(subflows(rows, scope))
    for number in apart:
        yield (number,), unsupported(spelled(rows[number]))
    return [number for number in range(len(rows)) if number not in apart]


def _abort(batch: Batch, numbers: Sequence[int], scope: int | None) -> Sequence[int]:
    """One errno for each number, 0 for dropped.  Raises Error for what concerns all of them."""
    table = batch.listed
    if table is None:
        rows = [batch[number] for number in numbers]
        if platform.LOOKS_BY_WALK:
            return _abort_by_walk(rows, scope)
        return [kernel.abort_row(row, scope) for row in rows]
    now_listening = _listening(scope)
    if now_listening and not now_listening.isdisjoint(batch.cookies(numbers)):
        return [kernel.abort_row(batch[number], scope) for number in numbers]
    return kernel.abort_rows(table, batch.table_numbers(numbers), scope=scope)


def _listening(scope: int | None) -> set[object]:
    """The cookies of all listeners: a socket that was connected may listen by now, and keeps its cookie.

    Those are looked up once more each, right before.
    """
    if not platform.LISTENER_KEEPS_COOKIE:
        return set()
    listeners = kernel.list_connections(1 << LISTEN, scope=scope)
    return {row[COOKIE] for row in ROW.iter_unpack(listeners.tobytes())}


def _abort_by_walk(rows: Sequence[Row], scope: int | None) -> list[int]:
    """Solaris and illumos: one walk finds all that were named one by one, and one call drops them."""
    from .verify import walk  # their own

    table, found = walk(rows, scope)
    answers = [0 if len(numbers) == 1 else errno.ENOTUNIQ if numbers else errno.ENOENT for numbers in found]
    there = [number for number, answer in enumerate(answers) if not answer]
    for number, answer in zip(there, kernel.abort_rows(table, [found[number][0] for number in there], scope=scope)):
        answers[number] = answer
    return answers


def _answer_of(number: int, row: Row, scope: int | None) -> Way | Error:
    """The answer of an errno."""
    if number == errno.ENOBUFS:  # the answer was lost, the request was not: what is gone by now was dropped
        number = kernel.abort_row(row, scope)
        if number in (0, errno.ENOENT):
            return DESTROYED
    error = kernel.error_of(number, spelled(row))
    _rights().explained(error)
    return error


def _rights() -> ModuleType:
    from ..system import rights  # a drop that succeeds is told by its own answer

    return rights
