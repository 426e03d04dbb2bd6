# SPDX-License-Identifier: BSD-2-Clause
"""Are there other places in which a connection may be that was not found here?"""

from __future__ import annotations

from ..system import netns, platform

NETNS, ZONE = "network namespace", "zone"


def elsewhere() -> str:
    """NETNS, ZONE, or "": what there are others of, as far as can be seen."""
    if next(netns.others(), None) is not None:
        return NETNS
    if platform.ZONES:
        from ..system.sunos_zones import others  # Solaris and illumos

        if others():
            return ZONE
    return ""
