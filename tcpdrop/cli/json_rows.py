# SPDX-License-Identifier: BSD-2-Clause
"""What became of the rows of a run as JSON, a hundred thousand in half a second.

They differ in their ends, their numbers and their queues; in all else there are
but a few kinds.  The text of a kind is made by Result.as_dict(), with places for
what differs, and a row only fills them in.
"""

from __future__ import annotations

from ..model.addresses import MAPPED
from ..model.rows import (
    COOKIE,
    CREATED,
    FAMILY,
    FLAGS,
    IFINDEX,
    INODE,
    LADDR,
    LPORT,
    PID,
    RADDR,
    RECVQ,
    ROW,
    RPORT,
    SENDQ,
    STATE,
    UID,
)
from .output import Addresses
from .streams import dumps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..engine.outcome import Fate, Outcomes
    from ..model.rows import Row

#: what differs from row to row, in the order of as_dict(), and how it is written
_PLACES = {
    "local_addr": '"%s"',
    "local_port": "%d",
    "remote_addr": '"%s"',
    "remote_port": "%d",
    "inode": "%d",
    "cookie": '"%x"',
    "recvq": "%d",
    "sendq": "%d",
}
#: the place of what is unknown: it takes the value and shows none of it
_NULL = "null%.0s"


def json_rows(outcomes: Outcomes, numbers: Sequence[int]) -> Iterator[str]:
    """Result.as_dict() of each of these as dumps() writes it."""
    if outcomes.batch.owner_of is not None or outcomes.batch.table.stride != ROW.size:  # what only a few ask for
        yield from (dumps(result.as_dict()) for result in outcomes.results_of(numbers))
        return
    texts = {4: Addresses(4, "%s"), 6: Addresses(6, "%s")}
    kinds: dict[object, str] = {}
    for number, row, fate in outcomes.fates(numbers):
        if row[CREATED] or row[PID]:  # where there are such: they say how old it is by now
            yield dumps(outcomes.result(number, fate).as_dict())
            continue
        kind = _kind(row, fate)
        form = kinds.get(kind)
        if form is None:
            form = kinds[kind] = _form(outcomes.result(number, fate).as_dict())
        addresses = texts[row[FAMILY]]
        yield form % (
            *(addresses[row[LADDR]], row[LPORT], addresses[row[RADDR]], row[RPORT]),
            *(row[INODE], row[COOKIE], row[RECVQ], row[SENDQ]),
        )


def _kind(row: Row, fate: Fate) -> object:
    """All that as_dict() looks at and that has no place."""
    code, error, told, way = fate
    mapped = row[FAMILY] == 6 and row[LADDR].startswith(MAPPED)
    why = None if error is None else (error.message, error.errno, error.hint)
    return (row[FAMILY], mapped, row[STATE], row[FLAGS], row[IFINDEX], row[UID], not row[INODE], not row[COOKIE], code, told, way, why)


def _form(entry: dict[str, object]) -> str:
    return "{" + ", ".join([f"{dumps(key)}: {_value(key, value)}" for key, value in entry.items()]) + "}"


def _value(key: str, value: object) -> str:
    if key not in _PLACES:
        return dumps(value).replace("%", "%%")
    return _NULL if value is None else _PLACES[key]
