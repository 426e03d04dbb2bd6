# SPDX-License-Identifier: BSD-2-Clause
"""tcpdrop LADDR LPORT RADDR RPORT: the form of OpenBSD, FreeBSD and Davies' Solaris tool."""

from __future__ import annotations

from ..engine import single
from ..errors import Error, NotFound
from ..model.four_tuple import FourTuple, operands
from ..system import netns, platform
from ..system.netns import Namespace
from .as_json import SCHEMA, connection_object, dumps
from .exit_status import FAILED, status_of
from .options import Parsed
from .streams import Streams

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..engine.methods import Way
    from ..filters import Filter
    from ..model.connection import Connection


def run(parsed: Parsed, streams: Streams) -> int:
    """Drop the one connection named.  Raises ValueError for operands that cannot be read."""
    if parsed.text("netns") == "all":
        raise ValueError("--netns all names no single connection: give one network namespace")
    method = parsed.method
    protect = _protect(parsed)
    quads = _quads(parsed)
    zone = _other_zone(parsed)
    reporter = Reporter(parsed, streams)
    with Namespace(parsed.text("netns")) as scope:
        would = _drop_all_meanings(quads, protect, parsed, reporter, scope, zone, method)
        refusal = _refusal(would, scope, method)
    reporter.finish()
    if not parsed.flag("dry_run"):
        from .auditing import audit

        audit(parsed, reporter.outcomes, reporter.counts, " ".join(parsed.operands))
    if refusal is not None:  # a dry run ends as the real one would
        streams.note(f"tcpdrop: the real run would be refused: {refusal}")
        return FAILED
    status = status_of(reporter.counts)
    return 0 if status == 1 and parsed.flag("allow_none") else status


def _quads(parsed: Parsed) -> list[FourTuple]:
    local, remote = operands(parsed.operands)
    if local.numeric and remote.numeric:
        family = parsed.family
        quad = FourTuple(local.packed(), local.port_number(), remote.packed(), remote.port_number(), local.dev, remote.dev)
        if family and len(quad.laddr) != (4 if family == 4 else 16):
            raise ValueError(f"{quad} is not IPv{family}, as -{family} demands")
        return [quad]
    from .resolve import quads

    return quads(local, remote, family=parsed.family)


def _refusal(would: list[Connection], scope: int | None, method: str) -> Error | None:
    """What the real run would be refused, for the first of those that it would drop."""
    if not would:
        return None
    from ..engine.methods import refusal

    return next(filter(None, (refusal(connection, scope, method) for connection in would)), None)


def _protect(parsed: Parsed) -> list[Filter]:
    texts = parsed.texts("protect")
    if not texts:
        return []
    from .drop import protecting

    return [protecting(text) for text in texts]


def _other_zone(parsed: Parsed) -> int | None:
    """The id of a zone that is not our own."""
    text = parsed.text("zone")
    if text is None:
        return None
    from ..system import sunos_zones as zones

    zone = zones.number_of(text)
    if zone == zones.OWN:
        return None
    if parsed.flag("dry_run"):
        raise ValueError("--dry-run: another zone's connections cannot be seen, so nothing can be said of them")
    return zone


def _drop_one(
    quad: FourTuple, protect: list[Filter], parsed: Parsed, scope: int | None, zone: int | None, method: str
) -> tuple[Connection | None, Way | None]:
    """What was dropped (None when it cannot be seen), and how."""
    include_self, dry_run = parsed.flag("include_self"), parsed.flag("dry_run")
    if zone is None:
        return single.drop_quad(quad, scope=scope, protect=protect, include_self=include_self, dry_run=dry_run, method=method)
    from ..engine import other_zone

    other_zone.drop(quad, zone, protect=protect, include_self=include_self)
    return None, None


def _drop_all_meanings(
    quads: list[FourTuple], protect: list[Filter], parsed: Parsed, reporter: Reporter, scope: int | None, zone: int | None, method: str
) -> list[Connection]:
    """Names may have several addresses: each pair is tried, absent ones matter only if all are.

    Returns what a dry run would have dropped.
    """
    absent: list[tuple[FourTuple, NotFound]] = []
    would: list[Connection] = []
    for quad in quads:
        try:
            connection, way = _drop_one(quad, protect, parsed, scope, zone, method)
        except NotFound as error:
            absent.append((quad, error))
        except Error as error:
            reporter.outcome(str(quad), error.outcome, facts=_facts(quad, zone), error=error)
        else:
            word = "would_drop" if parsed.flag("dry_run") else "dropped"
            reporter.outcome(str(quad), word, connection=connection, facts=None if connection else _facts(quad, zone), way=way)
            if way is None and connection is not None:
                would.append(connection)
    if not reporter.counts:
        for quad, missing in absent:
            if zone is None:
                missing.hint = missing.hint or _why_absent(quad, scope)
            reporter.outcome(str(quad), missing.outcome, facts=_facts(quad, zone), error=missing)
    return would


def _why_absent(quad: FourTuple, scope: int | None) -> str:
    """What the user may have meant; neither is dropped."""
    try:
        single.find(quad.swapped(), scope)
    except (Error, ValueError):
        pass
    else:
        return f"but {quad.swapped()} exists: are local and remote swapped?"
    if scope is None and next(netns.others(), None) is not None:
        return "in this network namespace; there are others: --netns"
    if platform.ZONES:
        from ..system import sunos_zones as zones

        if zones.others():
            return "in this zone; there are others: --zone"
    return ""


def _facts(quad: FourTuple, zone: int | None) -> dict[str, object]:
    from ..model.addresses import unpack

    return {
        "family": "inet" if len(quad.laddr) == 4 else "inet6",
        "local_addr": unpack(quad.laddr),
        "local_port": quad.lport,
        "remote_addr": unpack(quad.raddr),
        "remote_port": quad.rport,
        "zone": zone,
    }


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
                entry["peer_told"] = _peer_told(connection, self._parsed.text("netns"), way)
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


def _peer_told(connection: Connection | None, where: str | None, way: Way | None) -> bool | None:
    """As a Report says it of a selection."""
    from ..system import platform

    if connection is None:
        return None if platform.TELLS_PEER else False
    from ..engine.peer_told import Peers
    from ..model.table import batch_of

    return Peers(batch_of([connection], Namespace(where)), [0], {} if way is None else {0: way}).told(0)
