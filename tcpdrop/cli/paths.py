# SPDX-License-Identifier: BSD-2-Clause
"""tcpdrop paths: where the files for Ansible and Salt were installed."""

from __future__ import annotations

from pathlib import Path

from ..errors import Error
from .as_json import SCHEMA, dumps
from .exit_status import DONE
from .options import Parsed, UsageError
from .streams import Streams

ENGINES = ("ansible", "salt")


def run(parsed: Parsed, streams: Streams) -> int:
    wanted = [engine for engine in ENGINES if parsed.flag(engine)]
    if len(wanted) > 1:
        raise UsageError("--ansible and --salt exclude each other: without both, either is printed")
    found = {engine: str(_home() / engine) for engine in wanted or ENGINES}
    if parsed.machine:
        streams.data(dumps({"schema": SCHEMA, "type": "paths", **found}))
    elif wanted:
        streams.data(found[wanted[0]])
    else:
        streams.data("\n".join(f"{engine:<8} {place}" for engine, place in found.items()))
    return DONE


def _home() -> Path:
    """In the package; beside it in a source tree (pip install --editable)."""
    package = Path(__file__).resolve().parent.parent
    for place in (package / "integrations", package.parent / "integrations"):
        if place.is_dir():
            return place
    raise Error("the files for Ansible and Salt are not here", hint=f"expected in {package / 'integrations'}; install tcpdrop again")
