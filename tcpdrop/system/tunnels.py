# SPDX-License-Identifier: BSD-2-Clause
"""Which processes carry what goes by a TUN or TAP device: a VPN, `ssh -w`.

Documentation/networking/tuntap.rst; proc_pid_fdinfo(5) says which device a descriptor is of.
"""

from __future__ import annotations

from . import procfs


def carriers(device: str) -> set[int]:
    """The processes that hold the device, as far as they can be seen."""
    found = set()
    for pid in procfs.all_pids():
        try:
            for link, fdinfo in procfs.streams_of(pid):
                if link.endswith("/net/tun") and f"iff:\t{device}" in procfs.lines_of(fdinfo):
                    found.add(pid)
        except OSError:
            continue  # it has ended, or is not shown
    return found
