# SPDX-License-Identifier: BSD-2-Clause
"""The methods of dropping, and the choice between them.

destroy: the kernel is asked to abort it.  descriptor: a descriptor of a process
that holds it disconnects it.  auto: destroy, and descriptor where that cannot
be: a kernel without it, no right to it, MPTCP.
"""

from __future__ import annotations

import errno

from ..errors import Error, NotFound, NotPermitted, NotSupported
from ..model.addresses import printable
from ..model.rows import COOKIE, IFINDEX, INODE, ends_of, spelled
from ..system import kernel, platform

METHODS = AUTO, DESTROY, DESCRIPTOR = "auto", "destroy", "descriptor"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Union

    from ..model.rows import Row
    from ..model.table import Batch
    from ..system.kernel import Where
    from .pace import Pace

    #: how a connection was dropped: the method, and the errno, by name, that the program which held it gets
    Way = tuple[str, Union[str, None]]
    #: the numbers of some rows, and what became of each of them
    Chunk = tuple[Sequence[int], Union[Way, Error]]

#: dropped by destroy (or it would be): the usual answer, one object for all of them; usual_way() says it of one row
DESTROYED: Way = (DESTROY, platform.VICTIM_SEES)
#: by descriptor, according to what abort_held() found: TCP, MPTCP, and TCP in repair, whose peer hears nothing.  connect(2)
DISCONNECTED: tuple[Way, ...] = ((DESCRIPTOR, "ECONNRESET"), (DESCRIPTOR, "ENOTCONN"), (DESCRIPTOR, "ECONNABORTED"))
#: the failures of destroy after which a descriptor may still do it: no right to it, a kernel without it, MPTCP
_CANNOT = frozenset((errno.EPERM, errno.EACCES, errno.EOPNOTSUPP))


def usual_way(row: Row) -> Way:
    """How the kernel drops this row: what nobody holds, nobody sees."""
    return DESTROYED if row[INODE] or not platform.DESCRIPTORS else (DESTROY, None)


def check_method(method: object) -> str:
    """The method itself.  Raises ValueError for what is none, NotSupported where there is no such way."""
    if not isinstance(method, str) or method not in METHODS:
        raise ValueError(f"a method is one of {', '.join(METHODS)}, not '{printable(str(method))}'")
    if method == DESCRIPTOR and not platform.DESCRIPTORS:
        raise NotSupported("not supported", errno=errno.EOPNOTSUPP, hint="this system lends no descriptors of sockets")
    return method


class Inability:
    """Why the kernel can be asked for nothing here (None: it is not to be), and a process that lends a descriptor."""

    __slots__ = ("error", "lender", "passing", "refusal")

    def __init__(self, error: Error | None, lender: int | None = None, refusal: Error | None = None, *, passing: bool = False) -> None:
        self.error = error
        self.lender = lender
        #: why no descriptor leads to any of them either, so that nothing at all could be dropped
        self.refusal = refusal
        #: may that be otherwise at the next look?
        self.passing = passing


def drop(
    rows: list[Row] | Batch,
    scope: int | None,
    method: str = AUTO,
    *,
    dry_run: bool = False,
    pace: Pace | None = None,
    unable: Inability | None = None,
) -> Iterator[Chunk]:
    """Drop what was selected: for each its Way or the Error, as they come.

    What a signal came before is in no chunk.  Raises Error for what concerns
    all that are left.
    dry_run: the same without the last step, and a Way is how it would be; a list is for this alone.
    unable: what inability() found, so that nobody is asked twice.
    """
    failures: dict[int, Error | None] = {}
    if unable is not None or method == DESCRIPTOR:
        failures = dict.fromkeys(range(len(rows)), None if unable is None else unable.error)
    else:
        for numbers, answer in _destroy(rows, scope, dry_run=dry_run, pace=pace):
            if method == AUTO and isinstance(answer, Error) and _may_help(answer):
                failures.update(dict.fromkeys(numbers, answer))
            else:
                yield numbers, answer
    if failures:
        from . import descriptor  # seldom needed

        first = () if unable is None or unable.lender is None else (unable.lender,)
        left = list(failures)
        for number, found in descriptor.drop([rows[number] for number in left], scope, dry_run=dry_run, pace=pace, first=first):
            yield (left[number],), _better(found, failures[left[number]]) if isinstance(found, Error) else DISCONNECTED[found]


def drop_looked_up(row: Row, scope: int | None, method: str, where: Where) -> Way | Error:
    """Drop one socket that was looked up just now.  where: the scope, or a conversation in it."""
    answer = None if method == DESCRIPTOR else _abort(row, where) or DESTROYED
    if answer is None or (method == AUTO and isinstance(answer, Error) and _may_help(answer)):
        from . import descriptor  # seldom needed

        ((_, found),) = descriptor.drop([row], scope)
        return _better(found, answer) if isinstance(found, Error) else DISCONNECTED[found]
    return answer


def _destroy(rows: list[Row] | Batch, scope: int | None, *, dry_run: bool, pace: Pace | None) -> Iterator[Chunk]:
    from .destroy import drop, would_drop  # not for one

    chunks = would_drop(rows, scope) if dry_run or isinstance(rows, list) else drop(rows, scope, pace)
    for numbers, failure in chunks:
        yield numbers, failure or DESTROYED


def _abort(row: Row, where: Where) -> Error | None:
    """Look up, compare, abort; what is MPTCP's the look-up tells."""
    try:
        kernel.abort(ends_of(row), ifindex=row[IFINDEX], cookie=row[COOKIE], scope=where)
    except Error as error:
        error.what = spelled(row)  # only what failed needs words
        return kernel.said_of(row, error)
    return None


def inability(rows: list[Row] | Batch, scope: int | None, method: str, failure: Error | None) -> Inability:
    """The kernel can be asked for nothing here, for this failure or as it is not to be (None): who can do it instead?

    Raises Error when nobody is to be asked.
    """
    if failure is not None and (method == DESTROY or not _may_help(failure)):
        raise failure
    from .descriptor import find_lender, may_pass  # seldom needed

    found = find_lender(list(rows), scope)
    if not isinstance(found, list):
        return Inability(failure, found)
    first, passing = found[0], any(map(may_pass, found))
    if isinstance(first, NotFound):  # what is gone needs no right: each is told so
        return Inability(failure)
    first.what = ""  # said of all of them
    return Inability(failure, refusal=_better(first, failure), passing=passing)


def _may_help(failure: Error) -> bool:
    """May a descriptor do what the kernel could not be asked for?"""
    return platform.DESCRIPTORS and failure.errno in _CANNOT


def _better(answer: Error, failure: Error | None) -> Error:
    """Of both methods' reasons the one to tell: the right that destroy lacks, else why the descriptor did not help."""
    if failure is None or not isinstance(answer, (NotPermitted, NotSupported)):
        return answer
    if not isinstance(failure, NotPermitted):
        answer.hint = "; ".join(filter(None, (failure.hint, answer.hint)))
        return answer
    if failure.what == answer.what:
        return failure
    # It was said of all of them: each line names its own connection.
    return type(failure)(failure.message, errno=failure.errno, what=answer.what, step=failure.step, hint=failure.hint)
