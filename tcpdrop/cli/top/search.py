# SPDX-License-Identifier: BSD-2-Clause
"""Who holds what, found out beside the screen.

Every process's descriptors are read for that: half a second for a hundred
thousand of them, for which no key must wait.  So a thread reads, seldom enough
to cost a twentieth of the time, and what it found stands until the next time.
"""

from __future__ import annotations

import threading
import time
from signal import SIG_BLOCK, pthread_sigmask, valid_signals

from ...system import platform
from ...system.holders import scan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ...model.connection import Owner
    from ...system.holders import Owners

#: seconds after which holders are looked for again, or later where that takes long
AGAIN = 4.0


class Search:
    def __init__(self) -> None:
        self._found: Owners | None = None
        #: inode -> the name of its first holder
        self.names: dict[int, str | None] = {}
        self._due = 0.0
        self._thread: threading.Thread | None = None

    @property
    def busy(self) -> bool:
        return self._thread is not None

    def go_on(self) -> bool:
        """Begin to look, if it is time to.  True when something was found since the last call."""
        if self._thread is not None:
            if self._thread.is_alive():
                return False
            self._thread = None
            return True
        if platform.DESCRIPTORS and time.monotonic() >= self._due:
            thread = threading.Thread(target=self._in_thread, daemon=True)
            try:
                thread.start()
            except RuntimeError:  # no more threads for this user: the next time
                self._due = time.monotonic() + AGAIN
            else:
                self._thread = thread
        return False

    def _in_thread(self) -> None:
        pthread_sigmask(SIG_BLOCK, valid_signals())  # curses' handlers draw: they are for the thread that does
        self.look()

    def look(self) -> None:
        began = time.thread_time()
        found = scan()
        names = {inode: found.processes.comm(pids[0]) for inode, pids in found.holders.items()}
        self._found, self.names = found, names
        self._due = time.monotonic() + max((time.thread_time() - began) * 20, AGAIN)

    def of(self, inode: int | None) -> Owner | None:
        return None if self._found is None or not inode else self._found.of(inode)
