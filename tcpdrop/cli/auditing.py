# SPDX-License-Identifier: BSD-2-Clause
"""Whether a run is told to syslog: by default when root drops, one line a run."""

from __future__ import annotations

import os

from .options import Parsed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


def audit(parsed: Parsed, outcomes: Iterable[tuple[str, str]], counts: dict[str, int], what: str) -> None:
    """After a real run, whatever came of it.  outcomes: (connection, outcome)."""
    if parsed.flag("no_syslog") or not (parsed.flag("syslog") or os.geteuid() == 0):
        return
    from ..engine.audit import to_syslog

    to_syslog(outcomes, counts, what=what, reason=parsed.text("reason"), each=parsed.flag("syslog"))
