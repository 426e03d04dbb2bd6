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
from tcpdrop.model.rows import CGROUP, FLAGS, IFINDEX, INODE, LPORT, ROW_CGROUP, ROW_FIELDS, ROW_UID, STATE, UID
from tcpdrop.system.holders import Owners

pytestmark = pytest.mark.pure

VIEWS = 10_000
#: the second is another in each run, and the same where that run tries a failure again
SEEDS = (20261127, random.SystemRandom().randrange(2**32))
NAMES = ("sshd", "nginx", "redis", "worker")
PATHS = ("/system.slice/nginx.service", "/system.slice/ssh.service", "/user.slice/user-7.slice")
CGROUPS = {"/a": frozenset((1, 2)), "/b": frozenset((3,))}
OTHER_CGROUPS = {"/a": frozenset((3, 4)), "/b": frozenset((1, 2, 4))}
INTERFACES = {"lo": 1, "eth0": 2}
EPHEMERAL = (40000, 50000)


class Host:
    """What is so."""

    def __init__(self, dice):
        self.processes = {pid: (dice.choice(NAMES), frozenset((dice.choice((0, 7)),)), dice.choice(PATHS)) for pid in range(2, 8)}
        self.listeners = frozenset(dice.sample((22, 80, 45000), 2))
        #: was what is at a port of neither sort accepted, by a listener that has gone?  None: nothing is said of it
        self.accepted = dice.choice((True, False))
        #: inode -> those who hold it, and whether a table of descriptors shows that
        self.held = {}
        self.rows = []
        for inode in (0, 100, 101, 102, 103):
            where = dice.choice(("tables", "tables", "io_uring", "message", "kernel"))
            holders = () if where in ("message", "kernel") or not inode else tuple(dice.sample(range(2, 8), dice.choice((1, 1, 2))))
            self.held[inode] = (holders, where)
            self.rows.append(self._row(dice, inode))

    @staticmethod
    def _row(dice, inode):
        row = [0] * len(ROW_FIELDS)
        row[0] = row[1] = bytes(16)
        row[INODE], row[LPORT], row[STATE], row[IFINDEX] = inode, dice.choice((22, 80, 45000, 41000, 9000)), 1, dice.choice((0, 1, 2))
        row[UID], row[CGROUP] = dice.choice((0, 7)), dice.choice((1, 2, 3, 4))
        row[FLAGS] = (ROW_UID if inode else 0) | ROW_CGROUP
        return row

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
            if row[LPORT] in self.listeners:
                return node.args[0] == "in"
            if EPHEMERAL[0] <= row[LPORT] <= EPHEMERAL[1]:
                return node.args[0] == "out"
            return None if self.accepted is None else (node.args[0] == "in") is self.accepted
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


def view(dice, host):
    """(facts, rows) as somebody sees them who may see less and less."""
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
        listeners=None if lost() else host.listeners,
        ephemeral=None if lost() else EPHEMERAL,
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
        rows.append(tuple(row))
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
    from tcpdrop.system import procfs

    monkeypatch.setattr(procfs, "exists", lambda pid: True)


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
        for row, truth in zip(rows, host.rows):
            said, so = test(row, None, facts), host.answer(node, truth)
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
        host.accepted = None
        full = Owners(
            {i: sorted(p) for i, (p, w) in host.held.items() if w == "tables" and p}, {*host.processes}, (), hidden=False, everyone=True
        )
        for pid, (name, uids, path) in host.processes.items():
            full.processes._comms[pid], full.processes._uids[pid], full.processes._cgroups[pid] = name, uids, path
        facts = Facts(listeners=host.listeners, ephemeral=EPHEMERAL, interfaces=INTERFACES, owners=full, cgroups=True)
        facts._cgroup_ids.update(CGROUPS)
        facts._other_cgroups.update(OTHER_CGROUPS)
        node = expression(dice)
        for row in map(tuple, host.rows):
            if host.held[row[INODE]][1] == "tables" and row[INODE] and host.answer(node, row) is not None:
                assert node.compiled()(row, None, facts) is host.answer(node, row), str(node)
