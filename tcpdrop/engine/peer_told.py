# SPDX-License-Identifier: BSD-2-Clause
"""Does the peer learn at once that the connection is gone?

Linux sends a reset in some states (seen per state with a packet-level peer;
tcp_abort() and tcp_disconnect(), net/ipv4/tcp.c), and only if there is a way
for it.  illumos sends none: the peer learns it at its next segment.
"""

from __future__ import annotations

from ..errors import Error
from ..model.addresses import is_loopback
from ..model.rows import (
    CLOSE_WAIT,
    CLOSING,
    ESTABLISHED,
    FIN_WAIT1,
    FIN_WAIT2,
    FLAGS,
    INODE,
    LADDR,
    LAST_ACK,
    RADDR,
    ROW,
    ROW_CGROUP,
    ROW_OPTIONS,
    STATE,
    SYN_RECV,
    ends_of,
    is_mini,
    packed_addr,
)
from ..system import kernel, platform
from ..system.kernel import REPAIR
from ..system.lookups import UNBOUND
from ..system.routes import HOME, LEAVES, NO_ADDRESS, NOTHING_KNOWN, UNKNOWN, WaysOut, ways_out
from .methods import DESCRIPTOR, DISCONNECTED

_TELLING = frozenset((ESTABLISHED, CLOSE_WAIT, FIN_WAIT1, FIN_WAIT2))
#: before this kernel what nobody held any more was ended without a word, or not at all
_ORPHANS_TELL = (6, 11)
#: before this one a socket is shown with nothing that a request has not
_SOCKETS_SHOW = (5, 8)

#: connections whose other end is looked up before they are dropped: a millisecond at most
FEW = 256

#: peers of a batch that are looked at only to say that some were not told: to ask for 100,000 ways takes half as long as to drop them
SAMPLE = 1000

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from ..model.rows import Row
    from ..model.table import Batch
    from ..system.kernel import Ends
    from .methods import Way


class Peers:
    """The peers of those connections of a batch that were dropped.

    The kernel is asked when the first answer is wanted, for all of them.
    ways: number -> how it was dropped, where that was not the usual way.
    mirrors: see mirrors_of().
    """

    def __init__(self, batch: Batch, numbers: Sequence[int], ways: Mapping[int, Way], mirrors: AbstractSet[Ends] = frozenset()) -> None:
        self._batch = batch
        self._numbers = numbers
        self._ways = ways
        self._mirrors = mirrors
        self._ways_out: WaysOut | None = None
        #: of all connections of the batch
        self._ends: set[Ends] | None = None

    def told(self, number: int, row: Row) -> bool | None:
        """Was a reset sent to the peer of this one, whose row it is?  None: it cannot be told."""
        sent = sends_reset(row, self._ways.get(number))
        if sent is False:
            return False
        found = self._ask().of(row)
        if found == HOME:
            return sent if self._is_within_host(row) else None
        return None if found == UNKNOWN else sent if found == LEAVES else False

    def _is_within_host(self, row: Row) -> bool:
        """Is the peer certainly here?  Its address may have come to this host since, and then the reset finds nobody."""
        if packed_addr(row, LADDR) == packed_addr(row, RADDR) or any(is_loopback(packed_addr(row, end)) for end in (LADDR, RADDR)):
            return True
        if self._ends is None:
            self._ends = {*map(ends_of, ROW.iter_unpack(self._batch.data())), *self._mirrors}
        return _mirrored(row) in self._ends

    @property
    def is_sample(self) -> bool:
        """Does untold() look at some of them only, spread over all?  Not where all were asked for already."""
        return self._ways_out is None and len(self._numbers) > SAMPLE

    def untold(self) -> Iterator[tuple[str, bytes]]:
        """For each that a reset should have reached and has not: why not, and the address that is behind that."""
        if not platform.TELLS_PEER or not self._numbers:
            return
        numbers, found = self._numbers, self._ways_out
        if self.is_sample:
            numbers = numbers[:: -(-len(numbers) // SAMPLE)]
            found = self._look(numbers)
        found = found or self._ask()
        for number in numbers if found.troubled else ():
            row = self._batch[number]
            if sends_reset(row, self._ways.get(number)) is not False:
                why = found.of(row)
                if why not in (LEAVES, HOME, UNKNOWN):
                    yield why, packed_addr(row, LADDR if why == NO_ADDRESS else RADDR)

    def _ask(self) -> WaysOut:
        if self._ways_out is None:
            self._ways_out = self._look(self._numbers)
        return self._ways_out

    def _look(self, numbers: Sequence[int]) -> WaysOut:
        batch = self._batch.choose(numbers)
        was_open = batch.namespace is None or batch.namespace.is_open
        try:
            return ways_out(batch.data(), batch.scope)
        except Error:  # the namespace has ended, or rtnetlink is forbidden
            return NOTHING_KNOWN
        finally:
            if not was_open:  # the run is over
                batch.close()


def mirrors_of(batch: Batch, numbers: Sequence[int]) -> AbstractSet[Ends]:
    """Of these connections, before they are dropped: the other ends that are sockets of this host, where those are FEW.

    On loopback that is certain without a look.
    """
    rows = [batch[number] for number in numbers] if platform.TELLS_PEER and len(numbers) <= FEW else []
    wanted = [_mirrored(row) for row in rows if not any(is_loopback(packed_addr(row, end)) for end in (LADDR, RADDR))]
    try:
        return {ends_of(row) for row in kernel.look_up_each(wanted, UNBOUND, scope=batch.scope)} if wanted else frozenset()
    except (Error, ValueError):  # then it is not known; of a row that no kernel made, nothing is
        return frozenset()


def _mirrored(row: Row) -> Ends:
    laddr, lport, raddr, rport = ends_of(row)
    return raddr, rport, laddr, lport


def sends_reset(row: Row, way: Way | None) -> bool | None:
    """Does the kernel send one for what is dropped in this state?  None: it cannot be told."""
    if not platform.TELLS_PEER:
        return False
    state = row[STATE]
    by_descriptor = way is not None and way[0] == DESCRIPTOR
    if way == DISCONNECTED[REPAIR]:
        return False
    if by_descriptor and state in (LAST_ACK, CLOSING):
        return None  # only if something was not sent yet, which is not shown
    if state == SYN_RECV:  # a socket (TCP Fast Open) is shown with its options, a mere request has none
        if row[INODE] or row[FLAGS] & (ROW_OPTIONS | ROW_CGROUP):
            return True
        return False if platform.release() >= _SOCKETS_SHOW else None
    if state not in _TELLING:
        return False
    if row[INODE] or state not in (FIN_WAIT1, FIN_WAIT2):
        return True
    if is_mini(row):
        return False
    return True if platform.release() >= _ORPHANS_TELL else None
