# SPDX-License-Identifier: BSD-2-Clause
"""tcpdrop check: can this host do it, and may I; what to do if not."""

from __future__ import annotations

import sys

from .. import __version__
from ..capabilities import Capabilities, check
from ..model.addresses import harmless
from ..system import platform
from .exit_status import DONE, FAILED
from .options import Parsed
from .streams import SCHEMA, Streams, dumps

_WORDS = {True: "yes", False: "no", None: "unknown"}


def run(parsed: Parsed, streams: Streams) -> int:
    found = check()
    if parsed.machine:
        streams.data(dumps({"schema": SCHEMA, "type": "check", **found.as_dict()}))
    else:
        streams.data("\n".join(_lines(found)))
    return DONE if found.ok else FAILED


def _lines(found: Capabilities) -> list[str]:
    lines = [
        f"system           {found.system} ({found.backend})",
        f"tcpdrop          {__version__}, Python {sys.version.split()[0]} ({harmless(sys.executable)})",
        f"list             {_WORDS[found.listing]}",
        f"kernel can drop  {_WORDS[found.supported]}",
        f"you may drop     {_WORDS[found.permitted]}",
    ]
    allowed = ", ".join(str(one["for"]) for one in found.asked if one["works"])
    lines.append(f"kernel allows    {allowed or 'nothing'}")
    lines += [f"kernel refuses   {refusal}" for refusal in _refusals(found.asked)]
    if platform.DESCRIPTORS:
        lines += _surroundings(found)
    lines += [f"rule             {one}" for one in found.rule_lines]
    lines += [f"works            {one}" for one in found.works]
    lines += [f"does not work    {one}" for one in found.fails]
    lines += [f"take care        {caution}" for caution in found.cautions]
    lines += [f"problem          {problem}" for problem in found.problems]
    if found.fix:
        lines.append(f"what would help  {found.fix}")
    lines.append(f"works here       {found.command or 'nothing: see the problem above'}")
    return lines


def _refusals(asked: list[dict[str, object]]) -> list[str]:
    """Each refusal once: what for, the call and its errno, the likeliest cause."""
    refused: dict[str, list[str]] = {}
    for one in asked:
        if not one["works"]:
            refused.setdefault(f"{one['step']}: {one['errno']}, {one['cause']}", []).append(str(one["for"]))
    return [f"{', '.join(what)}: {why}" for why, what in refused.items()]


def _surroundings(found: Capabilities) -> list[str]:
    lent = found.descriptors
    whose = f"own {_WORDS[lent['own']]}, your processes' {_WORDS[lent['user']]}, others' {_WORDS[lent['others']]}"
    in_the_way = [
        "" if found.yama is None else f"yama {found.yama}",
        f"hidepid {found.hidepid}" if found.hidepid else "",
        "a seccomp filter" if found.seccomp else "",
        f"SELinux {found.selinux}" if found.selinux else "",
    ]
    place = f"{found.namespace or 'unknown'}{f', in a container ({harmless(found.container)})' if found.container else ''}"
    return [
        f"descriptors      {whose}",
        f"in the way       {', '.join(filter(None, in_the_way)) or 'neither Yama, hidepid, seccomp nor SELinux'}",
        f"namespace        {place}",
        f"session          {found.session['text']}",
    ]
