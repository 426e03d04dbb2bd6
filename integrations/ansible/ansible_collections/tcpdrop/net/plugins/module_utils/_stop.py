# Copyright (c) The tcpdrop authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""A signal in the middle of a run: it ends in order, and what was dropped by then is told."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import signal
import threading

#: what ends a module from outside: a user, a service manager, a terminal that was lost
ENDING = ("SIGINT", "SIGTERM", "SIGHUP")


class Stop:
    """`with Stop() as stop`: stop() is true once a signal came, and stop.name tells which."""

    def __init__(self):
        self.name = ""
        self._before = []

    def __enter__(self):
        for name in ENDING:
            number = getattr(signal, name)
            # A thread that an engine runs modules in is not told of signals; nohup stays nohup.
            if threading.current_thread() is threading.main_thread() and signal.getsignal(number) != signal.SIG_IGN:
                self._before.append((number, signal.signal(number, self._note(name))))
        return self

    def _note(self, name):
        def note(*_):
            self.name = self.name or name

        return note

    def __call__(self):
        return self.name != ""

    def __exit__(self, *_):
        """From now on a signal ends the module at once: nobody may read what it writes."""
        for number, before in self._before:
            signal.signal(number, before)
