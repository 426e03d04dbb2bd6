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
from ..system import platform
from . import destroy
from .destroy import CANNOT, DESCRIPTOR, DESTROY

AUTO = "auto"
METHODS = (AUTO, DESTROY, DESCRIPTOR)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Union

    from ..model.rows import Row
    from ..model.table import Batch
    from .pace import Pace

    #: how a connection was dropped: the method, and the errno, by name, that the program which held it gets
    Way = tuple[str, Union[str, None]]
    #: the numbers of some rows, and what became of each of them
    Chunk = tuple[Sequence[int], Union[Way, Error]]


def check_method(method: object) -> str:
    """The method itself.  Raises ValueError for what is none, NotSupported where there is no such way."""
    if not isinstance(method, str) or method not in METHODS:
        raise ValueError(f"a method is one of {', '.join(METHODS)}, not '{printable(str(method))}'")
    if method == DESCRIPTOR and not platform.DESCRIPTORS:
        raise NotSupported("not supported", errno=errno.EOPNOTSUPP, hint="this system lends no descriptors of sockets")
    return method


class Inability:
    """Why the kernel can be asked for nothing here (None: it is not to be), and a process that lends a descriptor."""

    __slots__ = ("error", "lender")

    def __init__(self, error: Error | None, lender: int | None) -> None:
        self.error = error
        self.lender = lender


def drop(
    rows: list[Row] | Batch,
    scope: int | None,
    method: str = AUTO,
    *,
    dry_run: bool = False,
    pace: Pace | None = None,
    unable: Inability | None = None,
) -> Iterator[Chunk]:
    """Drop these very sockets: for each its Way or the Error, as they come.

    What a signal came before is in no chunk.  Raises Error for what concerns
    all that are left.
    dry_run: the same without the last step, and a Way is how it would be.
    unable: what inability() found, so that nobody is asked twice.
    """
    failures: dict[int, Error | None] = {}
    if unable is not None or method == DESCRIPTOR:
        failures = dict.fromkeys(range(len(rows)), None if unable is None else unable.error)
    else:
        for numbers, answer in destroy.drop(rows, scope, dry_run=dry_run, pace=pace):
            if method == AUTO and isinstance(answer, Error) and _may_help(answer):
                failures.update(dict.fromkeys(numbers, answer))
            else:
                yield numbers, answer
    if failures:
        from . import descriptor  # seldom needed

        first = () if unable is None or unable.lender is None else (unable.lender,)
        left = list(failures)
        for numbers, answer in descriptor.drop([rows[number] for number in left], scope, dry_run=dry_run, pace=pace, first=first):
            for number in numbers:
                yield (left[number],), _better(answer, failures[left[number]]) if isinstance(answer, Error) else answer


def inability(rows: list[Row] | Batch, scope: int | None, method: str, failure: Error | None) -> Inability:
    """The kernel can be asked for nothing here, for this failure or as it is not to be (None): who can do it instead?

    Raises Error when no descriptor leads to any of these, so that nothing at
    all could be dropped.
    """
    if failure is not None and (method == DESTROY or not _may_help(failure)):
        raise failure
    from .descriptor import find_lender  # seldom needed

    lender = find_lender(list(rows), scope)
    if not isinstance(lender, Error):
        return Inability(failure, lender)
    if isinstance(lender, NotFound):  # what is gone needs no right: each is told so
        return Inability(failure, None)
    lender.what = ""  # said of all of them
    raise _better(lender, failure)


def _may_help(failure: Error) -> bool:
    """May a descriptor do what the kernel could not be asked for?"""
    return platform.DESCRIPTORS and failure.errno in CANNOT


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
