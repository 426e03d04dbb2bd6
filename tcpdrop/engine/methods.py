# SPDX-License-Identifier: BSD-2-Clause
"""Which way a connection is dropped.

auto: SOCK_DESTROY, and through a descriptor of its holder where that cannot be
(a kernel without it, no right to it, MPTCP).  destroy, descriptor: only so.
"""

from __future__ import annotations

import errno

from ..errors import Error, NotFound, NotSupported
from ..model.addresses import printable
from ..model.rows import FLAGS, INODE, ROW_MPTCP
from ..system import platform
from ..system.rights import lacks_right

AUTO, DESTROY, DESCRIPTOR = METHODS = ("auto", "destroy", "descriptor")

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..model.connection import Connection
    from ..model.rows import Row

    #: how it was dropped, and what the program that held it sees of that
    Way = tuple[str, str | None]


def check_method(method: object) -> str:
    """The method itself.  Raises ValueError for what is none, NotSupported where there is no such way."""
    if not isinstance(method, str) or method not in METHODS:
        raise ValueError(f"a method is one of {', '.join(METHODS)}, not '{printable(str(method))}'")
    if method == DESCRIPTOR and not platform.DESCRIPTORS:
        raise NotSupported("not supported", errno=errno.EOPNOTSUPP, hint="this system lends no descriptors of sockets")
    return method


def helps(failure: Error) -> bool:
    """May the descriptor way do what SOCK_DESTROY failed to?"""
    from .descriptor import INSTEAD

    return platform.DESCRIPTORS and failure.errno in INSTEAD


def by_destroy(row: Row) -> Way:
    """How the kernel drops what it is asked to; what nobody holds, nobody sees."""
    return "destroy", platform.VICTIM_SEES if row[INODE] or not platform.DESCRIPTORS else None


def by_descriptor(row: Row, scope: int | None, failure: Error | None, *, dry_run: bool = False) -> Way:
    """One connection, after SOCK_DESTROY failed (None: was not wanted).  Raises Error."""
    if failure is not None and not helps(failure):
        raise failure
    from .descriptor import abort, chosen

    answer = abort([row], scope, dry_run=dry_run)[0]
    if isinstance(answer, str):
        return DESCRIPTOR, answer
    assert answer is not None  # noqa: S101 - nobody stops this call
    raise chosen(answer, failure)


class Lacking:
    """Why SOCK_DESTROY can do nothing in a place where descriptors can, and a process that lends one."""

    __slots__ = ("error", "lender")

    def __init__(self, error: Error, lender: int | None = None) -> None:
        self.error = error
        self.lender = lender


def lacking(method: str, failure: Error | None, rows: Sequence[Row], scope: int | None) -> Lacking:
    """SOCK_DESTROY can drop nothing here, for `failure` or as it is not wanted (None): can descriptors?

    Raises Error when they could not drop a single one of these.
    """
    if failure is None:
        failure = NotSupported("not supported", errno=errno.EOPNOTSUPP)
    elif method == DESTROY or not helps(failure):
        raise failure
    from .descriptor import chosen, find_lender

    lender = find_lender(rows, scope)
    if isinstance(lender, int):
        return Lacking(failure, lender)
    if isinstance(lender, NotFound):  # what is gone needs no right: each is told so
        return Lacking(failure)
    lender.what = ""  # said of all of them
    raise chosen(lender, failure)


def refusal(connection: Connection, scope: int | None, method: str) -> Error | None:
    """What the drop of this one connection would fail with, as far as can be told."""
    try:
        failure = None if method == DESCRIPTOR else lacks_right(scope)
        if failure is not None or method == DESCRIPTOR:
            lacking(method, failure, [connection._row], scope)
        elif connection._row[FLAGS] & ROW_MPTCP:
            from ..system.mptcp import unsupported

            if method == DESTROY:
                return unsupported("")
            by_descriptor(connection._row, scope, unsupported(""), dry_run=True)
    except Error as error:
        return error
    return None
