# SPDX-License-Identifier: BSD-2-Clause
"""tcpdrop LADDR LPORT RADDR RPORT: the form of OpenBSD, FreeBSD and Davies' Solaris tool."""

from __future__ import annotations

from .. import backend, exact, netns, operands
from ..errors import Error, NotFound
from ..exact import Quad
from .options import Parsed
from .report import Reporter
from .status import FAILED, status_of
from .streams import Streams

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..filters import Filter
    from ..model import Connection
    from ..ways import Way


def run(parsed: Parsed, streams: Streams) -> int:
    """Drop the one connection named.  Raises ValueError for operands that cannot be read."""
    if parsed.text("netns") == "all":
        raise ValueError("--netns all names no single connection: give one network namespace")
    quads = _quads(parsed)
    protect = _protect(parsed)
    zone = _other_zone(parsed)
    method = parsed.method
    reporter = Reporter(parsed, streams)
    with netns.opened(parsed.text("netns")) as scope:
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


def _quads(parsed: Parsed) -> list[Quad]:
    local, remote = operands.parse(parsed.operands)
    if local.numeric_host and remote.numeric_host:
        family = parsed.family
        quad = Quad(local.packed(), local.port_number(), remote.packed(), remote.port_number(), local.dev or remote.dev)
        if family and len(quad.laddr) != (4 if family == 4 else 16):
            raise ValueError(f"{quad} is not IPv{family}, as -{family} demands")
        return [quad]
    from ..resolve import quads

    return quads(local, remote, family=parsed.family)


def _refusal(would: list[Connection], scope: int | None, method: str) -> Error | None:
    """What the real run would be refused, for the first of those that it would drop."""
    if not would:
        return None
    from ..ways import refusal

    return next(filter(None, (refusal(connection, scope, method) for connection in would)), None)


def _protect(parsed: Parsed) -> list[Filter]:
    texts = parsed.texts("protect")
    if not texts:
        return []
    from .dropping import protecting

    return [protecting(text) for text in texts]


def _other_zone(parsed: Parsed) -> int | None:
    """The id of a zone that is not our own."""
    text = parsed.text("zone")
    if text is None:
        return None
    from .. import zones

    zone = zones.number_of(text)
    if zone == zones.OWN:
        return None
    if parsed.flag("dry_run"):
        raise ValueError("--dry-run: another zone's connections cannot be seen, so nothing can be said of them")
    return zone


def _drop_one(
    quad: Quad, protect: list[Filter], parsed: Parsed, scope: int | None, zone: int | None, method: str
) -> tuple[Connection | None, Way | None]:
    """What was dropped (None when it cannot be seen), and how."""
    include_self, dry_run = parsed.flag("include_self"), parsed.flag("dry_run")
    if zone is None:
        return exact.drop_quad(quad, scope=scope, protect=protect, include_self=include_self, dry_run=dry_run, method=method)
    from .. import zones

    zones.drop(quad, zone, protect=protect, include_self=include_self)
    return None, None


def _drop_all_meanings(
    quads: list[Quad], protect: list[Filter], parsed: Parsed, reporter: Reporter, scope: int | None, zone: int | None, method: str
) -> list[Connection]:
    """Names may have several addresses: each pair is tried, absent ones matter only if all are.

    Returns what a dry run would have dropped.
    """
    absent: list[tuple[Quad, NotFound]] = []
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


def _why_absent(quad: Quad, scope: int | None) -> str:
    """What the user may have meant; neither is dropped."""
    try:
        exact.find(quad.swapped(), scope)
    except (Error, ValueError):
        pass
    else:
        return f"but {quad.swapped()} exists: are local and remote swapped?"
    if scope is None and next(netns.others(), None) is not None:
        return "in this network namespace; there are others: --netns"
    if backend.ZONES:
        from .. import zones

        if zones.others():
            return "in this zone; there are others: --zone"
    return ""


def _facts(quad: Quad, zone: int | None) -> dict[str, object]:
    from ..addresses import unpack

    return {
        "family": "inet" if len(quad.laddr) == 4 else "inet6",
        "local_addr": unpack(quad.laddr),
        "local_port": quad.lport,
        "remote_addr": unpack(quad.raddr),
        "remote_port": quad.rport,
        "zone": zone,
    }
