# SPDX-License-Identifier: BSD-2-Clause
"""The decision on many rows where each predicate looks at one end, port or state: column by column.

Columns repeat themselves: a hundred thousand clients of one port have one local
port and a few states.  So the predicate is asked once for each distinct value.
"""

from __future__ import annotations

from ..model.columns import column
from ..model.rows import ROW_FIELDS
from .facts import UNKNOWN
from .nodes import And

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from .nodes import Node


def matching(node: Node, data: bytes, number: int) -> Sequence[int] | None:
    """The numbers of the rows that match, of so many packed rows; None where columns alone do not decide."""
    parts = node.args if isinstance(node, And) else (node,)
    if not all(part.reads for part in parts):
        return None
    found: Sequence[int] = range(number)
    for part in parts:
        columns = [column(data, place) for place in part.reads]
        values = columns[0] if len(columns) == 1 else list(zip(*columns))
        distinct = set(values)
        right = {value for value in distinct if _holds(part, value)}
        if len(right) < len(distinct):
            found = [place for place in found if values[place] in right]
    return found


def _holds(part: Node, value: object) -> bool:
    row = [None] * len(ROW_FIELDS)
    for place, one in zip(part.reads, (value,) if len(part.reads) == 1 else value):  # type: ignore[call-overload]
        row[place] = one
    return part.test(tuple(row), None, UNKNOWN) is True
