# SPDX-License-Identifier: BSD-2-Clause
"""The packed rows of the C module: their layout, the states, a row's ends.

A row is bytes in `_tcpdrop.ROW_FORMAT`; unpacked it is a plain tuple, whose
fields have the names LADDR, RADDR, ... below.  Filters work on these tuples,
and a Connection is made of one only for who asks.
"""

from __future__ import annotations

# The C module itself, here and in what a drop of one loads: a file less to read at each start.
from _struct import Struct, calcsize

from .. import _tcpdrop
from .addresses import unmapped, unpack

ROW = Struct(_tcpdrop.ROW_FORMAT)
INFO = Struct(_tcpdrop.INFO_FORMAT)
ROW_FIELDS = _tcpdrop.ROW_FIELDS.split()
INFO_FIELDS = _tcpdrop.INFO_FIELDS.split()

# Fields of an unpacked row, in the order of ROW_FIELDS (a test compares).
LADDR, RADDR, COOKIE, INODE, CGROUP, CREATED, LPORT, RPORT, FAMILY, STATE = range(10)
TIMER, BACKOFF, IFINDEX, UID, RECVQ, SENDQ, PID, FLAGS, MARK, ZERO = range(10, 20)
# Fields of an unpacked info, in the order of INFO_FIELDS.
BYTES_SENT, BYTES_RECEIVED, LAST_SENT, LAST_RECEIVED, RTT, RETRANS, CC, KNOWN = range(8)

# Bits of FLAGS and of KNOWN (src/rows.h).
ROW_UID, ROW_QUEUES, ROW_MPTCP, ROW_CGROUP, ROW_MARK, ROW_OPTIONS, ROW_TRANSPARENT, ROW_DUAL = 1, 2, 4, 8, 16, 32, 64, 128
INFO_TIMES, INFO_BYTES, INFO_CC, INFO_RETRANS, INFO_OPENED, INFO_RTT = 1, 2, 4, 8, 16, 32

STATE_NAMES = (
    "",
    "ESTABLISHED",
    "SYN_SENT",
    "SYN_RECV",
    "FIN_WAIT1",
    "FIN_WAIT2",
    "TIME_WAIT",
    "CLOSED",
    "CLOSE_WAIT",
    "LAST_ACK",
    "LISTEN",
    "CLOSING",
)
(ESTABLISHED, SYN_SENT, SYN_RECV, FIN_WAIT1, FIN_WAIT2, TIME_WAIT, CLOSED, CLOSE_WAIT, LAST_ACK, LISTEN, CLOSING) = range(1, 12)

ALL_STATES = 0xFFE
#: what `list` and `drop` select when no state is named anywhere
USUAL_STATES = ALL_STATES & ~(1 << LISTEN | 1 << CLOSED | 1 << TIME_WAIT)

_TIME_WAIT_TIMER = 3

#: every state a connection can be in
CONNECTION_STATES = ALL_STATES & ~(1 << LISTEN | 1 << CLOSED)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Row = tuple[Any, ...]
    Info = tuple[Any, ...]


def layout_of(row_format: str, first: int = 0) -> list[tuple[str, int]]:
    """The format and the offset of every field, in the order of their names."""
    found, offset, count = [], first, ""
    for letter in row_format[1:]:
        if letter.isdigit():
            count += letter
            continue
        found.append((count + letter, offset))
        offset += calcsize("=" + count + letter)
        count = ""
    return found


LAYOUT = layout_of(ROW.format)


def reader(*fields: int) -> Struct:
    """What unpacks only these fields, their places ascending, of a packed row."""
    form, at = "=", 0
    for place in fields:
        letters, offset = LAYOUT[place]
        form += f"{offset - at}x{letters}"
        at = offset + calcsize("=" + letters)
    return Struct(f"{form}{ROW.size - at}x")


def packed_addr(row: Row, at: int) -> bytes:
    """The address at LADDR or RADDR: 4 bytes, also when v4-mapped, or 16."""
    return row[at][:4] if row[FAMILY] == 4 else unmapped(row[at])


def ends_of(row: Row) -> tuple[bytes, int, bytes, int]:
    """Local address and port, remote address and port; a v4-mapped address is the IPv4 one."""
    return packed_addr(row, LADDR), row[LPORT], packed_addr(row, RADDR), row[RPORT]


def is_mini(row: Row) -> bool:
    """Is it the small thing that waits out a connection: TIME_WAIT, or FIN_WAIT2 that its program has closed?  Linux."""
    return bool(row[STATE] == TIME_WAIT or (row[STATE] == FIN_WAIT2 and row[TIMER] == _TIME_WAIT_TIMER))


def spelled(row: Row) -> str:
    """The classic spelling: LADDR LPORT RADDR RPORT."""
    return f"{unpack(packed_addr(row, LADDR))} {row[LPORT]} {unpack(packed_addr(row, RADDR))} {row[RPORT]}"


_STATE_ALIASES = {"estab": 1, "synrcvd": 3, "unconn": 7, "close": 7, "listening": 10}
_STATE_NUMBERS = {name.replace("_", "").lower(): number for number, name in enumerate(STATE_NAMES) if number}
_STATE_NUMBERS.update(_STATE_ALIASES)


def state_number(text: str) -> int:
    """The number of a state in any spelling; 0 if it is none."""
    return _STATE_NUMBERS.get(text.replace("-", "").replace("_", "").lower(), 0)
