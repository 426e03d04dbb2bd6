# SPDX-License-Identifier: BSD-2-Clause
"""What is read of Solaris and illumos beside the kernel's tables: psinfo, zoneadm's list, the release.  Pure."""

import struct

import pytest

from tcpdrop import errors
from tcpdrop.system import sunos_release
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


SMARTOS = LISTED.replace("shared\n", "shared:3:\n").replace("excl\n", "excl:4:\n")
PATHS = LISTED.replace("/zones/own", "/zones\\:b/own")


@pytest.mark.parametrize("listed", [SMARTOS, PATHS], ids=["more fields", "a colon in a path"])
def test_a_line_of_zoneadm_is_read_by_place(listed):
    assert zones._id_of("web", listed) == 3
    with pytest.raises(errors.NotSupported, match="zlogin own tcpdrop"):
        zones._id_of("own", listed)


@pytest.mark.parametrize(
    ("version", "numbers"),
    [
        ("joyent_20190913T000000Z", []),
        ("joyent_20191010T000000Z", ["12976", "14619"]),
        ("joyent_20200827T000000Z", ["12976", "14619"]),
        ("joyent_20200910T000000Z", ["14619"]),
        ("joyent_20220324T000000Z", ["14619"]),
        ("joyent_20220407T000000Z", []),
        ("joyent_20220908T000000Z", ["15031"]),
        ("joyent_20221020T000000Z", []),
        ("omnios-r151030-1b80ce3d31", []),
        ("omnios-r151032-7bd20f5d1a", ["12976", "14619"]),
        ("omnios-r151034-0d278a0cc5", ["12976", "14619"]),
        ("omnios-r151036-df9d5c8e2d", ["14619"]),
        ("omnios-r151040-0a1b2c3d4e", ["14619"]),
        ("omnios-r151042-2e3a3a1b61", []),
        ("omnios-r151043-f3e5b8c1aa", ["15031"]),
        ("omnios-r151046-a4bd6b2c3d", []),
        ("omnios-master-r151051-0f1e2d3c4b", []),
        ("illumos-ee2a1a3ae4", []),
        ("Generic_147441-01", []),
        ("11.4.0.15.0", []),
        ("", []),
    ],
)
def test_what_a_release_is_known_to_do_wrong(version, numbers):
    found = sunos_release.cautions(version)
    assert len(found) == len(numbers)
    for text, number in zip(found, numbers):
        assert f"(illumos {number}, mended in 20" in text
