# SPDX-License-Identifier: BSD-2-Clause
"""Connections and what became of them as JSON, schema 1."""

from __future__ import annotations

from ..engine.outcome import Result, Round, fate
from ..model.addresses import unpack
from ..model.connection import JSON_KEYS, Connection
from ..model.table import Connections, batch_of
from ..system import platform
from ..system.netns import Namespace
from .options import Parsed
from .streams import SCHEMA, Streams, dumps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..engine.methods import Way
    from ..engine.outcome import Report
    from ..errors import Error
    from ..model.four_tuple import FourTuple
    from ..model.rows import Row


class Document:
    """Connections as they come, then a summary: one object at the end (--json), or a line for each (--jsonl).

    flowing: the one object too is written as it comes, and nothing of it kept.
    """

    def __init__(self, parsed: Parsed, streams: Streams, *, flowing: bool = False) -> None:
        self._lines = parsed.flag("jsonl")
        self._streams = streams
        self._flowing = flowing
        self._begun = False
        self._entries: list[dict[str, object]] = []

    def add(self, entry: dict[str, object]) -> None:
        if self._lines:
            self._streams.data(dumps({"schema": SCHEMA, "type": "connection", **entry}))
        elif self._flowing:
            before = ", " if self._begun else f'{{"schema": {SCHEMA}, "connections": ['
            self._streams.data(before + dumps(entry))
            self._begun = True
        else:
            self._entries.append(entry)

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
            self._streams.data(dumps({"schema": SCHEMA, "connections": self._entries, "summary": summary}))


def list_as_json(connections: Connections, parsed: Parsed, streams: Streams) -> None:
    """Every connection as outcome "listed", and the summary."""
    entries = (Result(connection, "listed").as_dict() for connection in connections)
    summary: dict[str, object] = {"counts": {"listed": len(connections)}, "undecidable": connections.undecidable}
    summary["unread"] = [str(error) for error in connections.unread]
    _emit_all(entries, summary, parsed, streams)


def report_as_json(report: Report, parsed: Parsed, streams: Streams) -> None:
    """A whole run, with --json."""
    _emit_all((result.as_dict() for result in report), report.summary(), parsed, streams)


def _emit_all(entries: Iterable[dict[str, object]], summary: dict[str, object], parsed: Parsed, streams: Streams) -> None:
    document = Document(parsed, streams)
    for entry in entries:
        document.add(entry)
    document.close(summary)
