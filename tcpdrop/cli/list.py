# SPDX-License-Identifier: BSD-2-Clause
"""tcpdrop list: what is there; never drops."""

from __future__ import annotations

from ..filters.selection import select
from ..model.order import arrange
from ..model.table import Connections
from ..system import platform, procfs
from . import fields
from .exit_status import status_of
from .hints import nothing_matched, undecided
from .options import Parsed, UsageError
from .output import HEADER, heading, painter, table_lines
from .selectors import arrangement, check_zone, filter_of, selects
from .streams import Streams
from .width import terminal_size

#: so many processes at most are looked through unasked: with seven descriptors each took 0.12 ms, with thirty 0.27, so 300 of
#: them take 35 to 80 ms, which nobody notices; scripts are never made to wait for it
CHEAP = 300

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..filters import Filter


def run(parsed: Parsed, streams: Streams) -> int:
    if parsed.texts("fields") == ["help"]:
        streams.data("\n".join(fields.FIELDS))
        return 0
    order, limit = arrangement(parsed)  # before the filter, whose first word they may have taken
    chosen = _filter(parsed)
    names = _fields(parsed, streams)
    check_zone(parsed)
    if parsed.flag("explain"):
        return _explain(chosen, streams)
    connections = select(
        chosen,
        where=parsed.text("netns"),
        details=order is not None or parsed.machine or fields.needs_details(names),
        owners=parsed.machine or fields.needs_owners(names),
    )
    connections = arrange(connections, order, limit)
    _print(connections, parsed, names, streams)
    if connections.undecidable:
        streams.note(f"tcpdrop: {undecided(connections.undecidable, parsed, chosen)}")
    for error in connections.unread:
        streams.note(f"tcpdrop: {error}")
    if not len(connections):
        streams.note(f"tcpdrop: {nothing_matched(parsed, chosen)}")
    status = status_of({"listed": len(connections)}, undecidable=connections.undecidable, unread=connections.unread)
    return 0 if status == 1 and parsed.flag("allow_none") else status


def _filter(parsed: Parsed) -> Filter | None:
    chosen = filter_of(parsed, parsed.operands)
    if parsed.flag("all") and selects(parsed):
        raise UsageError("--all does not go with a selection")
    if chosen is None and parsed.flag("explain"):
        raise UsageError("--explain needs a filter to explain")
    return chosen


def _fields(parsed: Parsed, streams: Streams) -> list[str]:
    name = parsed.text("summary_by")
    if name is not None:
        if name not in fields.SUMMARIES:
            raise UsageError(f"--summary-by is one of {', '.join(fields.SUMMARIES)}")
        if parsed.flag("resolve") and name != "remote_addr":
            raise UsageError("-r names remote addresses: it goes with --summary-by remote_addr")
        return [name]
    resolved = parsed.flag("resolve") and streams.looked_at
    unasked = streams.looked_at and not resolved and "fields" not in parsed.given and _holders_are_cheap(parsed)
    chosen = fields.chosen(parsed.texts("fields") or [], holders=parsed.flag("holders") or unasked, resolved=resolved)
    if chosen and "fields" not in parsed.given and parsed.text("netns") == "all":
        chosen.append("netns")  # the same ends may be another connection elsewhere
    return chosen


def _holders_are_cheap(parsed: Parsed) -> bool:
    """Are they shown to a person who did not ask for them?"""
    shown = not (parsed.machine or parsed.flag("count") or parsed.flag("quiet") or parsed.flag("explain"))
    return shown and platform.DESCRIPTORS and parsed.text("netns") != "all" and len(procfs.all_pids()) <= CHEAP


def _explain(chosen: Filter | None, streams: Streams) -> int:
    from ..filters import explain, gather, plan_for  # `explain` is for --explain alone

    assert chosen is not None  # noqa: S101 - _filter() saw to it
    streams.data(explain(chosen, plan_for(chosen, facts=gather(chosen.needs()))))
    return 0


def _print(connections: Connections, parsed: Parsed, names: list[str], streams: Streams) -> None:
    if parsed.machine:
        from .as_json import list_as_json  # --json, --jsonl

        list_as_json(connections, parsed, streams)
    elif parsed.flag("count"):
        streams.data(str(len(connections)))
    elif not parsed.flag("quiet") and len(connections):
        _print_table(connections, parsed, names, streams)


def _print_table(connections: Connections, parsed: Parsed, names: list[str], streams: Streams) -> None:
    hosts = _hosts(connections, streams) if parsed.flag("resolve") else None
    paint = painter(parsed, streams)
    if parsed.text("summary_by") is not None:
        streams.data("\n".join(fields.summary(connections, names[0], hosts)))
    elif names:
        room = terminal_size(1).columns if streams.looked_at else None
        lines = fields.columns(connections, names, room=room, paint=paint, hosts=hosts)
        streams.data("\n".join(lines[parsed.flag("no_header") :]))
    else:
        label = len(connections.batches) > 1
        for batch in connections.batches:
            lines = table_lines(Connections([batch]), paint)
            if lines:
                above = [heading(batch)] if label else []
                streams.data("\n".join([*above, *([] if parsed.flag("no_header") else [HEADER]), *lines]))


def _hosts(connections: Connections, streams: Streams) -> dict[str, str] | None:
    """address -> name of the remote ends, on a terminal: -r changes nothing of what scripts read."""
    if not streams.looked_at:
        streams.note("tcpdrop: -r: only a terminal is shown host names")
        return None
    from .hostnames import names_of  # it loads the resolver

    return names_of(connection.remote.addr for connection in connections)
