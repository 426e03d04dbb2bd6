# SPDX-License-Identifier: BSD-2-Clause
"""Outcomes of single connections, as text or as JSON schema 1."""

from __future__ import annotations

from ..errors import Error
from ..model import Connection
from .options import Parsed
from .streams import Streams

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..report import Report
    from ..table import Connections
    from ..ways import Way

SCHEMA = 1

_DROP_KEYS = ("method", "victim_sees", "peer_told", "protected_by", "outcome", "errno", "error")
_WORDS = {"dropped": "dropped", "would_drop": "would drop"}


class Reporter:
    """Collects outcomes, says each as it comes, and closes with a summary."""

    def __init__(self, parsed: Parsed, streams: Streams) -> None:
        self._parsed = parsed
        self._streams = streams
        self._objects: list[dict[str, object]] = []
        self.counts: dict[str, int] = {}
        #: (connection, outcome) of each
        self.outcomes: list[tuple[str, str]] = []

    def outcome(
        self,
        what: str,
        outcome: str,
        *,
        connection: Connection | None = None,
        facts: dict[str, object] | None = None,
        error: Error | None = None,
        way: Way | None = None,
    ) -> None:
        """One connection's fate.  facts: JSON keys known without a Connection.  way: how it was dropped."""
        self.counts[outcome] = self.counts.get(outcome, 0) + 1
        self.outcomes.append((what, outcome))
        if error is not None:
            self._streams.note(str(error))
        elif not self._parsed.machine and not self._parsed.flag("quiet"):
            self._streams.data(f"{what}: {_WORDS[outcome]}")
        if self._parsed.machine:
            entry = connection_object(connection, facts)
            entry["outcome"] = outcome
            if outcome == "dropped":
                entry["method"], entry["victim_sees"] = way or ("destroy", None)
                entry["peer_told"] = _peer_told(connection, self._parsed.text("netns"))
            if error is not None:
                entry["errno"], entry["error"] = error.errno, error.message
                if outcome == "protected":
                    entry["protected_by"] = error.hint
            self._emit(entry)

    def _emit(self, entry: dict[str, object]) -> None:
        if self._parsed.flag("jsonl"):
            self._streams.data(dumps({"schema": SCHEMA, "type": "connection", **entry}))
        else:
            self._objects.append(entry)

    def finish(self) -> None:
        """The summary, for programs; people have read the lines."""
        summary = {"counts": self.counts}
        if self._parsed.flag("jsonl"):
            self._streams.data(dumps({"schema": SCHEMA, "type": "summary", **summary}))
        elif self._parsed.flag("json"):
            self._streams.data(dumps({"schema": SCHEMA, "connections": self._objects, "summary": summary}))


def _peer_told(connection: Connection | None, where: str | None) -> bool | None:
    """As a Report says it of a selection."""
    from .. import backend

    if connection is None:
        return None if backend.TELLS_PEER else False
    from ..peers import absent_addresses, told
    from ..table import Connections, part_of

    absent = absent_addresses(Connections([part_of([connection], where)]))
    return told(connection._row, absent, elsewhere=where is not None)


def connection_object(connection: Connection | None, facts: dict[str, object] | None = None) -> dict[str, object]:
    """All keys of the schema; what is not known is null."""
    if connection is None:
        from ..model import JSON_KEYS

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
