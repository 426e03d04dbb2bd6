# SPDX-License-Identifier: BSD-2-Clause
"""What a selection must spare: the operator's session, and what rules protect.

One dump shows every connection of the host; those that must live are noted by
tuple, and their mirrors with them, since on loopback the other end takes its
peer along.  A selected row is then one look into that set, however many there
are.
"""

from __future__ import annotations

import os

from ..errors import Error, NotPermitted, Protected
from ..filters import Filter
from ..filters.selection import answers, missed, select
from ..model.addresses import MAPPED, printable
from ..model.rows import INODE, LADDR, LPORT, PID, RADDR, ROW, RPORT, STATE, TIME_WAIT, UID, USUAL_STATES, ends_of, reader, spelled
from ..model.table import Batch, Connections, Rows
from ..system import kernel
from ..system.lookups import Lookups
from ..system.mptcp import tied
from ..system.netns import scopes_of
from ..system.rights import lacks_right
from . import Protection, login_services, logins, ways_in
from .other_ways import come_by_streams
from .rules import Rules
from .session import OwnSession, ancestors, came_by, follow_mirrors, found_for_us, line_of

_KEYED = reader(LADDR, RADDR, INODE, LPORT, RPORT)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ..model.connection import Connection
    from ..model.rows import Row
    from ..system.holders import Owners
    from ..system.netns import Namespace

    #: a four-tuple, its addresses as ends_of() has them or as rows do
    Ends = tuple[bytes, int, bytes, int]


class Guard:
    """Knows which connections must live, and why."""

    def __init__(self, *, include_self: bool = False, rules: Rules | None = None, spare_kernel: bool = False) -> None:
        self.rules = rules
        #: spare sockets that no process holds, like those of NFS
        self.spare_kernel = spare_kernel
        self.session = None if include_self else found_for_us()
        #: one line for stderr when the operator's connection could not be told
        self.warning = ""
        self._spared: dict[Ends, Protection] = {}
        #: the same, as it is at each look, where it is all connections of login services
        self._logins: dict[Ends, Protection] = {}
        #: nothing tells which login is the operator's
        self._hidden = False
        #: and what says that there is one
        self._why = ""
        #: other network namespaces in which carriers were looked for
        self._places: list[Namespace] = []
        if self.session is not None:
            self._spare_session(self.session)

    # ---- the set of what must live

    def _spare_session(self, session: OwnSession) -> None:
        named: dict[Ends, Protection] = {}
        self._places = ways_in.follow_everywhere(session)
        # What an ancestor opened itself, like a terminal window its way to a forwarded
        # display, need not be what the operator came by, nor what a server accepted
        # that runs in his tmux.
        found = bool(came_by(session, login_services.is_login_service) or logins.named_alive(session))
        self._places += come_by_streams(session, known=found)
        self._spare_held(session)
        for ends in session.tuples:
            _spare(named, ends, Protection("named by SSH_CONNECTION", lifted=True))
        self._spared = {**named, **self._spared}
        if session.unseen or (not found and logins.may_be_ours(session)):
            self._hidden, self._why = True, logins.why_ours(session)
            self._spare_hidden()
            if all(one.unseen for one in self._logins.values()) and isinstance(lacks_right(), NotPermitted):
                self.warning = ""  # he can drop none of these

    def _spare_held(self, session: OwnSession) -> None:
        for row, holder in session.rows():
            _spare(self._spared, ends_of(row), Protection(f"held by {holder}", lifted=True))

    def _spare_hidden(self, batches: Sequence[Batch] = ()) -> dict[int, Error]:
        """Nothing says which login is the operator's: spare them all, here and in each namespace of the run.

        The batches, by number, in whose namespace that cannot be looked.
        """
        self._logins = {}
        looks, failures = [_Look(None, (row for batch in batches if batch.where is None for row in batch))], {}
        for place, batch in enumerate(batches):
            try:
                looks += [_Look(batch.scope, batch)] if batch.where is not None else []
            except Error as error:
                failures[place] = error
        owners = _holders_of(row for look in looks for row in ROW.iter_unpack(look.data))  # one look through /proc for all
        for look in looks:
            look.owners = owners
        number = sum(map(self._spare_logins, looks))
        self.warning = "cannot tell which connection carries your session: "
        if self.session is not None and self.session.relay_unseen:
            for look in looks:
                self._spare_all(look)
            self.warning += f"{self._why}: any may be on the way, and all are protected (--include-self)"
            return failures
        if number:
            self.warning += f"all {number} of login services are protected (--include-self)"
            return failures
        for look in looks:
            self._spare_accepted(look)
        self.warning += (
            f"{self._why}, and no login service that is known ({login_services.considered()}) holds one here: "
            "what other listeners accepted is protected (--include-self; 'login NAME' in /etc/tcpdrop.conf names the service)"
        )
        return failures

    def _spare_logins(self, look: _Look) -> int:
        """How many there are."""
        owners, number, above = look.owners, 0, set(ancestors()) - {1}
        suspects = logins.unseen_logins(owners)
        for row in ROW.iter_unpack(look.data):
            pids = look.holders(row)
            names = [owners.processes.comm(pid) for pid in pids]
            if not pids and row[PID]:
                # Where holders do not show, a creator may: for what was accepted that of the listener, who may be dead.
                names = [owners.processes.comm(row[PID])]
            process = next((name for name in names if login_services.is_login_service(name, creator=bool(row[PID]))), None)
            # That nobody listens there any more says nothing: a server may have ended, and its sessions go on.
            unseen_login = row[LPORT] == 22 or (not any(names) and row[UID] in suspects and not look.was_opened_here(row))
            if not pids and unseen_login:
                process = "a process that cannot be seen"
            elif process is None and row[PID] not in above:
                continue
            number += 1
            why = f"held by {process or names[0]}, and your own login cannot be told"
            _spare(self._logins, ends_of(row), Protection(why, lifted=True, unseen=not pids))
        return number

    def _spare_accepted(self, look: _Look) -> None:
        """No login service is known to hold one: whatever was not certainly opened here may be the operator's way in.

        But not what was started from within his own session: that cannot carry it.
        """
        family = {os.getpid(), *ancestors()} - {1}
        within = {os.getpid(): True}  # of few processes, who may hold thousands
        for row in ROW.iter_unpack(look.data):
            if look.was_opened_here(row):
                continue
            pids = look.holders(row)
            for pid in pids:
                if pid not in within:
                    within[pid] = not family.isdisjoint(line_of(pid))
            if pids and all(within[pid] for pid in pids):
                continue
            holder = f"pid {pids[0]} {printable(look.owners.processes.comm(pids[0]) or '')}" if pids else "a process that cannot be seen"
            why = f"accepted by {holder}, and your own login cannot be told"
            _spare(self._logins, ends_of(row), Protection(why, lifted=True, unseen=not pids))

    def _spare_all(self, look: _Look) -> None:
        """A relay hands the operator on, and is not known: it accepts, connects, and may do both to other hosts."""
        for row in ROW.iter_unpack(look.data):
            if row[STATE] != TIME_WAIT:
                unseen = not look.holders(row)
                _spare(
                    self._logins, ends_of(row), Protection("it may be on your own way in, which cannot be told", lifted=True, unseen=unseen)
                )

    # ---- asking

    def look_again(self) -> None:
        """Before each look of a run that goes on: rules may have changed.  Raises Refused."""
        if self.rules is not None:
            self.rules.look_again()

    def protected(self, connections: Connections) -> list[dict[int, Error]]:
        """For each batch: the number of a row -> why, for each that must live, or takes along a subflow of MPTCP that must.

        Where another network namespace cannot be asked, all in there must, and the others go on.
        """
        failures = self._follow_elsewhere(connections.batches)
        if self._hidden:  # whoever logged in since may be the operator, coming back
            failures.update(self._spare_hidden(connections.batches))
        found: list[dict[int, Error]] = []
        for place, batch in enumerate(connections.batches):
            try:
                if place in failures:
                    raise failures[place]
                spared: dict[int, Error] = {**self._protected(batch)}
                if self.rules:
                    self._protect_through(batch, spared)
            except Error as error:
                if batch.where is None or len(connections.batches) == 1:
                    raise
                spared = {number: error.of(spelled(row)) for number, row in enumerate(batch)}
            found.append(spared)
        return found

    def _follow_elsewhere(self, batches: Sequence[Batch]) -> dict[int, Error]:
        """What carries the session in another network namespace of the run: the batches where that cannot be looked."""
        where, failures = [Lookups()], {}
        for place, batch in enumerate(batches):
            try:
                where += [Lookups(batch.scope)] if batch.where is not None and len(batch) else []
            except Error as error:
                failures[place] = error
        if self.session is not None and len(where) > 1:
            follow_mirrors(self.session, where)
            self._spare_held(self.session)
            if self.session.unseen and not self._hidden:
                self._hidden, self._why = True, self.session.unseen
        return failures

    def _protected(self, batch: Batch) -> dict[int, Error]:
        spared = {**self._logins, **self._spared}
        if self.session is not None and self.session.dumped and batch.where is not None:
            self._spare_elsewhere(self.session, batch, spared)
        if self.rules:
            self._apply_rules(batch, spared)
        if self.spare_kernel:
            _spare_kernel(batch, spared)
        return self._among(batch, spared)

    def _among(self, batch: Batch, spared: dict[Ends, Protection]) -> dict[int, Error]:
        # What an ancestor holds is not only what was asked of its descriptors: a further subflow of MPTCP has
        # the socket's inode and other ends, a container's first process may serve, and a dump is no snapshot.
        holders = self.session.holders if self.session is not None else {}
        found: dict[int, Error] = {}
        if not spared and not holders:
            return found
        # Who cannot drop it anyway is told the right that is missing: lifting the protection would not help.
        lacking = lacks_right(batch.scope) if any(one.unseen for one in spared.values()) else None
        for number, (laddr, raddr, inode, lport, rport) in enumerate(_KEYED.iter_unpack(batch.data())):
            protection = spared.get((laddr, lport, raddr, rport))
            if protection is None and inode in holders and self.session is not None:
                protection = Protection(f"held by {self.session.holder(inode)}", lifted=True)
            if protection is not None:
                what = spelled(batch[number])
                unable = protection.unseen and isinstance(lacking, NotPermitted)
                found[number] = lacking.of(what) if unable and lacking is not None else protection.refusal(what)
        return found

    def _protect_through(self, batch: Batch, found: dict[int, Error]) -> None:
        """Add what would take along another subflow that must live."""
        rows = list(batch)
        along = Batch(Rows(tied(rows, batch.scope)), None, namespace=batch.namespace)
        for at, refusal in self._protected(along).items() if len(along) else ():
            inode = along[at][INODE]
            for number in (number for number, row in enumerate(rows) if row[INODE] == inode):
                found[number] = Protected("protected", what=spelled(rows[number]), hint=refusal.hint)

    def _spare_elsewhere(self, session: OwnSession, batch: Batch, spared: dict[Ends, Protection]) -> None:
        """An ancestor may hold a socket of another network namespace: its mirror is there too."""
        table = kernel.list_connections(USUAL_STATES, scope=batch.scope)
        for row in ROW.iter_unpack(table.tobytes()):
            if row[INODE] in session.holders:
                _spare(spared, ends_of(row), Protection(f"held by {session.holder(row[INODE])}", lifted=True))

    def _apply_rules(self, batch: Batch, spared: dict[Ends, Protection]) -> None:
        """Every connection of the batch's namespace that a rule matches, or may match."""
        among = list(ROW.iter_unpack(batch.data()))
        rules = list(self.rules or ()) if among else []
        for number, row, answer in answers([rule for _, rule in rules], scope=batch.scope, among=among) if rules else ():
            name = rules[number][0]
            _spare(spared, ends_of(row), Protection(f"by {name}" if answer else f"by {name}, which cannot be decided here"))


class _Look:
    """The connections of one network namespace, who holds each, and which were opened from here.

    among: rows of a selection, for a dump is no snapshot.
    """

    def __init__(self, scope: int | None, among: Iterable[Row]) -> None:
        table = kernel.list_connections(USUAL_STATES, scope=scope)
        self.data = table.tobytes() + b"".join(ROW.pack(*row) for row in missed(table, among, scope))
        self.owners: Owners
        self._scope = scope
        self._opened: set[Ends] | None = None

    def was_opened_here(self, row: Row) -> bool:
        """For certain?  That nobody listens on its port says nothing: `nc -l` does not any more once it has accepted."""
        if self._opened is None:
            self._opened = {ends_of(one) for _, one, answer in answers([Filter("out")], scope=self._scope, among=[]) if answer}
        return ends_of(row) in self._opened

    def holders(self, row: Row) -> tuple[int, ...]:
        """Those that were seen."""
        owner = self.owners.of(row[INODE]) if row[INODE] else None
        return (owner.pids if owner is not None else None) or ()


def _spare(spared: dict[Ends, Protection], ends: Ends, protection: Protection) -> None:
    """Note a four-tuple and its mirror, in both shapes that an IPv4 address has in rows."""
    laddr, lport, raddr, rport = ends
    for local, remote in _shapes(laddr, raddr):
        spared.setdefault((local, lport, remote, rport), protection)
        spared.setdefault((remote, rport, local, lport), protection)


def _holders_of(rows: Iterable[Row]) -> Owners:
    from ..system.holders import scan  # only --all, and a login that cannot be told

    return scan({row[INODE] for row in rows if row[INODE]})


def _spare_kernel(batch: Batch, spared: dict[Ends, Protection]) -> None:
    """What has an inode and no process that holds it, also where not everybody could be looked at.

    But not from who may not drop it anyway: he is told the right that is missing.
    """
    if isinstance(lacks_right(batch.scope), NotPermitted):
        return
    rows = [row for row in ROW.iter_unpack(batch.data()) if row[INODE]]
    owners = _holders_of(rows)
    why = "no process holds it: the kernel's own, like NFS or iSCSI; name it to drop it"
    if owners.hidden or owners.unread:
        why = "no process that can be seen holds it: it may be the kernel's own, like NFS or iSCSI; name it to drop it"
    for row in rows:
        owner = owners.of(row[INODE])
        made = row[PID] and owners.processes.comm(row[PID]) is not None  # by a process that lives
        if not made and (owner is None or not owner.pids):
            _spare(spared, ends_of(row), Protection(why))


def own_session() -> frozenset[Connection]:
    """The connections that carry the caller's session, both ends where both are here.

    Those that an ancestor process holds or SSH_CONNECTION names.  Where the
    caller may have come by a login that cannot be told, every connection of
    login services.  Raises Error when connections cannot be listed.
    """
    everything = select(None)
    Rules(())  # its login lines
    found = Guard().protected(everything)
    return frozenset(batch.connection(number) for batch, spared in zip(everything.batches, found) for number in spared)


def guard_for(
    *,
    include_self: bool = False,
    protect: Filter | str | Iterable[Filter | str] | None = None,
    spare_kernel: bool = False,
    netns: str | int | None = None,
) -> Guard:
    """The guard of a call from Python."""
    some = [] if protect is None else [protect] if isinstance(protect, (str, Filter)) else protect
    filters = [one if isinstance(one, Filter) else Filter(one) for one in some]
    return Guard(include_self=include_self, rules=Rules(filters, lambda: scopes_of(netns)), spare_kernel=spare_kernel)


def _shapes(laddr: bytes, raddr: bytes) -> list[tuple[bytes, bytes]]:
    """The addresses as rows carry them: IPv4 padded, and v4-mapped."""
    if len(laddr) == 16:
        return [(laddr, raddr)]
    return [(laddr + bytes(12), raddr + bytes(12)), (MAPPED + laddr, MAPPED + raddr)]
