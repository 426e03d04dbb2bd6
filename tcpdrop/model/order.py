# SPDX-License-Identifier: BSD-2-Clause
"""Some of a selection: the first N by an order.  Rows whose value is unknown come last."""

from __future__ import annotations

from .addresses import printable
from .rows import CREATED, ROW
from .table import Connections

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .connection import Connection


def _oldest(connection: Connection) -> int | None:
    created = connection._row[CREATED]  # two ages, each of its own moment, could tie or swap
    age = None if created else connection.age_ms
    return created or (None if age is None else -age)


def _newest(connection: Connection) -> int | None:
    oldest = _oldest(connection)
    return None if oldest is None else -oldest


def _idle(connection: Connection) -> int | None:
    idle = connection.idle_ms
    return None if idle is None else -idle


def _size(connection: Connection) -> int | None:
    sent, received = connection.bytes_sent, connection.bytes_received
    return None if sent is None or received is None else -(sent + received)


#: order -> sort key, smallest first; every one of them needs details
ORDERS = {"oldest": _oldest, "newest": _newest, "idlest": _idle, "largest": _size}


def check(order: str | None, limit: int | None) -> None:
    """Raise ValueError for an order that there is none of, and for a limit below 0: as a slice, -1 would be all but one."""
    if order is not None and order not in ORDERS:
        raise ValueError(f"'{printable(str(order))}' is no order: {', '.join(ORDERS)}")
    if limit is not None and (not isinstance(limit, int) or isinstance(limit, bool)):
        raise TypeError(f"limit is a number of connections, not {limit!r}")
    if limit is not None and limit < 0:
        raise ValueError(f"limit is 0 or more, not {limit}")


def arrange(connections: Connections, order: str | None, limit: int | None) -> Connections:
    """The connections in this order, and only the first `limit` of them.

    Raises as check() does, and ValueError where the order would decide which
    are taken, and nothing is known that it could go by.
    """
    check(order, limit)
    cut = limit is not None and limit < len(connections)
    if order is None and not cut:
        return connections
    numbers = list(range(len(connections)))
    if order is not None:
        values = list(map(ORDERS[order], connections))
        if values and not any(value is not None for value in values) and (cut or not _measured(connections)):
            raise ValueError(f"nothing is known that order '{order}' could go by: of these connections nothing was measured")
        numbers.sort(key=lambda number: (values[number] is None, values[number] or 0))
    return connections.choose(numbers[:limit])


def _measured(connections: Connections) -> bool:
    """Did anybody ask the kernel for details?"""
    return any(batch.table.stride > ROW.size for batch in connections.batches)
