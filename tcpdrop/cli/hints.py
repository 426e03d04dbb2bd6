# SPDX-License-Identifier: BSD-2-Clause
"""What to say when nothing matched: it may be in another network namespace, or zone."""

from __future__ import annotations

from ..filters.absent import absent_names
from ..filters.breadth import matches_none
from ..filters.nodes import DETAILS, LISTENERS, OWNERS, PIDS
from ..model.addresses import printable
from ..system import netns
from ..system.lookups import InterfaceNames
from ..system.netns import scopes_of
from .elsewhere import NETNS, ZONE, elsewhere
from .options import Parsed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..filters import Filter


def nothing_matched(parsed: Parsed, chosen: Filter | None) -> str:
    """One line; it names the namespace of a process that was asked for."""
    source = parsed.text("from")
    if source is not None:
        return f"--from {printable(source)} names no connection"
    names = nameless(parsed, chosen)
    if names:
        return f"nothing matched: {names}"
    if chosen is not None and matches_none(chosen):
        return "nothing matched, and nothing can: a list of addresses is empty, or what is asked for excludes itself"
    if parsed.text("netns") is not None:
        return "nothing matched"
    own = netns.identity()
    for pid in sorted(chosen.wanted_pids) if chosen is not None and "pids" in chosen.needs() else ():
        theirs = netns.identity(f"/proc/{pid}/ns/net")
        if theirs is not None and theirs != own:
            return f"nothing matched here: process {pid} lives in another network namespace: --netns {pid}"
    others = elsewhere()
    if others == NETNS:
        return "nothing matched in this network namespace; there are others: --netns"
    if others == ZONE:
        return "nothing matched in this zone; there are others, whose connections do not show: zlogin ZONE tcpdrop ..."
    return "nothing matched"


def undecided(number: int, parsed: Parsed, chosen: Filter | None) -> str:
    """Why so many connections may match or not."""
    needs = frozenset() if chosen is None else chosen.needs()
    reasons = []
    if LISTENERS in needs:
        reasons = ["which end opened them does not show"]
    elif DETAILS in needs:
        reasons = ["nothing was measured of them"]
    if not reasons or needs & {OWNERS, PIDS}:
        reasons.insert(0, "no process holds them, or it may not be seen")
    return f"{number} more could not be decided: {nameless(parsed, chosen) or '; '.join(reasons)}"


def nameless(parsed: Parsed, chosen: Filter | None) -> str:
    """What the filter names and is not there; ""."""
    if chosen is None:
        return ""
    return "; ".join(absent_names(chosen, InterfaceNames(lambda: scopes_of(parsed.text("netns")))))
