# SPDX-License-Identifier: BSD-2-Clause
"""Endpoint and Connection: what people hold in their hands, over one unpacked row."""

from __future__ import annotations

from .addresses import spelled_bytes, unpack
from .rows import (
    BYTES_RECEIVED,
    BYTES_SENT,
    CC,
    COOKIE,
    CREATED,
    FAMILY,
    FLAGS,
    IFINDEX,
    INFO_BYTES,
    INFO_CC,
    INFO_RETRANS,
    INFO_RTT,
    INFO_TIMES,
    INODE,
    KNOWN,
    LADDR,
    LAST_RECEIVED,
    LAST_SENT,
    LPORT,
    PID,
    RADDR,
    RECVQ,
    RETRANS,
    ROW_QUEUES,
    ROW_UID,
    RPORT,
    RTT,
    SENDQ,
    STATE,
    STATE_NAMES,
    UID,
    ends_of,
    packed_addr,
    spelled,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .rows import Info, Row
    from .states import State


class Endpoint(tuple):  # type: ignore[type-arg]
    """One end of a connection: (addr, port), addr as canonical text, a v4-mapped one as IPv4."""

    __slots__ = ()

    def __new__(cls, addr: str, port: int) -> Endpoint:
        return tuple.__new__(cls, (addr, port))

    def __getnewargs__(self) -> tuple[str, int]:
        return (self[0], self[1])

    @property
    def addr(self) -> str:
        return self[0]  # type: ignore[no-any-return]

    @property
    def port(self) -> int:
        return self[1]  # type: ignore[no-any-return]

    def __str__(self) -> str:
        return f"[{self[0]}]:{self[1]}" if ":" in self[0] else f"{self[0]}:{self[1]}"

    def __repr__(self) -> str:
        return f"Endpoint(addr={self[0]!r}, port={self[1]})"


class Owner:
    """Who holds a socket: pids None is unknown, () is nobody.

    unread: processes that could not be read, and may hold it as well; None: others may, who do not show.
    """

    __slots__ = ("pids", "process", "unread")

    def __init__(self, pids: tuple[int, ...] | None = None, process: str | None = None, unread: tuple[int, ...] | None = None) -> None:
        self.pids = pids
        self.process = process
        self.unread = unread


_UNKNOWN_OWNER = Owner()


class Connection:
    """One TCP socket as the kernel showed it at one moment.  Immutable; None is unknown.

    Equal when the same socket in the same place was seen: same cookie (where
    there is one), tuple and network namespace, whatever its state or queues.
    """

    # Properties keep these from being changed.  A __setattr__ that refuses
    # would cost more than the rest of making one, for each of 100,000 rows.
    __slots__ = ("_info", "_netns", "_owner", "_row", "_zone")

    def __init__(
        self,
        row: Row,
        info: Info | None = None,
        *,
        netns: str | None = None,
        zone: int | None = None,
        owner: Owner = _UNKNOWN_OWNER,
    ) -> None:
        self._row = row
        self._info = info
        self._netns = netns
        self._zone = zone
        self._owner = owner

    @property
    def netns(self) -> str | None:
        """The network namespace that was asked for, as it was named; None: the caller's own."""
        return self._netns

    @property
    def zone(self) -> int | None:
        return self._zone

    @property
    def owner(self) -> Owner:
        return self._owner

    # ---- identity

    def _key(self) -> tuple[object, ...]:
        row = self._row
        return (row[COOKIE], *ends_of(row), row[IFINDEX], self.netns, self.zone)

    def __eq__(self, other: object) -> bool:
        return self._key() == other._key() if isinstance(other, Connection) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._key())

    def __reduce__(self) -> tuple[object, ...]:
        owner = self.owner
        return _rebuild, (self._row, self._info, self.netns, self.zone, owner.pids, owner.process, owner.unread)

    def __str__(self) -> str:
        """The classic spelling: LADDR LPORT RADDR RPORT."""
        return spelled(self._row)

    def __repr__(self) -> str:
        return f"<Connection {self.local} {self.remote} {self.state_name}>"

    # ---- what the row says

    @property
    def local(self) -> Endpoint:
        return Endpoint(unpack(packed_addr(self._row, LADDR)), self._row[LPORT])

    @property
    def remote(self) -> Endpoint:
        return Endpoint(unpack(packed_addr(self._row, RADDR)), self._row[RPORT])

    @property
    def state(self) -> State:
        from .states import State  # an enumeration: importing enum costs more than a drop

        return State(self._row[STATE])

    @property
    def state_name(self) -> str:
        """The state's name, without the cost of the enumeration."""
        return STATE_NAMES[self._row[STATE]]

    @property
    def family(self) -> str:
        """'inet' or 'inet6': what is on the wire."""
        return "inet" if len(packed_addr(self._row, LADDR)) == 4 else "inet6"

    @property
    def mapped(self) -> bool:
        """Is it IPv4 carried by an IPv6 socket?"""
        return bool(self._row[FAMILY] == 6) and self.family == "inet"

    @property
    def cookie(self) -> str | None:
        """The kernel's identity of the socket, opaque; unique until reboot."""
        return f"{self._row[COOKIE]:x}" if self._row[COOKIE] else None

    @property
    def inode(self) -> int | None:
        """None: no process holds it (TIME_WAIT, an orphan, not yet accepted)."""
        return self._row[INODE] or None

    @property
    def uid(self) -> int | None:
        return self._row[UID] if self._row[FLAGS] & ROW_UID else None

    @property
    def ifindex(self) -> int | None:
        """The interface it is bound to."""
        return self._row[IFINDEX] or None

    @property
    def recvq(self) -> int | None:
        """Bytes the application has not read (LISTEN: connections waiting)."""
        return self._row[RECVQ] if self._row[FLAGS] & ROW_QUEUES else None

    @property
    def sendq(self) -> int | None:
        """Bytes the peer has not acknowledged (LISTEN: the backlog)."""
        return self._row[SENDQ] if self._row[FLAGS] & ROW_QUEUES else None

    @property
    def pids(self) -> tuple[int, ...] | None:
        if self._row[PID]:
            return (self._row[PID],)
        return self.owner.pids

    @property
    def pids_kind(self) -> str | None:
        """'holder' (Linux: who has a descriptor) or 'creator' (illumos)."""
        if self._row[PID]:
            return "creator"
        return None if self.owner.pids is None else "holder"

    @property
    def process(self) -> str | None:
        """The name of the holding process; bytes that are not UTF-8 as in 'caf\\udce9', which a filter reads so, too."""
        name = self.owner.process
        return name if name is None or name.isascii() else spelled_bytes(name)

    # ---- what only details=True fetches

    def _known(self, bit: int) -> Info | None:
        return self._info if self._info is not None and self._info[KNOWN] & bit else None

    @property
    def idle_ms(self) -> int | None:
        """Since data last moved, either way."""
        info = self._known(INFO_TIMES)
        return None if info is None else min(info[LAST_SENT], info[LAST_RECEIVED])

    @property
    def age_ms(self) -> int | None:
        """On illumos as old as it is now; on Linux, which keeps no creation time, at least this old, since data last moved."""
        if self._row[CREATED]:
            from . import sunos_clock as clock  # where there are creation times

            return clock.age_ms(self._row[CREATED], clock.now())
        info = self._known(INFO_TIMES)
        return None if info is None else max(info[LAST_SENT], info[LAST_RECEIVED])

    @property
    def rtt_us(self) -> int | None:
        info = self._known(INFO_RTT)
        return None if info is None else info[RTT]

    @property
    def retrans(self) -> int | None:
        """Segments sent again in its whole life."""
        info = self._known(INFO_RETRANS)
        return None if info is None else info[RETRANS]

    @property
    def bytes_sent(self) -> int | None:
        info = self._known(INFO_BYTES)
        return None if info is None else info[BYTES_SENT]

    @property
    def bytes_received(self) -> int | None:
        info = self._known(INFO_BYTES)
        return None if info is None else info[BYTES_RECEIVED]

    @property
    def cc(self) -> str | None:
        """The congestion control's name."""
        info = self._known(INFO_CC)
        return None if info is None else info[CC].rstrip(b"\0").decode("ascii", "replace")

    def as_dict(self) -> dict[str, object]:
        """The connection under the keys of JSON schema 1; the same on every system."""
        pids = self.pids
        return {
            "family": self.family,
            "mapped": self.mapped,
            "local_addr": self.local.addr,
            "local_port": self.local.port,
            "remote_addr": self.remote.addr,
            "remote_port": self.remote.port,
            "state": self.state_name or None,
            "pids": None if pids is None else list(pids),
            **{key: getattr(self, key) for key in _PLAIN_KEYS},
        }


_PLAIN_KEYS = (
    *("pids_kind", "process", "uid", "inode", "cookie", "ifindex", "netns", "zone", "recvq", "sendq"),
    *("idle_ms", "age_ms", "rtt_us", "retrans", "bytes_sent", "bytes_received", "cc"),
)


def _rebuild(
    row: Row,
    info: Info | None,
    netns: str | None,
    zone: int | None,
    pids: tuple[int, ...] | None,
    process: str | None,
    unread: tuple[int, ...] | None,
) -> Connection:
    return Connection(row, info, netns=netns, zone=zone, owner=Owner(pids, process, unread))


#: every key of as_dict(), in order
JSON_KEYS = (
    *("family", "mapped", "local_addr", "local_port", "remote_addr", "remote_port", "state", "pids"),
    *_PLAIN_KEYS,
)
