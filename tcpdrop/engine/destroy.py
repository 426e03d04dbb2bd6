# SPDX-License-Identifier: BSD-2-Clause
"""The first method for many: the kernel is asked to abort what was selected.

SOCK_DESTROY on Linux, TCP_IOC_ABORT_CONN on Solaris and illumos.  Each socket
is named by its ends and its identity, so another one is never hit.
"""

from __future__ import annotations

import errno

from ..errors import Error
from ..model.rows import spelled
from ..system import kernel, platform
from ..system.rights import lacks_right
from .rebound import rebound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence
    from typing import Union

    from ..model.rows import Row
    from ..model.table import Batch
    from .pace import Pace

    #: the numbers of some rows, and why they were not dropped; None: they were
    Chunk = tuple[Sequence[int], Union[Error, None]]


def would_drop(rows: list[Row] | Batch, scope: int | None) -> Iterator[Chunk]:
    """All but the last step: the right, and what is MPTCP's."""
    failure = lacks_right(scope)
    if failure is not None:
        yield range(len(rows)), failure
    else:
        direct = yield from _without_subflows(rows, scope)
        if direct:
            yield direct, None


def drop(batch: Batch, scope: int | None, pace: Pace | None) -> Iterator[Chunk]:
    """Abort each, as they come; see methods.drop()."""
    direct = yield from _without_subflows(batch, scope)
    for numbers in pace.slices(direct) if pace is not None else (direct,):
        answers = _abort(batch, numbers, scope)
        if not any(answers):
            yield numbers, None
            continue
        # What was dropped is told first: the rest is asked for again, which takes memory and may fail.
        yield [number for number, answer in zip(numbers, answers) if not answer], None
        left = [(number, answer) for number, answer in zip(numbers, answers) if answer]
        for number, answer in _again_where_bound(batch, left, scope):
            yield (number,), _answer_of(answer, batch[number], scope) if answer else None


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
    return kernel.abort_rows(table, batch.table_numbers(numbers), scope=scope)


def _again_where_bound(batch: Batch, left: Sequence[tuple[int, int]], scope: int | None) -> Iterator[tuple[int, int]]:
    """(number, errno) of what was not dropped, after what seems to be gone was asked for at the interface that it is bound to by now."""
    gone = [number for number, answer in left if answer == errno.ENOENT]
    found = {gone[place]: row for place, row in rebound([batch[number] for number in gone], scope).items()}
    for number, answer in left:
        yield number, kernel.abort_row(found[number], scope) if number in found else answer


def _abort_by_walk(rows: Sequence[Row], scope: int | None) -> list[int]:
    """Solaris and illumos: one walk finds all that were named one by one, and one call drops them."""
    from .verify import walk  # their own

    table, found = walk(rows, scope)
    answers = [0 if len(numbers) == 1 else errno.ENOTUNIQ if numbers else errno.ENOENT for numbers in found]
    there = [number for number, answer in enumerate(answers) if not answer]
    for number, answer in zip(there, kernel.abort_rows(table, [found[number][0] for number in there], scope=scope)):
        answers[number] = answer
    return answers


def _answer_of(number: int, row: Row, scope: int | None) -> Error | None:
    """The answer of an errno."""
    if number == errno.ENOBUFS:  # the answer was lost, the request was not: what is gone by now was dropped
        number = kernel.abort_row(row, scope)
        if number in (0, errno.ENOENT):
            return None
    return kernel.said_of(row, kernel.error_of(number, spelled(row)))
