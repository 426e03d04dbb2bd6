# SPDX-License-Identifier: BSD-2-Clause
"""Connections: what a selection found, an immutable sequence over the packed table.

Python objects are made per row when asked for; a hundred thousand rows that
are only dropped or printed never become a hundred thousand objects.
"""

from __future__ import annotations

from _collections_abc import Sequence

from .columns import column, picked
from .connection import Connection, Owner
from .rows import INFO, LISTEN, ROW, STATE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import overload

    from .. import _tcpdrop
    from ..errors import Error
    from ..system.netns import Namespace
    from .rows import Row


class Rows:
    """Saved rows in the shape of a Table: for connections that were given one by one."""

    def __init__(self, rows: list[bytes]) -> None:
        self._rows = rows
        self.stride = ROW.size

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> bytes:
        return self._rows[index]

    def tobytes(self) -> bytes:
        return b"".join(self._rows)


class Batch:
    """The selected rows of one network namespace: numbers into the table that was read there."""

    __slots__ = ("_data", "indices", "namespace", "owner_of", "table")

    def __init__(
        self,
        table: _tcpdrop.Table | Rows,
        indices: Sequence[int] | None,
        *,
        namespace: Namespace | None = None,
        owner_of: Callable[[Row], Owner] | None = None,
    ) -> None:
        self.table = table
        #: row numbers of the table, in its order
        self.indices: Sequence[int] = range(len(table)) if indices is None else indices
        #: where the table was read; None is the caller's own network namespace
        self.namespace = namespace
        #: who holds the socket of a row, or made it; None when nobody asked
        self.owner_of = owner_of
        self._data: bytes | None = None

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, number: int) -> Row:
        return ROW.unpack_from(self.table[self.indices[number]])

    def __iter__(self) -> Iterator[Row]:
        return ROW.iter_unpack(self.data())

    @property
    def listed(self) -> _tcpdrop.Table | None:
        """The kernel's own table; None for connections that were given one by one."""
        return None if isinstance(self.table, Rows) else self.table

    @property
    def scope(self) -> int | None:
        """The network namespace for the kernel.  Raises Error when it cannot be opened (any more)."""
        return None if self.namespace is None else self.namespace.scope

    @property
    def where(self) -> str | int | None:
        """The network namespace as the caller named it; None is its own."""
        return None if self.namespace is None else self.namespace.where

    @property
    def netns(self) -> str | None:
        """The network namespace as it is shown; None when there is only one."""
        return None if self.namespace is None else self.namespace.label

    def connection(self, place: int) -> Connection:
        raw = self.table[self.indices[place]]
        row = ROW.unpack_from(raw)
        info = INFO.unpack_from(raw, ROW.size) if len(raw) > ROW.size else None
        if self.owner_of is None:
            return Connection(row, info, netns=self.netns)
        return Connection(row, info, netns=self.netns, owner=self.owner_of(row))

    def data(self) -> bytes:
        """The selected rows, one behind the other, without their details."""
        if self._data is None:  # a copy of all rows: once
            table, size = self.table, ROW.size
            if self.indices == range(len(table)) and table.stride == size:
                self._data = table.tobytes()
            else:
                self._data = b"".join([table[i][:size] for i in self.indices])
        return self._data

    def close(self) -> None:
        """Let go of the namespace; who asks for it after all has it opened anew."""
        if self.namespace is not None:
            self.namespace.close()

    def again(self) -> Batch:
        """The same rows for a run of its own, which closes its namespace at the end."""
        namespace = None if self.namespace is None else self.namespace.again()
        return Batch(self.table, self.indices, namespace=namespace, owner_of=self.owner_of)

    def table_numbers(self, numbers: Sequence[int]) -> Sequence[int]:
        """Where these rows stand in the table."""
        return picked(self.indices, numbers)

    def choose(self, numbers: Sequence[int]) -> Batch:
        """Only these of the selected rows, in this order."""
        if numbers == range(len(self)):
            return self
        chosen = Batch(self.table, self.table_numbers(numbers), namespace=self.namespace, owner_of=self.owner_of)
        if isinstance(numbers, range) and numbers.step == 1:  # one piece of what is there already, or will be wanted again
            chosen._data = self.data()[numbers.start * ROW.size : numbers.stop * ROW.size]
        return chosen


def batch_of(connections: list[Connection], namespace: Namespace | None = None) -> Batch:
    """Given connections as a batch; they keep their identity, not their details."""
    return Batch(Rows([ROW.pack(*connection._row) for connection in connections]), None, namespace=namespace)


class Connections(Sequence):  # type: ignore[type-arg]
    """An immutable sequence of Connection; slices are Connections too."""

    __slots__ = ("batches", "undecidable", "unread")

    def __init__(self, batches: list[Batch], undecidable: int = 0, unread: Sequence[Error] = ()) -> None:
        #: one for each network namespace
        self.batches = tuple(batches)
        #: how many connections could not be decided, for want of rights: they are not in here
        self.undecidable = undecidable
        #: where connections may be that are not in here: of all network namespaces those that could not be read, and why
        self.unread = tuple(unread)

    @property
    def is_all(self) -> bool:
        """Does certainly nothing else match?  What is no more, like a namespace that has ended, does not."""
        return not self.undecidable and all(error.outcome == "gone" for error in self.unread)

    def __len__(self) -> int:
        return sum(map(len, self.batches))

    if TYPE_CHECKING:

        @overload
        def __getitem__(self, index: int) -> Connection: ...
        @overload
        def __getitem__(self, index: slice) -> Connections: ...

    def __getitem__(self, index: int | slice) -> Connection | Connections:
        if isinstance(index, slice):
            return self.choose(list(range(*index.indices(len(self)))))
        place = index if index >= 0 else index + len(self)
        for batch in self.batches:
            if 0 <= place < len(batch):
                return batch.connection(place)
            place -= len(batch)
        raise IndexError("Connections index out of range")

    def __iter__(self) -> Iterator[Connection]:
        for batch in self.batches:
            for place in range(len(batch)):
                yield batch.connection(place)

    def __repr__(self) -> str:
        return f"<{len(self)} connections>"

    def has_listener(self) -> bool:
        return any(LISTEN in column(batch.data(), STATE) for batch in self.batches)

    def choose(self, places: Sequence[int]) -> Connections:
        """Only the connections at these places, in this order within a namespace."""
        chosen: list[Batch] = []
        start = 0
        for batch in self.batches:
            mine = [place - start for place in places if start <= place < start + len(batch)]
            chosen.append(batch.choose(mine))
            start += len(batch)
        return Connections(chosen, self.undecidable, self.unread)
