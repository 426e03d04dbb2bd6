# SPDX-License-Identifier: BSD-2-Clause
"""What many tests ask of the C module."""

import pytest
from support import procnet

from tcpdrop import _tcpdrop
from tcpdrop.model.rows import LADDR, LISTEN, LPORT, RADDR, ROW, RPORT, STATE, STATE_NAMES, packed_addr


def mapped(addr):
    return procnet.MAPPED + addr


def row_of(tup, **where):
    return ROW.unpack(_tcpdrop.lookup(*tup, **where))


def rows(*args, **kwargs):
    return [ROW.unpack_from(raw) for raw in _tcpdrop.list_connections(*args, **kwargs)]


def ends_of(row):
    """(laddr, lport, raddr, rport) of an unpacked row, IPv4 as 4 bytes however it is carried."""
    return packed_addr(row, LADDR), row[LPORT], packed_addr(row, RADDR), row[RPORT]


def listed(tup, **where):
    """The state's name in our own listing, or None."""
    found = [row for row in rows(0xFFE & ~(1 << LISTEN), **where) if ends_of(row) == procnet.ends(tup)]
    assert len(found) < 2, found
    return STATE_NAMES[found[0][STATE]] if found else None


def refuses(code, function, *args, **kwargs):
    """It fails with this errno and names the failing step; the exception."""
    with pytest.raises(OSError) as caught:
        function(*args, **kwargs)
    assert caught.value.errno == code, caught.value
    assert caught.value.step
    return caught.value
