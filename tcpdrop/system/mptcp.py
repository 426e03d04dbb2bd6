# SPDX-License-Identifier: BSD-2-Clause
"""Which connections are subflows of MPTCP: SOCK_DESTROY says yes to those and ends nothing.

mptcp(7).  A subflow has the inode of the MPTCP socket; one that nobody has
accepted yet, or that nobody holds any more, has none, but the same ends.
"""

from __future__ import annotations

import errno

from .. import _tcpdrop
from ..errors import NotSupported
from ..model.rows import COOKIE, FLAGS, INODE, LADDR, LPORT, RADDR, ROW, ROW_MPTCP, RPORT, USUAL_STATES, packed_addr
from ..model.table import Part
from . import platform
from .kernel import from_os_error

HINT = "SOCK_DESTROY ends a subflow of MPTCP, not the connection"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ..model.rows import Row


def subflows(part: Part, places: Sequence[int], scope: int | None) -> Sequence[int]:
    """Those of the places that belong to an MPTCP connection.  Raises Error."""
    if not platform.DESCRIPTORS:
        return []
    inodes, ends, cookies = _sockets(scope)
    if not (ends or cookies):
        return []
    found = []
    for place in places:
        row = ROW.unpack_from(part.table[part.indices[place]])
        if row[INODE] in inodes or _ends(row) in ends or row[COOKIE] in cookies:
            found.append(place)
    return found


def tied(rows: Iterable[Row], scope: int | None) -> list[bytes]:
    """Every subflow of the MPTCP connections that these rows are subflows of: all of them go together."""
    inodes = {row[INODE] for row in rows} & _sockets(scope)[0] if platform.DESCRIPTORS else set()
    if not inodes:
        return []
    return [raw for raw in _dump(USUAL_STATES, scope) if ROW.unpack_from(raw)[INODE] in inodes]


def _sockets(scope: int | None) -> tuple[set[int], set[tuple[object, ...]], set[int]]:
    """inodes and ends of the MPTCP sockets, and cookies of subflows where only those can be seen."""
    try:
        rows = [ROW.unpack(raw) for raw in _tcpdrop.mptcp_sockets(scope)]
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise from_os_error(error) from None
        # There are some, and the module that lists them (mptcp_diag) is not there.
        flagged = [row for row in map(ROW.unpack_from, _dump(USUAL_STATES, scope, details=1)) if row[FLAGS] & ROW_MPTCP]
        return {row[INODE] for row in flagged if row[INODE]}, set(), {row[COOKIE] for row in flagged}
    return {row[INODE] for row in rows if row[INODE]}, {_ends(row) for row in rows}, set()


def _dump(states: int, scope: int | None, details: int = 0) -> _tcpdrop.Table:
    try:
        return _tcpdrop.list_connections(states, details=details, scope=scope)
    except OSError as error:
        raise from_os_error(error) from None


def _ends(row: Row) -> tuple[object, ...]:
    return packed_addr(row, LADDR), row[LPORT], packed_addr(row, RADDR), row[RPORT]


def unsupported(what: str) -> NotSupported:
    return NotSupported("not supported", errno=errno.EOPNOTSUPP, what=what, step="mptcp", hint=HINT)
