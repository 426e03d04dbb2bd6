# SPDX-License-Identifier: BSD-2-Clause
"""Processes above us that cannot be read."""

import os

from tcpdrop.system import procfs


def hide_sockets(monkeypatch):
    """What they hold and were told does not show, as where they are another user's."""
    above = max(os.getppid(), 2)  # the first process may have started us, and that one never counts

    def process(pid, variable):
        return procfs.Process(procfs.parent_of(pid), {}, None, complete=False)

    monkeypatch.setattr(os, "getppid", lambda: above)
    monkeypatch.setattr(procfs, "process", process)
