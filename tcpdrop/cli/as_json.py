# SPDX-License-Identifier: BSD-2-Clause
"""Connections and what became of them as JSON, schema 1."""

from __future__ import annotations

from ..engine.outcome import Result, Round, fate
from ..model.addresses import unpack
from ..model.connection import JSON_KEYS, Connection
from ..model.table import Connections, batch_of
from ..system import platform
from ..system.netns import Namespace
from .json_rows import json_rows
from .options import Parsed
from .streams import SCHEMA, Streams, dumps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..engine.methods import Way
    from ..engine.outcome import Outcomes, Report
    from ..errors import Error
    from ..model.four_tuple import FourTuple
    from ..model.rows import Row


#: how the one object begins
_HEAD = f'{{"schema": {SCHEMA}, "connections": ['
#: rows that are written at a time
_PIECE = 1024
#: how the object of a connection begins in JSON Lines
_LINE = f'{{"schema": {SCHEMA}, "type": "connection", '


class Document:
    """Connections as they come, then a summary: one object at the end (--json), or a line for each (--jsonl).

    flowing: the one object too is written as it comes, and nothing of it kept.
    """

    def __init__(self, parsed: Parsed, streams: Streams, *, flowing: bool = False) -> None:
        self._lines = parsed.flag("jsonl")
        self._streams = streams
        self._flowing = flowing
        self._begun = False
        #: of the one object, what waits for its end
        self._kept: list[str] = []

    def add(self, entry: dict[str, object]) -> None:
        self._write([dumps(entry)])

    def add_rows(self, outcomes: Outcomes, numbers: Sequence[int]) -> None:
        """Of these rows what Result.as_dict() says of each."""
        for first in range(0, len(numbers), _PIECE):
            self._write(list(json_rows(outcomes, numbers[first : first + _PIECE])))

    def _write(self, entries: list[str]) -> None:
        if self._lines:
            self._streams.data("\n".join([_LINE + entry[1:] for entry in entries]))
        elif self._flowing:
            for entry in entries:
                self._streams.data((", " if self._begun else _HEAD) + entry)
                self._begun = True
        else:
            self._kept.append(", ".join(entries))

    def add_named(
        self, quad: FourTuple, row: Row | None, outcome: str, *, where: str | int | None, way: Way | None = None, error: Error | None = None
    ) -> None:
        """One connection that was named by its four-tuple; without a row that is all there is to say of it.

        where: the network namespace that was named, or the id of another zone.
        """
        if row is not None:
            this = Round(Connections([batch_of([Connection(row)], None if where is None else Namespace(where))]))
            if way is not None:
                this.outcomes[0].note((0,), way)
            self.add(next(this.results()).as_dict())
            return
        named: dict[str, object] = {
            "family": "inet" if len(quad.laddr) == 4 else "inet6",
            "local_addr": unpack(quad.laddr),
            "local_port": quad.lport,
            "remote_addr": unpack(quad.raddr),
            "remote_port": quad.rport,
            "zone": where if isinstance(where, int) else None,
        }
        peer_told = False if way is not None and not platform.TELLS_PEER else None
        self.add({**dict.fromkeys(JSON_KEYS), **named, **fate(outcome, error, peer_told, way)})

    def close(self, summary: dict[str, object]) -> None:
        if self._lines:
            self._streams.data(dumps({"schema": SCHEMA, "type": "summary", **summary}))
        elif self._begun:
            self._streams.data(f'], "summary": {dumps(summary)}}}')
        else:
            for number, piece in enumerate(self._kept):
                self._streams.write((", " if number else _HEAD) + piece)
            self._streams.data(f'{"" if self._kept else _HEAD}], "summary": {dumps(summary)}}}')


def list_as_json(connections: Connections, parsed: Parsed, streams: Streams) -> None:
    """Every connection as outcome "listed", and the summary."""
    entries = (Result(connection, "listed").as_dict() for connection in connections)
    summary: dict[str, object] = {"counts": {"listed": len(connections)}, "undecidable": connections.undecidable}
    summary["unread"] = [str(error) for error in connections.unread]
    document = Document(parsed, streams)
    for entry in entries:
        document.add(entry)
    document.close(summary)


def report_as_json(report: Report, parsed: Parsed, streams: Streams, *, stopped: bool) -> None:
    """A whole run, with --json.  stopped: a signal came, and what it left untouched is but counted."""
    document = Document(parsed, streams)
    for outcomes in (one for this in report.rounds for one in this.outcomes):
        document.add_rows(outcomes, outcomes.touched() if stopped else range(len(outcomes.codes)))
    document.close(report.summary())
