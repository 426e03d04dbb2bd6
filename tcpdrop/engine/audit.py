# SPDX-License-Identifier: BSD-2-Clause
"""Who dropped what, when and why: syslog for the command line, logging for Python.

syslog(3), facility authpriv, key=value.  Nothing here may stop a drop.
"""

from __future__ import annotations

import os
import sys
from _thread import allocate_lock, start_new_thread

from ..model.addresses import harmless

#: characters of one value in the log, which would cut a long line, or not take it at all
LONGEST = 400
#: seconds in which the log takes no line, after which nobody waits any longer
LONGEST_WAIT = 0.5

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
    safe = harmless(_shortened(text)).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{safe}"' if set(safe) - set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/:@") or not safe else safe


def _shortened(what: str) -> str:
    """A selection of thousands of addresses, or a reason without end: what stands behind it would be lost, or the whole line."""
    return what if len(what) <= LONGEST else f"{what[:LONGEST]}... ({len(what)} characters)"


def to_syslog(outcomes: Iterable[tuple[str, str]], counts: dict[str, int] | None, *, what: str, reason: str | None, each: bool) -> str:
    """One line for the run, and with `each` one for every (connection, outcome) before it.

    counts: None while the run goes on, which has its line at its end.
    Returns a word for whoever asked, where the log did not take them; else "".
    """
    tail = f"{who()}" + (f" reason={_value(reason)}" if reason else "")
    lines = [f"connection={_value(connection)} outcome={outcome} {tail}" for connection, outcome in outcomes] if each else []
    if counts is not None:
        numbers = " ".join(f"{outcome}={number}" for outcome, number in counts.items()) or "matched=0"
        lines.append(f"selection={_value(what)} {numbers} {tail}")
    if not lines:
        return ""
    writer = _Writer(lines)
    written = writer.wait()
    return "" if written == len(lines) else f"{writer.why}: {len(lines) - written} of {len(lines)} lines were not written"


class _Writer:
    """Gives lines to syslog(3), which waits for ever where /dev/log is full and nobody reads: so nobody waits for it."""

    #: the one that syslog(3) still keeps, if any: another would only wait behind it
    _stuck: _Writer | None = None

    def __init__(self, lines: list[str]) -> None:
        self._lines = lines
        self._written = 0
        #: why a line may be left
        self.why = "the log takes nothing just now"
        self._given_up = False
        self._done = allocate_lock()

    def wait(self) -> int:
        """How many were written, in a second at most where the log takes none."""
        if _Writer._stuck is not None and _Writer._stuck._done.locked():
            return 0
        self._done.acquire()
        try:
            start_new_thread(self._write, ())
        except RuntimeError:
            self.why = "no thread is to be had for the log"
            return 0
        before = -1
        while not self._done.acquire(timeout=LONGEST_WAIT):
            if self._written == before:
                self._given_up, _Writer._stuck = True, self
                break
            before = self._written  # many lines take their time while they move
        return self._written

    def _write(self) -> None:
        import syslog

        try:
            # Solaris, and illumos before 2013, have the one facility for both.
            syslog.openlog("tcpdrop", syslog.LOG_PID, getattr(syslog, "LOG_AUTHPRIV", syslog.LOG_AUTH))
            for line in self._lines:
                if self._given_up:
                    break
                syslog.syslog(syslog.LOG_NOTICE, line)
                self._written += 1
            syslog.closelog()
        finally:
            self._done.release()


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
