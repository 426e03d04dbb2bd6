# SPDX-License-Identifier: BSD-2-Clause
"""Processes above us that cannot be read."""

import os

from tcpdrop.system import procfs


def hide_sockets(monkeypatch):
    """What they hold and were told does not show, as where they are another user's.

    Below PID 1, which nobody expects to read, there is one at least: we ourselves.
    """

    def process(pid, variable):
        return procfs.Process(procfs.parent_of(pid), {}, None, complete=False)

    monkeypatch.setattr(procfs, "process", process)
    if os.getppid() == 1:
        monkeypatch.setattr(os, "getppid", os.getpid)
