# SPDX-License-Identifier: BSD-2-Clause
"""What is read of Solaris and illumos beside the kernel's tables: psinfo, zoneadm's list.  Pure."""

import struct

import pytest

from tcpdrop import errors
from tcpdrop.system import sunos_zones as zones
from tcpdrop.system.sunos_psinfo import PsInfo

LONG = struct.calcsize("P")

LISTED = """0:global:running:/::ipkg:shared
3:web:running:/zones/web:0b5e:ipkg:shared
-:off:installed:/zones/off:1c2d:ipkg:shared
4:own:running:/zones/own:77aa:lipkg:excl
"""


def psinfo(pid=812, parent=7, name=b"sshd", zone=5):
    """pr_flag to pr_egid; address, sizes, tty; two percentages; three times; the name, the arguments; ... the zone."""
    numbers = struct.pack("=10i", 0, 1, pid, parent, pid, pid, 10, 11, 12, 13)
    sizes = bytes(5 * LONG) + bytes(4 + (4 if LONG == 8 else 0))
    rest = bytes(8 + 2 * LONG + 20) + struct.pack("=i", zone) + bytes(100)
    return numbers + sizes + bytes(3 * 2 * LONG) + name.ljust(16, b"\0") + b"/usr/lib/ssh/sshd".ljust(80, b"\0") + rest


def test_psinfo():
    info = PsInfo(psinfo(), 812)
    assert (info.parent, info.command, info.uids, info.zone) == (7, "sshd", {10, 11}, 5)


@pytest.mark.parametrize("raw", [b"", psinfo()[:100], psinfo(pid=813), bytes(416)], ids=["empty", "cut", "another", "zeroes"])
def test_what_is_not_psinfo_is_unreadable(raw):
    with pytest.raises(OSError, match="psinfo"):
        PsInfo(raw, 812)


def test_zones_by_name():
    assert zones._id_of("web", LISTED) == 3
    assert zones._id_of("global", LISTED) == 0


@pytest.mark.parametrize("name", ["off", "none", "", "running"])
def test_no_such_zone(name):
    with pytest.raises(errors.Error, match="no running zone"):
        zones._id_of(name, LISTED)


def test_our_own_zone_is_known_from_within():
    assert zones._id_of("own", LISTED, 4) == zones.OWN


def test_a_zone_with_its_own_stack_is_reached_from_within():
    with pytest.raises(errors.NotSupported, match="zlogin own tcpdrop"):
        zones._id_of("own", LISTED)
