# SPDX-License-Identifier: BSD-2-Clause
"""Rows, facts and expressions for hypothesis: small pools, so that they meet."""

import socket

from hypothesis import strategies as st

from tcpdrop.filters.decision import decide
from tcpdrop.filters.endpoints import Address, Port
from tcpdrop.filters.facts import Facts
from tcpdrop.filters.measures import Congestion, Measure
from tcpdrop.filters.nodes import both, either, negate
from tcpdrop.filters.owned import Cgroup, Comm, Kernel, Mine, Pid, Unit, User
from tcpdrop.filters.sockets import Dev, Direction, Family, Loopback, State
from tcpdrop.model.rows import LISTEN, ROW, ROW_CGROUP, ROW_DUAL, ROW_FIELDS, ROW_QUEUES, ROW_UID
from tcpdrop.model.table import Batch
from tcpdrop.system.holders import Owners
from tcpdrop.system.listeners import Listeners

PORTS = [1, 22, 80, 443, 1024, 32768, 40000, 65535]
V4 = [socket.inet_aton(a) for a in ("127.0.0.1", "127.1.0.9", "10.0.0.1", "10.0.0.2", "10.1.0.1", "192.0.2.7", "0.0.0.0")]
V6 = [socket.inet_pton(socket.AF_INET6, a) for a in ("::1", "::", "2001:db8::1", "2001:db8::2", "2001:db8:1::1", "fe80::1", "::2:0:0")]
MAPPED = bytes(10) + b"\xff\xff"
INTERFACES = {"lo": 1, "eth0": 2}
CGROUPS = {"/a": frozenset([7, 8]), "/b": frozenset([9])}
COMMS = ["nginx", "sshd", "tmux: server", 'a"b\\c', "\x1b[31m", "or", "x(y)", "\udcff"]


@st.composite
def rows(draw):
    """One unpacked row, as consistent as the kernel's are."""
    family, mapped = draw(st.sampled_from([(4, False), (6, False), (6, True)]))
    state = draw(st.integers(1, 11))

    def address():
        if family == 4:
            return draw(st.sampled_from(V4)) + bytes(12)
        return MAPPED + draw(st.sampled_from(V4)) if mapped else draw(st.sampled_from(V6))

    inode = draw(st.sampled_from([0, 100, 101, 102, 103]))
    flags = (ROW_UID if inode else 0) | ROW_QUEUES | draw(st.sampled_from([0, ROW_CGROUP]))
    return (
        address(),
        address(),
        draw(st.integers(1, 9)),
        inode,
        draw(st.sampled_from([7, 8, 9, 10])) if flags & ROW_CGROUP else 0,
        0,
        draw(st.sampled_from(PORTS)),
        0 if state == LISTEN else draw(st.sampled_from(PORTS)),
        family,
        state,
        0,
        0,
        draw(st.sampled_from([0, 1, 2])),
        draw(st.sampled_from([0, 1000])),
        draw(st.sampled_from([0, 1024, 5000])),
        draw(st.sampled_from([0, 1024, 5000])),
        0,
        flags,
        *(0, 0),  # the mark, and what fills the row
    )


infos = st.none() | st.tuples(
    st.sampled_from([0, 1024]),
    st.sampled_from([0, 1024]),
    st.sampled_from([0, 90000]),
    st.sampled_from([0, 90000]),
    st.sampled_from([0, 20000]),
    st.integers(0, 2),
    st.sampled_from([b"cubic\0", b"bbr\0"]),
    st.integers(0, 31),
    st.just(0),
)


class Listening(Listeners):
    """Listeners that keep their rows, for the oracle."""

    __slots__ = ("rows",)

    def __init__(self, rows):
        super().__init__(rows)
        self.rows = rows


def listener(port, addr=bytes(16), *, family=4, ifindex=0, dual=False):
    """The row of a socket that listens, on every address of IPv4 if nothing else is said."""
    row = dict.fromkeys(ROW_FIELDS, 0)
    row.update(laddr=addr, raddr=bytes(16), lport=port, family=family, state=LISTEN, ifindex=ifindex, flags=ROW_DUAL if dual else 0)
    return tuple(row.values())


listening = st.lists(
    st.one_of(
        st.builds(
            listener, st.sampled_from(PORTS), st.sampled_from(V4).map(lambda addr: addr + bytes(12)), ifindex=st.sampled_from([0, 0, 1])
        ),
        st.builds(
            listener,
            st.sampled_from(PORTS),
            st.sampled_from([*V6, *(MAPPED + addr for addr in V4)]),
            family=st.just(6),
            ifindex=st.sampled_from([0, 0, 1]),
            dual=st.booleans(),
        ),
    ),
    max_size=4,
).map(Listening)


@st.composite
def owners(draw):
    holders = draw(st.dictionaries(st.sampled_from([100, 101, 102, 103]), st.lists(st.sampled_from([5, 6, 7]), min_size=1, unique=True)))
    unread = tuple(draw(st.lists(st.sampled_from([8, 9]), unique=True)))
    found = Owners(holders, {5, 6, 7}, unread, hidden=draw(st.booleans()), everyone=draw(st.booleans()))
    for pid in (5, 6, 7, 8, 9):
        found.processes.remember(pid, draw(st.sampled_from(COMMS)))
        found.processes._uids[pid] = draw(st.sampled_from([None, frozenset([0]), frozenset([1000])]))
        found.processes._cgroups[pid] = draw(st.sampled_from([None, "/system.slice/nginx.service", "/"]))
    return found


@st.composite
def facts(draw):
    known = Facts(
        listeners=draw(st.none() | listening),
        interfaces=draw(st.none() | st.just(INTERFACES)),
        owners=draw(st.none() | owners()),
        cgroups=True,
    )
    known._cgroup_ids.update(CGROUPS, **{"/none": None})
    known._other_cgroups.update({"/a": draw(st.sampled_from([None, frozenset([1, 9])])), "/b": frozenset([1, 7]), "/none": None})
    return known


@st.composite
def addresses(draw):
    packed = draw(st.sampled_from(V4 + V6))
    bits = draw(st.sampled_from([8 * len(packed)] * 3 + [0, 8, 15, 24] + ([32, 64, 96, 127] if len(packed) == 16 else [])))
    rest = 8 * len(packed) - bits
    packed = (int.from_bytes(packed, "big") >> rest << rest).to_bytes(len(packed), "big")
    return packed, bits, draw(st.sampled_from([0, 0, 0, *PORTS]))


ends = st.sampled_from(["local", "remote", "host"])
ranges = st.tuples(st.sampled_from([0, *PORTS]), st.sampled_from(PORTS)).map(lambda pair: (min(pair), max(pair)))
rowish = st.one_of(
    st.integers(1, 0xFFE).map(lambda mask: State("state", (mask & 0xFFE) or 2)),
    st.builds(Port.of, ends, st.lists(ranges, min_size=1, max_size=4)),
    st.builds(Address.of, ends, st.lists(addresses(), min_size=1, max_size=4)),
    st.sampled_from([Family(4), Family(6), Loopback(), Dev("lo"), Dev("eth0"), Dev("gone")]),
)
knowing = st.one_of(
    st.sampled_from(
        [Direction("in"), Direction("out"), Kernel(), Mine(), Cgroup("/a"), Cgroup("/b"), Cgroup("/none"), Unit("nginx.service")]
    ),
    st.sets(st.integers(4, 9), min_size=1).map(Pid.of),
    st.sampled_from([*COMMS, "ng*", "[a-z]*"]).map(Comm),
    st.sampled_from([User(0), User(1000), Congestion("cubic"), Congestion("and")]),
    st.builds(
        Measure,
        st.sampled_from(["idle", "age", "rtt", "recvq", "sendq", "bytes-sent", "bytes-received", "retrans"]),
        st.sampled_from(["=", "!=", "<", "<=", ">", ">="]),
        st.sampled_from([0, 1, 1000, 1024, 90000, 20000, 86400000, 1 << 20]),
    ),
)


def matching(chosen, table, facts):
    """The rows of a table that are meant."""
    numbers, _ = decide(chosen, Batch(table, None), facts)
    return [ROW.unpack_from(table[number]) for number in numbers]


def grown(leaves):
    """Expressions over these predicates, in canonical form."""
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.lists(inner, min_size=2, max_size=4).map(both),
            st.lists(inner, min_size=2, max_size=4).map(either),
            inner.map(negate),
        ),
        max_leaves=12,
    )


expressions = grown(st.one_of(rowish, rowish, knowing))
row_expressions = grown(rowish)
