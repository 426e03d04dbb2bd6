# SPDX-License-Identifier: BSD-2-Clause
"""The operator's own session: what must not be cut because one sits on it.

sshd drops the variable SSH_CONNECTION on the way through sudo, and a session
may have none, so the sockets themselves are looked for: those that strict
ancestors of this process hold, up to PID 1.  Never this process's own, which a
program may drop, but for its standard streams: those it was given, as inetd
gives them, and who gave them reads what it says.  On loopback the other end kills a session as well, so
a tuple protects its mirror.

Processes that are no ancestors carry it too:

- Who holds the other end, on this host, of a connection that carries it: the
  client of `ssh localhost`, a port forward, a jump, a proxy.  What carries that
  process carries us, and so on until nothing new is found: carriers.py.
- The login service of our own audit session, or of our own session-N.scope: a
  process that has detached itself (setsid, nohup, Ansible's async) has PID 1 for
  a parent and keeps both.  pam_loginuid(8), logind's scopes.  But not at a
  terminal, which tmux may have kept from a login of one to another.
"""

from __future__ import annotations

import os
import stat
from time import monotonic

from ..errors import Error
from ..model.four_tuple import FourTuple, pack_whole, split_dev
from ..model.rows import INODE, LPORT, ROW, USUAL_STATES, ends_of, reader
from ..system import kernel, platform, procfs
from ..system.lookups import Lookups

#: seconds; what processes above us hold was seen so long ago at most when one connection is dropped
FRESH = 0.1

#: variables of terminals that outlive the login in which they were opened
MULTIPLEXERS = ("TMUX", "STY", "ZELLIJ", "ABDUCO_SESSION")

#: their processes, as the kernel names them: whoever is attached may have come by another login
SERVERS = ("tmux: server", "screen", "SCREEN", "zellij", "abduco", "dtach")

#: what a process was given, and has not opened
STANDARD = (0, 1, 2)

#: sockets; above this number one listing costs less than to ask for each
MANY = 256

#: the inode of a packed row
_INODES = reader(INODE)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ..model.rows import Row


def ancestors() -> Iterator[int]:
    """Our ancestors' pids, nearest first, as far as they can be seen."""
    return line_of(os.getppid())


def line_of(pid: int) -> Iterator[int]:
    """A process and its ancestors, as far as they can be seen."""
    while pid > 0:
        yield pid
        try:
            pid = procfs.parent_of(pid)
        except OSError:
            return


class OwnSession:
    """What certainly carries the caller's session."""

    def __init__(self) -> None:
        #: socket inode -> (pid of the ancestor that holds it, its descriptor)
        self.holders: dict[int, tuple[int, int]] = {}
        #: four-tuples that SSH_CONNECTION names, as the server has them
        self.tuples: set[tuple[bytes, int, bytes, int]] = set()
        #: ancestors below PID 1 whose descriptors could not be read
        self.unreadable: list[int] = []
        #: why somebody who carries the session, on this host, cannot be seen; "" when nothing says that there is one
        self.carrier_unseen = ""
        #: the same of who hands it on from one connection to another: any may carry it
        self.relay_unseen = ""
        #: of connections that carry the session, those whose other end was not found
        self.unmet: list[tuple[bytes, int, bytes, int]] = []
        #: the network namespaces that rows() looks at where it cannot ask descriptors
        self.scopes: list[int | None] = [None]
        #: rows() had to look at those, and only there
        self.dumped = False
        self._add_variable(os.environb.get(b"SSH_CONNECTION"))
        self._added: set[int] = set()
        #: what was asked of the descriptors already
        self._rows: dict[int, Row | None] = {}
        #: those that were noted as somebody's parent
        self.above: set[int] = {os.getppid()}
        self._carriers: set[int] = set()
        self.add(os.getppid())
        if not platform.HELD_BY_ENDS:
            self._add_streams()
        #: our ancestors, and the login services of our own login: not who is at the other end of what they hold
        self.line: set[int] = set(self.above)

    @property
    def unseen(self) -> str:
        """Why something that carries the session is not known; "" when nothing says so."""
        return self.relay_unseen or self.carrier_unseen

    def add(self, pid: int) -> None:
        """Note a process that the session hangs on, and its ancestors up to PID 1."""
        while pid > 0 and pid not in self._added:
            self._added.add(pid)
            pid = self._add_process(pid)
            self.above.add(pid)

    def _add_streams(self) -> None:
        """Note which of our own standard streams is a socket."""
        for fd in STANDARD:
            try:
                status = os.fstat(fd)
            except OSError:
                continue  # it is closed
            if stat.S_ISSOCK(status.st_mode):
                self.holders.setdefault(status.st_ino, (os.getpid(), fd))

    def add_carrier(self, pid: int) -> None:
        """The same for one that is no ancestor of ours, and may be a container's first process."""
        self._carriers.add(pid)
        self.add(pid)

    def held_by(self, pid: int) -> list[tuple[int, Row]]:
        """The same as held() for a process that was noted, without what others hold that were noted before."""
        return self._held({inode: found for inode, found in self.holders.items() if found[0] == pid})

    def _add_process(self, pid: int) -> int:
        """Note what the process holds and its SSH_CONNECTION names; its parent's pid."""
        try:
            found = procfs.process(pid, b"SSH_CONNECTION")
        except OSError:
            if pid != 1:  # below it stands the session, if there is one
                self.unreadable.append(pid)
            return 0
        for inode, fd in found.sockets.items():
            self.holders.setdefault(inode, (pid, fd))
        self._add_variable(found.value)
        if not found.complete and pid != 1:
            self.unreadable.append(pid)
        return found.parent

    def _add_variable(self, value: bytes | None) -> None:
        """SSH_CONNECTION: client address, client port, server address, server port.  ssh(1)."""
        if value is None:
            return
        try:
            client, client_port, server, server_port = value.decode("ascii").split()
            self.tuples.add((_pack(server), int(server_port), _pack(client), int(client_port)))
        except ValueError:
            pass  # not written by sshd: then it names no connection

    def holder(self, inode: int) -> str | None:
        """'pid 812 sshd' when an ancestor holds this socket."""
        if not inode or inode not in self.holders:
            return None
        return procfs.named(self.holders[inode][0])

    def rows(self) -> list[tuple[Row, str]]:
        """Each TCP connection that an ancestor holds, and by whom."""
        return [(row, self.holder(inode) or "") for inode, row in self.held()]

    def held(self) -> list[tuple[int, Row]]:
        """The socket's inode and its row, for each TCP connection that an ancestor holds.

        Asked of the descriptors themselves, which does not depend on the number
        of connections; where they cannot be borrowed, of a whole dump.
        """
        return self._held(self.holders)

    def _held(self, some: dict[int, tuple[int, int]]) -> list[tuple[int, Row]]:
        if len(some) > MANY:
            return self._held_by_dump(some)
        found = []
        for inode, (pid, fd) in some.items():
            if pid == 1 and pid not in self._carriers:
                continue  # it holds what it listens on
            if inode not in self._rows:
                if not 0 <= fd < 1 << 31:  # another thread's own: none to borrow
                    return self._held_by_dump(some)
                try:
                    self._rows[inode] = kernel.socket_of(pid, fd)
                except Error:
                    return self._held_by_dump(some)
            row = self._rows[inode]
            if row is not None:
                found.append((inode, row))
        return found

    def _held_by_dump(self, some: dict[int, tuple[int, int]]) -> list[tuple[int, Row]]:
        self.dumped = True
        rows = []
        for scope in self.scopes:
            table = kernel.list_connections(USUAL_STATES, scope=scope)
            numbers = [number for number, (inode,) in enumerate(_INODES.iter_unpack(table.tobytes())) if inode in some]
            rows += [ROW.unpack(table[number]) for number in numbers]
        return [(row[INODE], row) for row in rows]

    def names(self, laddr: bytes, lport: int, raddr: bytes, rport: int) -> bool:
        """Does SSH_CONNECTION name this tuple, or its mirror?"""
        return (laddr, lport, raddr, rport) in self.tuples or (raddr, rport, laddr, lport) in self.tuples


def found_for_us(lookups: Lookups | None = None) -> OwnSession:
    """The caller's session with everything that carries it.

    lookups: those that the caller has; of another network namespace, it is looked there too.
    """
    own = OwnSession()
    if _is_apart():
        _add_mates(own)
    if lookups is None or lookups.scope is None:
        follow_mirrors(own, [lookups or Lookups()])
    else:
        follow_mirrors(own, [Lookups(), lookups])
    return own


def follow_mirrors(own: OwnSession, where: Sequence[Lookups]) -> None:
    """To a fixed point: who holds the other end of one of these connections is an ancestor as well.

    where: the network namespaces in which that end may be.
    """
    followed: set[object] = set()
    own.scopes = [lookups.scope for lookups in where]
    own.unmet = []
    while True:
        mirrors = {inode for ends in _ends_to_follow(own, followed) for inode in _mirrors_of(ends, own, where)}
        mirrors -= own.holders.keys()
        if not mirrors:
            break
        from .carriers import add_holders  # only where a login comes from this very host

        add_holders(own, mirrors, own.scopes)
        for inode in mirrors:
            own.holders.pop(inode, None)  # protected already, as the other end of an ancestor's


def _ends_to_follow(own: OwnSession, followed: set[object]) -> list[tuple[bytes, int, bytes, int]]:
    """The connections that were not followed yet: those held, and those named where holders cannot be read."""
    found = {inode: ends_of(row) for inode, row in own.held() if inode not in followed}
    named = [ends for ends in own.tuples if ends not in followed] if own.unreadable else []
    followed.update(found, named)
    return [*found.values(), *named]


def _mirrors_of(ends: tuple[bytes, int, bytes, int], own: OwnSession, where: Sequence[Lookups]) -> list[int]:
    """The inodes of the connection's other end, whatever interface that is bound to; those of sockets that somebody holds."""
    try:
        mirror = FourTuple(*ends).mirror()
        rows = [row for lookups in where for row in lookups.rows(mirror)]
    except ValueError:  # a listener's, say
        return []
    if not rows:
        own.unmet.append(ends)
    return [row[INODE] for row in rows if row[INODE]]


def multiplexer() -> str:
    """The variable that says that this process was started in tmux, screen or the like; "" for none."""
    return next((name for name in MULTIPLEXERS if os.environ.get(name)), "")


def _is_apart() -> bool:
    """Has this process left every terminal?  Else somebody else may be at it, who came by another login: as in tmux."""
    try:
        return not procfs.have_terminal() and not multiplexer()
    except OSError:
        return False


def came_by(own: OwnSession, is_login: Callable[[str], bool]) -> list[Row]:
    """The connections by which we certainly came: what a login service above us has accepted, or who gave us our terminal.

    What another ancestor has opened or accepted, a job that asks a database or a server that was started in
    tmux, is no login; nor is that of who is connected to such a one from this very host.
    """
    mine = {inode: pid for inode, (pid, _) in own.holders.items() if pid in own.line and pid != 1}
    held = [(inode, row) for inode, row in own.held() if inode in mine] if mine else []
    listening = kernel.listening_ports() if held else set()
    found = []
    for inode, row in held:
        try:
            if row[LPORT] in listening and (is_login(procfs.command_of(mine[inode])) or _gave_terminal(mine[inode])):
                found.append(row)
        except OSError:
            continue  # it has ended
    return found


def _gave_terminal(pid: int) -> bool:
    """Stands this ancestor between us and what has started our terminal, and no multiplexer with it?"""
    ours = procfs.terminal_of("self")
    if not ours or multiplexer() or procfs.terminal_of(pid) == ours:
        return False
    return not any(procfs.command_of(one) in SERVERS for one in ancestors())


def _add_mates(own: OwnSession) -> None:
    """The login services of our own audit session and session scope, unless we see by which one we came."""
    audit, scope = procfs.audit_session("self"), procfs.session_scope("self")
    if audit is None and scope is None:
        return
    from .login_services import is_login_service  # only for who has detached himself

    if came_by(own, is_login_service):
        return
    if procfs.some_are_hidden():  # hidepid, or another PID namespace than the login's
        own.carrier_unseen = "the login of your audit session or session scope cannot be seen"
    for pid in procfs.all_pids():
        try:
            name = procfs.command_of(pid)
        except OSError:
            continue  # it has ended
        if name not in SERVERS and not is_login_service(name):
            continue
        if not ((audit is not None and procfs.audit_session(pid) == audit) or (scope is not None and procfs.session_scope(pid) == scope)):
            continue
        if name in SERVERS:  # the variable that says so is lost behind `su -`
            own.carrier_unseen = "a terminal multiplexer runs in your audit session, to which anybody may be attached"
        else:
            own.line.add(pid)
            own.add(pid)


#: when the caller's session was looked at last, for whom, and what was found
_latest: tuple[float, object, OwnSession] | None = None


def own(lookups: Lookups | None = None) -> OwnSession:
    """The caller's session as it was FRESH seconds ago at most: for drops one by one, in a row.

    A drop of many looks once too, and takes longer than that.
    """
    global _latest
    where = 0 if lookups is None else lookups.namespace()
    whose = (os.getpid(), os.getppid(), os.environ.get("SSH_CONNECTION"), where)
    latest = _latest
    if latest is None or latest[1] != whose or not 0 <= monotonic() - latest[0] < FRESH:
        began = monotonic()
        latest = _latest = (began, whose, found_for_us(lookups))
    return latest[2]


def _pack(text: str) -> bytes:
    return pack_whole(split_dev(text)[0])
