# SPDX-License-Identifier: BSD-2-Clause
"""Who dropped what, when and why: syslog for the command line, logging for Python.

syslog(3), facility authpriv, key=value.  Nothing here may stop a drop.
"""

from __future__ import annotations

import os
import sys

from ..model.addresses import printable

#: characters of a selection in the log
LONGEST = 400

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from .outcome import Result


def who() -> str:
    """The real and the effective user, who they were before sudo, and who logged in."""
    words = [f"uid={os.getuid()}", f"euid={os.geteuid()}"]
    sudo = os.environ.get("SUDO_USER")
    if sudo:
        words.append(f"sudo_user={_value(sudo)}")
    try:
        with open("/proc/self/loginuid", "rb", buffering=0) as file:  # as text it would load a codec
            login = int(file.read())
        if login != 0xFFFFFFFF:  # never logged in
            words.append(f"loginuid={login}")
    except (OSError, ValueError):
        pass  # no audit in this kernel: then nobody knows
    return " ".join(words)


def _value(text: str) -> str:
    """One value of key=value: quoted, so that it cannot pretend to be more of them."""
    safe = printable(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{safe}"' if set(safe) - set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/:@") or not safe else safe


def _shortened(what: str) -> str:
    """A selection of thousands of addresses: a log would cut the line, and lose what stands behind it."""
    return what if len(what) <= LONGEST else f"{what[:LONGEST]}... ({len(what)} characters)"


def to_syslog(outcomes: Iterable[tuple[str, str]], counts: dict[str, int], *, what: str, reason: str | None, each: bool) -> None:
    """One line for the run, and with `each` one for every (connection, outcome) before it."""
    import syslog

    # Solaris, and illumos before 2013, have the one facility for both.
    syslog.openlog("tcpdrop", syslog.LOG_PID, getattr(syslog, "LOG_AUTHPRIV", syslog.LOG_AUTH))
    tail = f"{who()}" + (f" reason={_value(reason)}" if reason else "")
    if each:
        for connection, outcome in outcomes:
            syslog.syslog(syslog.LOG_NOTICE, f"connection={_value(connection)} outcome={outcome} {tail}")
    numbers = " ".join(f"{outcome}={number}" for outcome, number in counts.items()) or "matched=0"
    syslog.syslog(syslog.LOG_NOTICE, f"selection={_value(_shortened(what))} {numbers} {tail}")
    syslog.closelog()


def logs() -> bool:
    """Does anybody listen to to_logging()?  Where logging was never imported there is no handler."""
    logging = sys.modules.get("logging")
    return logging is not None and logging.getLogger("tcpdrop").isEnabledFor(logging.INFO)


def to_logging(results: Iterable[Result], reason: str | None = None) -> None:
    """In Python: one INFO record a drop, to the logger "tcpdrop", with the Result in record.result."""
    if logs():
        logger = sys.modules["logging"].getLogger("tcpdrop")
        for result in results:
            if result.outcome == "dropped":
                logger.info("%s: dropped", result.connection, extra={"result": result, "reason": reason})
