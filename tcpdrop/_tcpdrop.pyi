# SPDX-License-Identifier: BSD-2-Clause
from collections.abc import Iterator
from typing import final

BACKEND: str
ROW_FORMAT: str
ROW_FIELDS: str
INFO_FORMAT: str
INFO_FIELDS: str

@final
class Table:
    @property
    def stride(self) -> int: ...
    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> bytes: ...
    def __iter__(self) -> Iterator[bytes]: ...
    def tobytes(self) -> bytes: ...

def list_connections(
    states: int,
    program: bytes = b"",
    sport: int = 0,
    dport: int = 0,
    *,
    details: int = 0,
    threads: int = 0,
    scope: int | None = None,
) -> Table: ...
def lookup(laddr: bytes, lport: int, raddr: bytes, rport: int, *, ifindex: int = 0, scope: int | None = None) -> bytes: ...
def abort(laddr: bytes, lport: int, raddr: bytes, rport: int, *, ifindex: int = 0, cookie: int = 0, scope: int | None = None) -> None: ...
def abort_descriptor(fd: int, laddr: bytes, lport: int, raddr: bytes, rport: int, *, cookie: int = 0) -> None: ...
def abort_held(
    pid: int,
    fd: int,
    laddr: bytes,
    lport: int,
    raddr: bytes,
    rport: int,
    *,
    cookie: int,
    inode: int,
    ifindex: int = 0,
    dry_run: bool = False,
    scope: int | None = None,
) -> bool: ...
def mptcp_sockets(scope: int | None = None) -> Table: ...
def socket_of(pid: int, fd: int, /) -> bytes: ...
def abort_rows(table: Table, indices: bytes, *, threads: int = 0, scope: int | None = None) -> bytes: ...
def interfaces(scope: int | None = None) -> dict[bytes, int]: ...
def probe(scope: int | None = None) -> None: ...
