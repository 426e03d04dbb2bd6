# SPDX-License-Identifier: BSD-2-Clause
"""However little can be seen, a selection may only lose rows, and a rule may only protect more.

A host is made up whose truth is known: who holds each socket, in a table, an
io_uring or a message; and a view of it, from which processes, threads, names,
users, facts and rights are taken away at random.  What an expression says of
the view for certain must be so in truth.
"""

import random

import pytest

from tcpdrop.filters.facts import Facts
from tcpdrop.filters.nodes import And, Not, Or, both, either, negate
from tcpdrop.filters.owned import Cgroup, Comm, Kernel, Pid, Unit, User
from tcpdrop.filters.sockets import Dev, Direction, State
from tcpdrop.model.rows import (
    CGROUP,
    FAMILY,
    FLAGS,
    IFINDEX,
    INFO_FIELDS,
    INFO_OPENED,
    INODE,
    KNOWN,
    LADDR,
    LPORT,
    RADDR,
    ROW_CGROUP,
    ROW_FIELDS,
    ROW_UID,
    RPORT,
    STATE,
    UID,
)
from tcpdrop.system.holders import Owners
from tcpdrop.system.listeners import Listeners

pytestmark = pytest.mark.pure

VIEWS = 10_000
#: the second is another in each run, and the same where that run tries a failure again
SEEDS = (20261127, random.SystemRandom().randrange(2**32))
NAMES = ("sshd", "nginx", "redis", "worker")
PATHS = ("/system.slice/nginx.service", "/system.slice/ssh.service", "/user.slice/user-7.slice")
CGROUPS = {"/a": frozenset((1, 2)), "/b": frozenset((3,))}
OTHER_CGROUPS = {"/a": frozenset((3, 4)), "/b": frozenset((1, 2, 4))}
INTERFACES = {"lo": 1, "eth0": 2}
ANY, LOOP, OUR, OTHER = (bytes(addr) + bytes(12) for addr in ((0, 0, 0, 0), (127, 0, 0, 1), (10, 0, 0, 1), (10, 0, 0, 2)))


class Host:
    """What is so."""

    def __init__(self, dice):
        self.processes = {pid: (dice.choice(NAMES), frozenset((dice.choice((0, 7)),)), dice.choice(PATHS)) for pid in range(2, 8)}
        #: port -> on which address there is a listener
        self.listeners = {port: dice.choice((ANY, OUR, OTHER, LOOP)) for port in dice.sample((22, 80, 45000), 2)}
        #: inode -> was it accepted: by one of these, by one that has gone, or by one at another port (TPROXY)?
        self.accepted = {}
        #: inode -> those who hold it, and whether a table of descriptors shows that
        self.held = {}
        self.rows = []
        for inode in (0, 100, 101, 102, 103):
            where = dice.choice(("tables", "tables", "io_uring", "message", "kernel"))
            holders = () if where in ("message", "kernel") or not inode else tuple(dice.sample(range(2, 8), dice.choice((1, 1, 2))))
            self.held[inode] = (holders, where)
            self.rows.append(self._row(dice, inode))

    def _row(self, dice, inode):
        row = [0] * len(ROW_FIELDS)
        row[FAMILY], row[LADDR], row[RADDR], row[RPORT] = 4, dice.choice((OUR, LOOP)), dice.choice((OTHER, LOOP)), dice.choice((80, 5000))
        row[INODE], row[LPORT], row[STATE], row[IFINDEX] = inode, dice.choice((22, 80, 45000, 41000, 9000)), 1, dice.choice((0, 1, 2))
        # Nobody opens what a listener has, and what nobody accepts here no other end of this host is.
        taken, opened = self.taken(row), row[RADDR] == LOOP and self.takes(LOOP, row[RPORT])
        self.accepted[inode] = dice.choice((True, False)) if taken == opened else taken
        row[UID], row[CGROUP] = dice.choice((0, 7)), dice.choice((1, 2, 3, 4))
        row[FLAGS] = (ROW_UID if inode else 0) | ROW_CGROUP
        return row

    def takes(self, addr, port):
        return self.listeners.get(port) in (ANY, addr)

    def taken(self, row):
        return self.takes(row[LADDR], row[LPORT]) and row[IFINDEX] == 0

    def answer(self, node, row):
        """What is true of a row; None where the words have no meaning for it."""
        if isinstance(node, Not):
            inner = self.answer(node.args[0], row)
            return None if inner is None else not inner
        if isinstance(node, (And, Or)):
            inner = [self.answer(part, row) for part in node.args]
            decisive = isinstance(node, Or)
            return decisive if decisive in inner else None if None in inner else not decisive
        return self._predicate(node, row)

    def _predicate(self, node, row):
        holders, where = self.held[row[INODE]]
        if isinstance(node, State):
            return bool(node.mask >> row[STATE] & 1)
        if isinstance(node, Cgroup):
            return row[CGROUP] in CGROUPS[node.args[0]]
        if isinstance(node, Dev):
            return row[IFINDEX] == INTERFACES[node.args[0]]
        if isinstance(node, Direction):
            return (node.args[0] == "in") is self.accepted[row[INODE]]
        if not row[INODE]:
            return False if isinstance(node, Kernel) else None
        if isinstance(node, Kernel):
            return where == "kernel"
        if isinstance(node, Pid):
            return not set(node.pids).isdisjoint(holders)
        about = [self.processes[pid] for pid in holders]
        if isinstance(node, Comm):
            return any(name == node.args[0] for name, _, _ in about)
        if isinstance(node, User):
            return row[UID] == node.args[0] or any(node.args[0] in uids for _, uids, _ in about)
        assert isinstance(node, Unit)
        return any(node.args[0] in path.split("/") for _, _, path in about)


def listening(host):
    """The rows of its listeners, and of one that takes nothing of IPv4."""
    rows = []
    for port, addr in [*host.listeners.items(), (41000, bytes(16))]:
        row = [0] * len(ROW_FIELDS)
        row[FAMILY], row[LADDR], row[LPORT], row[STATE] = 4 if port in host.listeners else 6, addr, port, 10
        rows.append(row)
    return rows


def counted(host, row):
    """What the kernel's counters say of it: that its SYN was acknowledged, if it was the one that opened it."""
    info = [0] * len(INFO_FIELDS)
    info[KNOWN] = 0 if host.accepted[row[INODE]] else INFO_OPENED
    return info


def view(dice, host):
    """(facts, rows with their details) as somebody sees them who may see less and less."""
    blind = dice.choice((0.0, 0.1, 0.3, 0.6))

    def lost():
        return dice.random() < blind

    hidden = {pid for pid in host.processes if lost()} if lost() else set()
    unread = {pid for pid in host.processes if pid not in hidden and lost()}
    read = host.processes.keys() - hidden - unread
    holders = {}
    for inode, (pids, where) in host.held.items():
        seen = sorted(pid for pid in pids if pid in read) if where == "tables" else []
        if seen:
            holders[inode] = seen
    owners = Owners(holders, set(read), tuple(sorted(unread)), hidden=bool(hidden), everyone=True)
    for pid, (name, uids, path) in host.processes.items():
        owners.processes._comms[pid] = None if pid in hidden or lost() else name
        owners.processes._uids[pid] = None if pid in hidden or lost() else uids
        owners.processes._cgroups[pid] = None if pid in hidden or lost() else path
    facts = Facts(
        listeners=None if lost() else Listeners(listening(host)),
        interfaces=None if lost() else INTERFACES,
        owners=None if lost() else owners,
        cgroups=True,
    )
    ended = {number for number in (1, 2, 3, 4) if lost()}  # their sockets live on, and no path names them any more
    facts._cgroup_ids.update({path: None if lost() else ids - ended or None for path, ids in CGROUPS.items()})
    facts._other_cgroups.update({path: None if lost() else ids - ended - {dice.choice((3, 4))} for path, ids in OTHER_CGROUPS.items()})
    rows = []
    for row in host.rows:
        row = list(row)
        if lost():
            row[FLAGS] &= ~ROW_UID
        if lost():
            row[FLAGS] &= ~ROW_CGROUP
        rows.append((tuple(row), None if lost() else counted(host, row)))
    return facts, rows


def expression(dice, depth=3):
    if depth and dice.random() < 0.6:
        kind = dice.choice((both, either, None))
        if kind is None:
            return negate(expression(dice, depth - 1))
        return kind([expression(dice, depth - 1) for _ in range(dice.choice((2, 3)))])
    return dice.choice(
        (
            lambda: Pid.of(dice.sample(range(1, 10), dice.choice((1, 2)))),
            lambda: Comm(dice.choice((*NAMES, "absent"))),
            lambda: User(dice.choice((0, 7, 8))),
            lambda: Unit(dice.choice(("nginx.service", "ssh.service", "none.service"))),
            lambda: Cgroup(dice.choice(tuple(CGROUPS))),
            Kernel,
            lambda: Direction(dice.choice(("in", "out"))),
            lambda: Dev(dice.choice(tuple(INTERFACES))),
            lambda: State("state", 1 << dice.choice((1, 8))),
        )
    )()


@pytest.fixture
def every_process_exists(monkeypatch):
    """The made-up processes are none of this host's."""
    from tcpdrop.system import platform

    monkeypatch.setattr(platform, "process_exists", lambda pid: True)


@pytest.mark.parametrize("seed", SEEDS, ids=("as always", "anew"))
def test_what_is_certain_of_a_view_is_so(every_process_exists, seed):
    dice = random.Random(seed)
    certain = unknown = views = 0
    for _ in range(VIEWS):
        views += 1
        host = Host(dice)
        facts, rows = view(dice, host)
        node = expression(dice)
        test = node.compiled()
        for (row, info), truth in zip(rows, host.rows):
            said, so = test(row, info, facts), host.answer(node, truth)
            if said is None:
                unknown += 1
            elif so is not None:
                certain += 1
                assert said is so, f"{node} of {row}: {said}, and in truth {so}; held: {host.held}, of {host.processes} (seed {seed})"
    assert views == 10_000
    assert certain > VIEWS and unknown > VIEWS, "both happen"


def test_who_sees_everything_is_as_certain_as_before(every_process_exists):
    """On a plain host, as root: only what no table shows is unknown."""
    dice = random.Random(4)
    for _ in range(1000):
        host = Host(dice)
        host.accepted = {row[INODE]: host.taken(row) and row[RADDR] != LOOP for row in host.rows}  # no listener has gone
        full = Owners(
            {i: sorted(p) for i, (p, w) in host.held.items() if w == "tables" and p}, {*host.processes}, (), hidden=False, everyone=True
        )
        for pid, (name, uids, path) in host.processes.items():
            full.processes._comms[pid], full.processes._uids[pid], full.processes._cgroups[pid] = name, uids, path
        facts = Facts(listeners=Listeners(listening(host)), interfaces=INTERFACES, owners=full, cgroups=True)
        facts._cgroup_ids.update(CGROUPS)
        facts._other_cgroups.update(OTHER_CGROUPS)
        node = expression(dice)
        for row in map(tuple, host.rows):
            if host.held[row[INODE]][1] == "tables" and row[INODE] and host.answer(node, row) is not None:
                assert node.compiled()(row, counted(host, row), facts) is host.answer(node, row), str(node)
