# SPDX-License-Identifier: BSD-2-Clause
"""The second way to drop: through a descriptor of a process that holds the socket.

For what SOCK_DESTROY cannot do: a kernel built without it, a user without the
right, MPTCP.  A process that may be inspected (ptrace(2)) lends its descriptor;
the C module duplicates it, sees that it is the very socket that was selected,
and disconnects it.  /proc is read once for all connections, and each is tried
as soon as its holder is seen: the less time between, the fewer have moved.
"""

from __future__ import annotations

import errno
import os

from .. import _tcpdrop
from ..errors import Error, NotFound, NotPermitted, NotSupported
from ..model.rows import COOKIE, IFINDEX, INODE, LADDR, LPORT, RADDR, ROW, RPORT, packed_addr
from ..system import procfs
from ..system.kernel import MPTCP, from_os_error

#: how often /proc is read for sockets whose descriptors move meanwhile
LOOKS = 3

#: what the program that holds the connection gets from this way, by what abort_held() found: TCP, MPTCP,
#: and TCP in repair, whose peer hears nothing.  connect(2)
SEES = ("ECONNRESET", "ENOTCONN", "ECONNABORTED")

#: SOCK_DESTROY failed with this: try the other way
INSTEAD = frozenset((errno.EPERM, errno.EACCES, errno.EOPNOTSUPP))

_MOVED = frozenset((errno.ENOENT, errno.EBADF, errno.ESRCH))

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Union

    from ..model.rows import Row

    #: what the victim sees of its drop, or why it was not dropped; None: not tried
    Answer = Union[str, Error, None]


class Drops:
    """The rows of one call, and what became of each."""

    def __init__(
        self, rows: Sequence[Row], scope: int | None, *, dry_run: bool, go_on: Callable[[], bool], first: Sequence[int] = ()
    ) -> None:
        self.rows = list(rows)
        self.answers: list[Answer] = [None] * len(rows)
        self._scope = scope
        self._dry_run = dry_run
        #: asked before each attempt; False ends the call
        self._go_on = go_on
        self._stopped = False
        #: inode -> the places of its rows: subflows of one MPTCP connection share it
        self._wanted: dict[int, list[int]] = {}
        for place, row in enumerate(rows):
            # One that was saved, or seen before it was accepted, is looked up: it may have an inode now.
            now = row if row[INODE] and row[LPORT] and row[RPORT] else self._look_up(place)
            if now is not None and now[INODE]:
                self.rows[place] = now
                self._wanted.setdefault(now[INODE], []).append(place)
        #: how many could be dropped, and the process that lent the last one
        self.done = 0
        self.lender: int | None = None
        #: processes to ask before all others
        self._first = first
        #: how many processes could not be read: they may hold anything
        self._unread = 0
        #: what to do about a holder that was not seen; "" when everybody was
        self._unseen: str | None = None
        #: places whose descriptor was another file by the time it was borrowed
        self._slipped: set[int] = set()

    def _look_up(self, place: int) -> Row | None:
        """The socket as it is now; one that is not there is answered so."""
        now = _row_now(self.rows[place], self._scope)
        if now is None:
            self.answers[place] = NotFound("not found", errno=errno.ENOENT, what=_name(self.rows[place]), step="look-up")
        return now

    def run(self) -> list[Answer]:
        """As often as descriptors move under our eyes, a bounded number of times."""
        for _ in range(LOOKS):
            self._unread = 0
            self._slipped.clear()
            for pid in _processes(self._first):
                if not self._wanted or self._stopped:
                    break
                self._try_process(pid)
            if self._stopped:
                return self.answers
            self._wanted = {inode: left for inode, left in self._wanted.items() if self._look_again(left)}
            if not self._wanted:
                break
        for place, answer in enumerate(self.answers):
            if answer is None:
                self.answers[place] = self._why(self.rows[place])
        return self.answers

    def _try_process(self, pid: int) -> None:
        try:
            held = procfs.socket_inodes(pid)
        except (FileNotFoundError, ProcessLookupError):
            return
        except OSError:
            self._unread += 1
            return
        for inode in held.keys() & self._wanted.keys():
            if not self._go_on():
                self._stopped = True
                return
            self._try_socket(pid, held[inode], inode)

    def _try_socket(self, pid: int, fd: int, inode: int) -> None:
        places = self._wanted[inode]
        for place in places:
            try:
                kind = _abort(pid, fd, self.rows[place], self._scope, dry_run=self._dry_run)
            except OSError as error:
                self._note(place, error, pid)
                continue
            except ValueError:  # no ends that a connection could have
                self._slipped.add(place)
                continue
            # An MPTCP connection takes all its subflows along; else another place is the same socket, given twice.
            for done in places if kind == MPTCP or self._dry_run else [place]:
                self.answers[done] = SEES[kind]
                self.done += 1
            for again in () if kind == MPTCP or self._dry_run else places:
                if again != place:
                    self.answers[again] = NotFound("not found", errno=errno.ENOENT, what=_name(self.rows[again]), step="look-up")
            self.lender = pid
            del self._wanted[inode]
            return

    def _note(self, place: int, error: OSError, pid: int) -> None:
        """Why it could not be dropped; another holder may still lend it."""
        if error.errno in _MOVED:
            self._slipped.add(place)
        elif error.errno not in INSTEAD or self.answers[place] is None:
            self.answers[place] = _explained(error, self.rows[place], pid)

    def _look_again(self, places: list[int]) -> bool:
        """Is one of them there whose holder was not caught, though everybody who could hold it was looked at?"""
        again = False
        for place in places:
            if self.answers[place] is None:
                now = self._look_up(place)
                if now is None:
                    continue
                if not now[INODE]:
                    self.answers[place] = self._unheld(now)
                elif place in self._slipped or not self._unread:
                    again = True
        return again

    def _why(self, row: Row) -> Error:
        """No process was found to hold it."""
        if not row[INODE]:
            return self._unheld(row)
        what = _name(row)
        if self._unseen is None:  # once for all of them
            hidden = self._unread or _some_are_hidden()
            self._unseen = f"the process that holds it cannot be inspected; {_rights()}" if hidden else ""
        if self._unseen:
            return NotPermitted("not permitted", errno=errno.EPERM, what=what, hint=self._unseen)
        hint = "no process holds it: it is the kernel's own, or its descriptor moves too fast"
        return NotSupported("not supported", errno=errno.EOPNOTSUPP, what=what, hint=hint)

    @staticmethod
    def _unheld(row: Row) -> Error:
        hint = "no process holds it, any more or yet: only SOCK_DESTROY could drop it"
        return NotSupported("not supported", errno=errno.EOPNOTSUPP, what=_name(row), hint=hint)


def abort(
    rows: Sequence[Row],
    scope: int | None,
    *,
    dry_run: bool = False,
    go_on: Callable[[], bool] = lambda: True,
    first: Sequence[int] = (),
) -> list[Answer]:
    """Drop these sockets: for each what its program sees ("ECONNRESET"), or an Error.

    go_on: asked before each attempt; after a False the rest stays None.
    first: processes that are likely to hold them.
    dry_run: the same look, the same borrowing and checks, without the drop.
    """
    return Drops(rows, scope, dry_run=dry_run, go_on=go_on, first=first).run()


def find_lender(rows: Sequence[Row], scope: int | None) -> int | Error:
    """The first process that would lend one of them; else why none of them can be dropped this way."""
    drops = Drops(rows, scope, dry_run=True, go_on=lambda: not drops.done)
    answers = drops.run()
    if drops.lender is not None:
        return drops.lender
    errors = [one for one in answers if isinstance(one, Error)]
    # A right that is missing says more than what nobody can do; that one is gone says least.
    ranked = sorted(errors, key=lambda one: (isinstance(one, NotFound), not isinstance(one, NotPermitted)))
    return ranked[0] if ranked else NotFound("not found", errno=errno.ENOENT)


def chosen(answer: Error, failure: Error | None) -> Error:
    """Of both ways' reasons the one to tell: the right that the first lacks, else why the second did not help."""
    if failure is None or not isinstance(answer, (NotPermitted, NotSupported)):
        return answer
    if isinstance(failure, NotPermitted):
        return failure
    answer.hint = "; ".join(filter(None, (failure.hint, answer.hint)))
    return answer


def _abort(pid: int, fd: int, row: Row, scope: int | None, *, dry_run: bool) -> int:
    """What it was: a place in SEES.  Raises OSError."""
    return _tcpdrop.abort_held(
        pid,
        fd,
        packed_addr(row, LADDR),
        row[LPORT],
        packed_addr(row, RADDR),
        row[RPORT],
        cookie=row[COOKIE],
        inode=row[INODE],
        ifindex=row[IFINDEX],
        dry_run=dry_run,
        scope=scope,
    )


def _explained(error: OSError, row: Row, pid: int) -> Error:
    what, step = _name(row), getattr(error, "step", "")
    if error.errno in (errno.EPERM, errno.EACCES):
        return NotPermitted("not permitted", errno=error.errno, what=what, step=step, hint=f"held by {_holder(pid)}; {_rights()}")
    if error.errno == errno.EBUSY:
        return Error("busy", errno=error.errno, what=what, step=step, hint=_BUSY)
    if error.errno == errno.ENOSYS:
        return NotSupported("not supported", errno=error.errno, what=what, step=step, hint="borrowing a descriptor takes Linux 5.6")
    if step == "subflow":
        return NotSupported("not supported", errno=error.errno, what=what, step=step, hint=_SUBFLOW)
    return Error(f"{step}: {error.strerror}", errno=error.errno, what=what, step=step)


_BUSY = "a thread waits in it, and this kernel (6.4, 6.5) cannot disconnect it then; newer ones can"
_SUBFLOW = "a further subflow of an MPTCP connection cannot be dropped alone: drop the connection by its first"


def _holder(pid: int) -> str:
    from ..model.addresses import printable

    try:
        return f"pid {pid} {printable(procfs.command_of(pid))}"
    except OSError:
        return f"pid {pid}"


def _rights() -> str:
    from ..system.ptrace import hint

    return hint()


def _name(row: Row) -> str:
    from ..model.connection import Connection

    return str(Connection(row))


def _row_now(row: Row, scope: int | None) -> Row | None:
    """This very socket as it is now; None when it has these ends no more, or had no identity to begin with."""
    ends = packed_addr(row, LADDR), row[LPORT], packed_addr(row, RADDR), row[RPORT]
    try:
        found = ROW.unpack(_tcpdrop.lookup(*ends, ifindex=row[IFINDEX], scope=scope))
    except ValueError:
        return None
    except OSError as error:
        if error.errno != errno.ENOENT:  # what cannot be looked up is not gone
            raise from_os_error(error, _name(row)) from None
        return None
    return found if found[COOKIE] == row[COOKIE] else None


def _processes(first: Sequence[int]) -> Iterator[int]:
    """Ourselves first, who need no right at all."""
    early = dict.fromkeys((os.getpid(), *first))
    yield from early
    from ..system.procfs import all_pids

    for pid in all_pids():
        if pid not in early:
            yield pid


def _some_are_hidden() -> bool:
    from ..system.procfs import some_are_hidden

    return some_are_hidden()
