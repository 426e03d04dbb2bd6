# SPDX-License-Identifier: BSD-2-Clause
"""One look at the connections: which there are, in which order, and how much moved since the look before.

Everything about all rows is done by columns; a Connection is made only of a
row that is on the screen.
"""

from __future__ import annotations

import time

from ...model import rows as layout
from ...model.columns import column, details_column, picked
from ...model.connection import Connection
from ...model.rows import BYTES_RECEIVED, BYTES_SENT, COOKIE, INFO_BYTES, INFO_TIMES, INODE, KNOWN, LAST_RECEIVED, LAST_SENT, ROW
from ...model.table import Connections
from ...system.platform import COOKIES_ARE_UNIQUE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    #: what tells a socket from every other that was ever seen
    Identity = object

#: sort keys, in the order in which one goes through them
ORDERS = ("rate", "state", "local", "remote", "process", "recvq", "sendq", "idle", "age")


class Look:
    """The connections of one moment, and those of the look before it."""

    def __init__(self, connections: Connections, before: Look | None = None, *, at: float | None = None) -> None:
        self.connections = connections
        #: when, by the monotonic clock
        self.at = time.monotonic() if at is None else at
        self._columns: dict[object, Sequence[Any]] = {}
        self._data = [batch.table.tobytes() for batch in connections.batches]
        self.identities: Sequence[Identity] = self._identify()
        #: identity -> its number in connections
        self.numbers: dict[Identity, int] = dict(zip(self.identities, range(len(self.identities))))
        self._before = before
        self._compared = True
        self._seconds = 0.0 if before is None else max(self.at - before.at, 0.001)
        if before is not None:
            before._before = None  # two looks are kept, not all

    def __len__(self) -> int:
        return len(self.identities)

    def _identify(self) -> Sequence[Identity]:
        cookies = self.column(COOKIE)
        if COOKIES_ARE_UNIQUE and len(self.connections.batches) == 1:
            return cookies
        names = [batch.netns for batch in self.connections.batches for _ in range(len(batch))]
        if COOKIES_ARE_UNIQUE:
            return list(zip(names, cookies))
        ends = (self.column(field) for field in (layout.LADDR, layout.LPORT, layout.RADDR, layout.RPORT))
        return list(zip(names, cookies, *ends))

    def column(self, field: int) -> Sequence[Any]:
        """One field of every row, in the order of the connections."""
        return self._column(("row", field), lambda table, data: column(data, field, table.stride))

    def details(self, field: int) -> Sequence[Any]:
        """One field of what the kernel keeps of each connection's traffic; KNOWN says which of them it shows."""
        return self._column(
            ("info", field), lambda table, data: details_column(data, field) if table.stride > ROW.size else [0] * len(table)
        )

    def _column(self, key: object, read: Callable[[Any, bytes], Sequence[Any]]) -> Sequence[Any]:
        if key not in self._columns:
            parts = [picked(read(batch.table, data), batch.indices) for batch, data in zip(self.connections.batches, self._data)]
            self._columns[key] = parts[0] if len(parts) == 1 else [value for part in parts for value in part]
        return self._columns[key]

    # ---- what moved

    def all_known(self) -> None:
        """Another filter selected these: that they were not there before tells nothing."""
        self._compared = False

    def is_new(self, number: int) -> bool:
        return self._compared and self._before is not None and self.identities[number] not in self._before.numbers

    def rates(self, number: int) -> tuple[float | None, float | None]:
        """Bytes a second in and out since the look before; None where that cannot be told."""
        earlier = None if self._before is None else self._before.numbers.get(self.identities[number])
        if earlier is None or self._before is None:
            return None, None
        now, then = self._counted(number), self._before._counted(earlier)
        if now is None or then is None:
            return None, None
        received, sent = (max(0, new - old) / self._seconds for new, old in zip(now, then))
        return received, sent

    def _counted(self, number: int) -> tuple[int, int] | None:
        if not self.details(KNOWN)[number] & INFO_BYTES:
            return None
        return self.details(BYTES_RECEIVED)[number], self.details(BYTES_SENT)[number]

    def _moved(self) -> Sequence[int | None]:
        """Bytes either way since the look before, of every row: by columns, since a busy host has many."""
        before = self._before
        if before is None:
            return [None] * len(self)
        earlier = list(map(before.numbers.get, self.identities))
        known = [bool(bits & INFO_BYTES) for bits in self.details(KNOWN)]
        sent, received = self.details(BYTES_SENT), self.details(BYTES_RECEIVED)
        sent_then, received_then = before.details(BYTES_SENT), before.details(BYTES_RECEIVED)
        return [
            None if then is None or not told else sent[now] + received[now] - sent_then[then] - received_then[then]
            for now, (then, told) in enumerate(zip(earlier, known))
        ]

    # ---- order

    def order(self, key: str, *, descending: bool, process: Callable[[int], str | None] = lambda inode: None) -> list[int]:
        """The numbers of all rows by one of ORDERS; what is unknown comes last either way.

        process: inode -> the name of who holds it, as far as it was looked for.
        """
        values = self._values(key, process)
        known = [number for number, value in enumerate(values) if value is not None]
        known.sort(key=values.__getitem__, reverse=descending)
        if len(known) < len(values):
            known += [number for number, value in enumerate(values) if value is None]
        return known

    def _values(self, key: str, process: Callable[[int], str | None]) -> Sequence[Any]:
        if key == "rate":
            return self._moved()
        if key == "state":
            return self.column(layout.STATE)
        if key in ("local", "remote"):
            fields = (layout.LADDR, layout.LPORT) if key == "local" else (layout.RADDR, layout.RPORT)
            return list(zip(*map(self.column, fields)))
        if key in ("recvq", "sendq"):
            return self.column(layout.RECVQ if key == "recvq" else layout.SENDQ)
        if key == "process":
            return list(map(process, self.column(INODE)))
        pick = min if key == "idle" else max
        moved = zip(self.details(KNOWN), self.details(LAST_SENT), self.details(LAST_RECEIVED))
        return [pick(sent, received) if known & INFO_TIMES else None for known, sent, received in moved]

    def connection(self, number: int) -> Connection:
        return self.connections[number]

    def chosen(self, identities: set[Identity]) -> Connections:
        """The connections of these identities that are still there."""
        return self.connections.choose(sorted(self.numbers[one] for one in identities if one in self.numbers))
