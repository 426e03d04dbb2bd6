# SPDX-License-Identifier: BSD-2-Clause
"""tcpdrop check: can this host do it, and may I; what to do if not."""

from __future__ import annotations

from ..capabilities import Capabilities, check
from .options import Parsed
from .report import SCHEMA, dumps
from .status import DONE, FAILED
from .streams import Streams

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
        f"list             {_WORDS[found.listing]}",
        f"kernel can drop  {_WORDS[found.supported]}",
        f"you may drop     {_WORDS[found.permitted]}",
    ]
    lines += [f"problem          {problem}" for problem in found.problems]
    lines.append(f"works here       {found.command or 'nothing: see the problem above'}")
    return lines
