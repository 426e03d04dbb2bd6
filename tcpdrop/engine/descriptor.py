# SPDX-License-Identifier: BSD-2-Clause
"""The second method: through a descriptor of a process that holds the socket.

For what SOCK_DESTROY cannot do: a kernel built without it, a user without the
right, MPTCP.  A process that may be inspected (ptrace(2)) lends its descriptor;
the C module duplicates it, sees that it is the very socket that was selected,
and disconnects it.  /proc is read once for all connections, and each is tried
as soon as its holder is seen: the less time between, the fewer have moved.
"""

from __future__ import annotations

import errno
import os

from ..errors import Error, NotFound, NotPermitted, NotSupported
from ..model.rows import COOKIE, IFINDEX, INODE, LPORT, RPORT, ends_of, spelled
from ..system import kernel, procfs, ptrace
from ..system.kernel import MPTCP
from .rebound import rebound

#: how often /proc is read for sockets whose descriptors move meanwhile
LOOKS = 3


_MOVED = frozenset((errno.ENOENT, errno.EBADF, errno.ESRCH))

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Union

    from ..model.rows import Row
    from .pace import Pace

    #: what abort_held() found, dropped it was; or why not; None: not tried
    Answer = Union[int, Error, None]


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
        #: inode -> the numbers of its rows: subflows of one MPTCP connection share it
        self._wanted: dict[int, list[int]] = {}
        for number, row in enumerate(rows):
            # One that was saved, or seen before it was accepted, is looked up: it may have an inode now.
            now = row if row[INODE] and row[LPORT] and row[RPORT] else self._look_up(number)
            if now is not None and now[INODE]:
                self.rows[number] = now
                self._wanted.setdefault(now[INODE], []).append(number)
        #: how many could be dropped, and the process that lent the last one
        self.done = 0
        self.lender: int | None = None
        #: processes to ask before all others
        self._first = first
        #: how many processes could not be read: they may hold anything
        self._unread = 0
        #: what to do about a holder that was not seen; "" when everybody was
        self._unseen: str | None = None
        #: rows whose descriptor was another file by the time it was borrowed
        self._slipped: set[int] = set()

    def _look_up(self, number: int) -> Row | None:
        """The socket as it is now; one that is not there is answered so."""
        now = kernel.still_there(self.rows[number], self._scope) or rebound([self.rows[number]], self._scope).get(0)
        if now is None:
            self.answers[number] = _not_there(self.rows[number])
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
        for number, answer in enumerate(self.answers):
            if answer is None:
                self.answers[number] = self._why(self.rows[number])
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
        numbers = self._wanted[inode]
        for number in numbers:
            try:
                kind = _abort(pid, fd, self.rows[number], self._scope, dry_run=self._dry_run)
            except Error as error:
                self._note(number, error, pid)
                continue
            except ValueError:  # no ends that a connection could have
                self._slipped.add(number)
                continue
            # An MPTCP connection takes all its subflows along; else another row is the same socket, given twice.
            together = kind == MPTCP or self._dry_run
            for again in numbers:
                if together or again == number:
                    self.answers[again] = kind
                    self.done += 1
                else:
                    self.answers[again] = _not_there(self.rows[again])
            self.lender = pid
            del self._wanted[inode]
            return

    def _note(self, number: int, error: Error, pid: int) -> None:
        """Why it could not be dropped; another holder may still lend it."""
        if error.errno in _MOVED:
            self._slipped.add(number)
        elif not isinstance(error, (NotPermitted, NotSupported)) or self.answers[number] is None:
            self.answers[number] = _explained(error, self.rows[number], pid)

    def _look_again(self, numbers: list[int]) -> bool:
        """Is one of them there whose holder was not caught, though everybody who could hold it was looked at?"""
        again = False
        for number in numbers:
            if self.answers[number] is None:
                now = self._look_up(number)
                if now is None:
                    continue
                if not now[INODE]:
                    self.answers[number] = self._unheld(now)
                elif number in self._slipped or not self._unread:
                    again = True
        return again

    def _why(self, row: Row) -> Error:
        """No process was found to hold it."""
        if not row[INODE]:
            return self._unheld(row)
        what = spelled(row)
        if self._unseen is None:  # once for all of them
            hidden = self._unread or procfs.some_are_hidden()
            self._unseen = f"the process that holds it cannot be inspected; {ptrace.hint()}" if hidden else ""
        if self._unseen:
            return NotPermitted("not permitted", errno=errno.EPERM, what=what, hint=self._unseen)
        hint = "no process holds it: it is the kernel's own, or its descriptor moves too fast"
        return NotSupported("not supported", errno=errno.EOPNOTSUPP, what=what, hint=hint)

    @staticmethod
    def _unheld(row: Row) -> Error:
        hint = "no process holds it, any more or yet: only SOCK_DESTROY could drop it"
        return NotSupported("not supported", errno=errno.EOPNOTSUPP, what=spelled(row), hint=hint)


def drop(
    rows: Sequence[Row], scope: int | None, *, dry_run: bool = False, pace: Pace | None = None, first: Sequence[int] = ()
) -> Iterator[tuple[int, int | Error]]:
    """Disconnect each of these very sockets: its number, and what abort_held() found or why it was not dropped.

    first: processes that are likely to hold them.
    dry_run: the same look, the same borrowing and checks, without the last step.
    """
    go_on = (lambda: True) if pace is None else pace.one_by_one(len(rows), dry_run=dry_run)
    drops = Drops(rows, scope, dry_run=dry_run, go_on=go_on, first=first)
    failure = None
    try:
        drops.run()
    except Error as error:  # what was dropped until then was dropped
        failure = error
    for number, answer in enumerate(drops.answers):
        if answer is not None:
            yield number, answer
    if failure is not None:
        raise failure


def find_lender(rows: Sequence[Row], scope: int | None) -> int | list[Error]:
    """The first process that would lend one of them; else why none of them can be dropped this way, what says most first."""
    drops = Drops(rows, scope, dry_run=True, go_on=lambda: not drops.done)
    answers = drops.run()
    if drops.lender is not None:
        return drops.lender
    errors = [one for one in answers if isinstance(one, Error)]
    # A right that is missing says more than what nobody can do; that one is gone says least.
    ranked = sorted(errors, key=lambda one: (isinstance(one, NotFound), not isinstance(one, NotPermitted)))
    return ranked or [NotFound("not found", errno=errno.ENOENT)]


def may_pass(error: Error) -> bool:
    """May it be otherwise at the next look?  Nobody has accepted it yet, say, or a thread waits in it."""
    return not isinstance(error, NotPermitted) and error.errno != errno.ENOSYS and error.step != "subflow"


def _abort(pid: int, fd: int, row: Row, scope: int | None, *, dry_run: bool) -> int:
    """What it was: MPTCP or another kind of kernel.abort_held().  Raises Error."""
    exactly = {"cookie": row[COOKIE], "inode": row[INODE], "ifindex": row[IFINDEX]}
    return kernel.abort_held(pid, fd, ends_of(row), **exactly, dry_run=dry_run, scope=scope)


def _explained(error: Error, row: Row, pid: int) -> Error:
    what, step = spelled(row), error.step
    if error.errno in (errno.EPERM, errno.EACCES):
        return NotPermitted("not permitted", errno=error.errno, what=what, step=step, hint=f"held by {procfs.named(pid)}; {ptrace.hint()}")
    if error.errno == errno.EBUSY:
        return Error("busy", errno=error.errno, what=what, step=step, hint=_BUSY)
    if error.errno == errno.ENOSYS:
        return NotSupported("not supported", errno=error.errno, what=what, step=step, hint="borrowing a descriptor takes Linux 5.6")
    if step == "subflow":
        return NotSupported("not supported", errno=error.errno, what=what, step=step, hint=_SUBFLOW)
    return Error(f"{step}: {os.strerror(error.errno or errno.EIO)}", errno=error.errno, what=what, step=step)


def _not_there(row: Row) -> NotFound:
    return NotFound("not found", errno=errno.ENOENT, what=spelled(row), step="look-up")


_BUSY = "a thread waits in it, and this kernel cannot disconnect it then, as 6.4, 6.5 and later 5.10 cannot"
_SUBFLOW = "a further subflow of an MPTCP connection cannot be dropped alone: drop the connection by its first"


def _processes(first: Sequence[int]) -> Iterator[int]:
    """Ourselves first, who need no right at all."""
    early = dict.fromkeys((os.getpid(), *first))
    yield from early
    for pid in procfs.all_pids():
        if pid not in early:
            yield pid
