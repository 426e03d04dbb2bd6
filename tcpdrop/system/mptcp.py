# SPDX-License-Identifier: BSD-2-Clause
"""Which connections are subflows of MPTCP: SOCK_DESTROY says yes to those and ends nothing.

mptcp(7).  A subflow has the inode of the MPTCP socket; one that nobody has
accepted yet, or that nobody holds any more, has none, but the same ends.
"""

from __future__ import annotations

import errno

from ..errors import NotSupported
from ..model.rows import COOKIE, FLAGS, INODE, ROW, ROW_MPTCP, USUAL_STATES, ends_of
from . import kernel, platform, refusals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..model.rows import Row


def subflows(rows: Iterable[Row], scope: int | None) -> list[int]:
    """The numbers of those rows that belong to an MPTCP connection.  Raises Error."""
    if not platform.DESCRIPTORS:
        return []
    inodes, ends, cookies = _sockets(scope)
    if not (ends or cookies):
        return []
    return [number for number, row in enumerate(rows) if row[INODE] in inodes or ends_of(row) in ends or row[COOKIE] in cookies]


def tied(rows: Iterable[Row], scope: int | None) -> list[bytes]:
    """Every subflow of the MPTCP connections that these rows are subflows of: all of them go together."""
    inodes = {row[INODE] for row in rows} & _sockets(scope)[0] if platform.DESCRIPTORS else set()
    if not inodes:
        return []
    return [raw for raw in kernel.list_connections(USUAL_STATES, scope=scope) if ROW.unpack_from(raw)[INODE] in inodes]


def _sockets(scope: int | None) -> tuple[set[int], set[tuple[object, ...]], set[int]]:
    """inodes and ends of the MPTCP sockets, and cookies of subflows where only those can be seen."""
    rows = kernel.mptcp_sockets(scope)
    if rows is None:  # a listing with details tells too, only slower
        dump = kernel.list_connections(USUAL_STATES, details=kernel.WITH_INFO, scope=scope)
        flagged = [row for row in map(ROW.unpack_from, dump) if row[FLAGS] & ROW_MPTCP]
        return {row[INODE] for row in flagged if row[INODE]}, set(), {row[COOKIE] for row in flagged}
    return {row[INODE] for row in rows if row[INODE]}, {ends_of(row) for row in rows}, set()


def unsupported(what: str) -> NotSupported:
    return NotSupported("not supported", errno=errno.EOPNOTSUPP, what=what, step="mptcp", hint=refusals.MPTCP)
