# SPDX-License-Identifier: BSD-2-Clause
"""The door to the C module: every question to the kernel goes through here, and every failure comes back as our Error.

Addresses, programs and rows are bytes, ports and indices ints.  `ends` is a
four-tuple as rows.ends_of() makes it; `scope` a network namespace's descriptor
or, to abort, a zone's id, and None is the caller's own.  ValueError is raised
for ends that can name no connection, before anything is opened.
"""

from __future__ import annotations

import errno
import os
from _struct import iter_unpack, pack, unpack

from .. import _tcpdrop
from ..errors import Error, NotFound, NotPermitted, NotSupported, Refused
from ..model.rows import COOKIE, IFINDEX, LISTEN, LPORT, ROW, ends_of, is_mini, spelled
from . import platform

_UNSUPPORTED = {
    errno.EOPNOTSUPP,
    getattr(errno, "ENOTSUP", errno.EOPNOTSUPP),
    errno.EPROTONOSUPPORT,
    errno.EAFNOSUPPORT,
    errno.ENOSYS,
}

#: what only the abort itself is refused with
_AT_THE_ABORT = (errno.EPERM, errno.EOPNOTSUPP, errno.EINVAL)

#: what would help against these
NO_DESCRIPTORS = {errno.EMFILE: "a higher ulimit -n helps", errno.ENFILE: "a higher sysctl fs.file-max helps"}

#: before this one no socket that waits a connection out was dropped
_ENDS_MINI = (6, 0)

#: not every system has this number
_TWO_HAVE_IT = getattr(errno, "ENOTUNIQ", -1)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import TypeVar, Union

    from typing_extensions import CapsuleType

    from .._tcpdrop import Table as Table
    from ..model.rows import Row

    Ends = tuple[bytes, int, bytes, int]
    #: a scope, or what converse() gave
    Where = Union[int, CapsuleType, None]
    T = TypeVar("T")


def from_os_error(error: OSError, what: str = "") -> Error:
    """What the C module raised, as one of ours."""
    step = getattr(error, "step", "")
    number = error.errno
    if number == errno.ENOENT:
        return NotFound("not found", errno=number, what=what, step=step)
    if number == _TWO_HAVE_IT:
        hint = "link-local on two interfaces, which this kernel does not tell apart: dropping one could hit the other"
        return Refused("two connections have this tuple", errno=number, what=what, step=step, hint=hint)
    if number in (errno.EMFILE, errno.ENFILE):  # nor can a file of ours be opened
        return Error(
            f"{step}: {error.strerror}" if step else os.strerror(number), errno=number, what=what, step=step, hint=NO_DESCRIPTORS[number]
        )
    from .refusals import cause, refused  # only what was refused needs words

    if number in (errno.EPERM, errno.EACCES):
        text = "cannot enter the network namespace: not permitted" if step == "setns" else "not permitted"
        return NotPermitted(text, errno=number, what=what, step=step, hint=refused(step, number))
    if number in _UNSUPPORTED:
        return NotSupported("not supported", errno=number, what=what, step=step, hint=refused(step, number))
    text = f"{step}: {error.strerror}" if step else str(error.strerror)
    return Error(text, errno=number, what=what, step=step, hint=cause(step, number))


def said_of(row: Row, error: Error) -> Error:
    """The refusal to drop this one: an older kernel drops no mini socket, and else it can.  tcp_abort()"""
    if (
        error.errno == errno.EOPNOTSUPP
        and error.step != "mptcp"
        and is_mini(row)
        and not platform.QUEUED
        and platform.release() < _ENDS_MINI
    ):
        error.hint = "Linux drops what is in TIME_WAIT, or in FIN_WAIT2 and closed, since 6.0"
    return error


def error_of(number: int, what: str) -> Error:
    """What an errno from abort_rows() means."""
    error = OSError(number, os.strerror(number))
    if number in _AT_THE_ABORT:
        error.step = platform.ABORT  # type: ignore[attr-defined]
    return from_os_error(error, what)


def _ask(what: object, call: Callable[..., T], *arguments: object, **options: object) -> T:
    try:
        return call(*arguments, **options)
    except OSError as error:
        raise from_os_error(error, str(what)) from None  # only what failed is put into words


# ---- what is there

#: tcp_info behind each row; and who opened what has data under way, which takes further looks
WITH_INFO, WITH_OPENERS = 1, 2


def list_connections(
    states: int,
    program: bytes = b"",
    sport: int = 0,
    dport: int = 0,
    *,
    details: int = 0,
    threads: int = 0,
    scope: int | None = None,
) -> Table:
    """The sockets in these states (a bit each) that the program and the ports let pass, with tcp_info if asked for (WITH_INFO)."""
    try:
        return _ask("", _tcpdrop.list_connections, states, program, sport, dport, details=details, threads=threads, scope=scope)
    except NotFound as error:  # the family's module is not there
        from .refusals import refused

        why = refused(error.step, error.errno)
        raise NotSupported("connections cannot be listed", errno=error.errno, step=error.step, hint=why) from None


def listeners(scope: int | None = None) -> Iterator[Row]:
    """Every listening socket."""
    return ROW.iter_unpack(list_connections(1 << LISTEN, scope=scope).tobytes())


def listening_ports(scope: int | None = None) -> set[int]:
    return {row[LPORT] for row in listeners(scope)}


def look_up(ends: Ends, *, ifindex: int = 0, scope: int | None = None, what: object = "") -> Row | None:
    """The connection with these ends; None when there is none."""
    try:
        return ROW.unpack(_ask(what, _tcpdrop.lookup, *ends, ifindex=ifindex, scope=scope))
    except NotFound:
        return None


def converse(scope: int | None = None) -> CapsuleType:
    """What look_up_each() and abort() take as their scope, to share a socket until end(); for one thread alone."""
    return _tcpdrop.converse(scope)


def end(conversation: CapsuleType) -> None:
    _tcpdrop.end(conversation)


def look_up_each(tuples: Sequence[Ends], indices: bytes, *, scope: Where = None, what: object = "") -> Iterator[Row]:
    """The connections with these ends, each asked for with each of these interfaces' indices (native uint32, packed; 0 is none)."""
    try:
        return ROW.iter_unpack(_tcpdrop.lookup_each(tuples, indices, scope=scope))
    except OSError as error:
        raise from_os_error(error, str(what)) from None


def still_there(row: Row, scope: int | None = None) -> Row | None:
    """This very socket as it is now; None when its ends are another's by now, or nobody's.

    Raises Error when it cannot be looked up: that is not gone.
    """
    try:
        now = look_up(ends_of(row), ifindex=row[IFINDEX], scope=scope)
    except Error as error:
        error.what = spelled(row)
        raise
    except ValueError:  # a row that no kernel made
        return None
    return now if now is not None and now[COOKIE] == row[COOKIE] else None


def mptcp_sockets(scope: int | None = None) -> list[Row] | None:
    """The MPTCP sockets, whose subflows a listing shows; None when there are some that cannot be listed."""
    try:
        return list(ROW.iter_unpack(_ask("", _tcpdrop.mptcp_sockets, scope).tobytes()))
    except NotFound:  # mptcp_diag is not there
        return None


def interfaces(scope: int | None = None, *, what: object = "") -> dict[bytes, int]:
    """Name -> index of every interface, and of its other names behind its own."""
    return _ask(what, _tcpdrop.interfaces, scope)


def ifindices(scope: int | None = None, *, what: object = "") -> bytes:
    """Their indices alone, packed as look_up_each() takes them (Linux): much faster."""
    try:
        return _tcpdrop.ifindices(scope)
    except OSError as error:
        raise from_os_error(error, str(what)) from None


# ---- the way out

LINK_UP, LINK_LOOPBACK = 1, 2
#: what policy rules look at beside the destination; OTHER is what no row shows
RULE_SOURCE, RULE_MARK, RULE_UID, RULE_PORTS, RULE_OTHER = 1, 2, 4, 8, 16


def routes(rows: bytes, scope: int | None = None) -> list[tuple[int, int]]:
    """For a packet of each packed row: (0, index of the device it leaves by), or (errno, 0) where there is no way."""
    return list(iter_unpack("II", _ask("", _tcpdrop.routes, rows, scope)))


def links(devices: Sequence[int], scope: int | None = None) -> list[tuple[int, int, int]]:
    """For each device: (errno or 0, LINK_UP with a carrier | LINK_LOOPBACK, index of the device it is a port of or 0)."""
    return list(iter_unpack("III", _ask("", _tcpdrop.links, pack(f"{len(devices)}I", *devices), scope)))


def rules(scope: int | None = None) -> tuple[int, int]:
    """What the policy rules look at (RULE_SOURCE, ...), IPv4's and IPv6's."""
    return _ask("", _tcpdrop.rules, scope)


# ---- ending it


def probe(scope: int | None = None) -> None:
    """Return if this kernel drops connections at all; it names none that could exist."""
    _ask("", _tcpdrop.probe, scope)


def abort(ends: Ends, *, ifindex: int = 0, cookie: int = 0, scope: Where = None, what: object = "") -> None:
    """Drop the connection with these ends, and with a cookie only that very socket."""
    try:
        _tcpdrop.abort(*ends, ifindex=ifindex, cookie=cookie, scope=scope)
    except OSError as error:
        raise from_os_error(error, str(what)) from None


def abort_row(row: Row, scope: int | None = None) -> int:
    """Look up, compare, drop this one socket: its errno, 0 for dropped."""
    try:
        abort(ends_of(row), ifindex=row[IFINDEX], cookie=row[COOKIE], scope=scope)
    except Error as error:
        return error.errno or errno.EIO
    except ValueError:  # a row that no kernel made
        return errno.EINVAL
    return 0


def abort_rows(table: Table, numbers: Sequence[int], *, threads: int = 0, scope: int | None = None) -> Sequence[int]:
    """Drop these rows of a table: the errno of each, 0 for dropped."""
    packed = pack(f"{len(numbers)}I", *numbers)
    return unpack(f"{len(numbers)}i", _ask("", _tcpdrop.abort_rows, table, packed, threads=threads, scope=scope))


def abort_own(fd: int, ends: Ends, *, what: object = "") -> None:
    """Drop the connection that a descriptor of our own is."""
    _ask(what, _tcpdrop.abort_descriptor, fd, *ends)


#: what abort_held() found
TCP, MPTCP, REPAIR = range(3)


def abort_held(
    pid: int, fd: int, ends: Ends, *, cookie: int, inode: int, ifindex: int = 0, dry_run: bool = False, scope: int | None = None
) -> int:
    """Drop exactly this socket through another process's descriptor; it was TCP, MPTCP, or TCP in REPAIR."""
    options = {"ifindex": ifindex, "dry_run": dry_run, "scope": scope}
    return _ask("", _tcpdrop.abort_held, pid, fd, *ends, cookie=cookie, inode=inode, **options)


# ---- what processes tell


def socket_of(pid: int, fd: int) -> Row | None:
    """The connection that a descriptor of this process is; None when it is none, or closed, or the process gone."""
    try:
        return ROW.unpack(_ask("", _tcpdrop.socket_of, pid, fd))
    except Error as error:
        if error.errno in (errno.ENOENT, errno.ESRCH):
            return None
        raise


def pipe_is_cut(pid: int, fd: int, inode: int) -> bool:
    """Has certainly nobody the other end of this pipe that a descriptor of a process is?"""
    try:
        return _tcpdrop.pipe_is_cut(pid, fd, inode)
    except OSError:  # it is another file by now, or it may not be borrowed: then somebody may
        return False


def process(pid: int, variable: bytes) -> tuple[int, bytes | int, bytes | int | None]:
    """A process's parent, its packed sockets and a variable of its environment; an int is why one could not be read."""
    return _ask("", _tcpdrop.process, pid, variable)


def thread_tables(pid: int) -> Sequence[int]:
    """Threads of a process that have, or may have, a table of descriptors of their own."""
    try:
        packed = _tcpdrop.thread_tables(pid)
    except OSError as error:
        if error.errno in _UNSUPPORTED or error.errno in (errno.ENOENT, errno.ESRCH):
            return ()
        raise
    return memoryview(packed).cast("i").tolist() if packed else ()


def unix_sockets(scope: int | None = None) -> list[tuple[int, int, bool]]:
    """Each connected UNIX socket made in this namespace: its inode, that of its peer, and whether it has a name."""
    packed = _ask("", _tcpdrop.unix_sockets, scope)
    return [(inode, peer, bool(named)) for inode, peer, named in iter_unpack("III", packed)]


# ---- files


def is_absent(path: str) -> bool:
    """Has certainly nothing this name?"""
    return _tcpdrop.is_absent(path)


def is_fifo(path: str) -> bool | None:
    """Is it a pipe or a FIFO?  None: it cannot be told.  Its file system is not asked, and may be dead."""
    try:
        return _tcpdrop.is_fifo(path)
    except OSError:
        return None


# ---- text


def classic_lines(rows: bytes, ending: bytes = b"") -> bytes:
    """LADDR LPORT RADDR RPORT and the ending for each packed row."""
    return _tcpdrop.classic_lines(rows, ending)
