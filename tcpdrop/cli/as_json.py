# SPDX-License-Identifier: BSD-2-Clause
"""Outcomes of single connections, as text or as JSON schema 1."""

from __future__ import annotations

from ..model.connection import Connection
from .options import Parsed
from .streams import Streams

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..engine.outcome import Report
    from ..model.table import Connections

SCHEMA = 1

_DROP_KEYS = ("method", "victim_sees", "peer_told", "protected_by", "outcome", "errno", "error")


def connection_object(connection: Connection | None, facts: dict[str, object] | None = None) -> dict[str, object]:
    """All keys of the schema; what is not known is null."""
    if connection is None:
        from ..model.connection import JSON_KEYS

        entry: dict[str, object] = dict.fromkeys(JSON_KEYS)
    else:
        entry = connection.as_dict()
    entry.update(dict.fromkeys(_DROP_KEYS))
    entry.update(facts or {})
    return entry


def error_object(message: str, *, outcome: str | None = None) -> str:
    """A refusal or a usage error, for programs."""
    return dumps({"schema": SCHEMA, "type": "error", "error": message, "outcome": outcome})


def dumps(value: object) -> str:
    """One line of JSON, ASCII only: no terminal and no log can be hurt by a name in it."""
    import json

    return json.dumps(value)


def list_as_json(connections: Connections, parsed: Parsed, streams: Streams) -> None:
    """Every connection as outcome "listed", and the summary."""
    entries = ({**connection_object(connection), "outcome": "listed"} for connection in connections)
    summary = {"counts": {"listed": len(connections)}, "undecidable": connections.undecidable}
    _emit_all(entries, summary, parsed, streams)


def report_as_json(report: Report, parsed: Parsed, streams: Streams) -> None:
    """A whole run."""
    _emit_all((result.as_dict() for result in report), report.summary(), parsed, streams)


def _emit_all(entries: Iterable[dict[str, object]], summary: dict[str, object], parsed: Parsed, streams: Streams) -> None:
    if parsed.flag("jsonl"):
        for entry in entries:
            streams.data(dumps({"schema": SCHEMA, "type": "connection", **entry}))
        streams.data(dumps({"schema": SCHEMA, "type": "summary", **summary}))
    else:
        streams.data(dumps({"schema": SCHEMA, "connections": list(entries), "summary": summary}))
