# SPDX-License-Identifier: BSD-2-Clause
"""What a filter means, said once more and slowly: the definition that the package's compiled tests are compared with."""

import fnmatch
import operator
import os

from tcpdrop.filters.endpoints import ENDS, Address, Port
from tcpdrop.filters.measures import Congestion, Measure
from tcpdrop.filters.nodes import And, Not, Or
from tcpdrop.filters.owned import Cgroup, Comm, Kernel, Mine, Pid, Unit, User
from tcpdrop.filters.sockets import Dev, Direction, Family, Loopback, State
from tcpdrop.model import rows
from tcpdrop.model.rows import packed_addr

COMPARE = {"=": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
#: measure -> (field of the details, bit that says it is known)
DETAILS = {
    "rtt": (rows.RTT, rows.INFO_RTT),
    "bytes-sent": (rows.BYTES_SENT, rows.INFO_BYTES),
    "bytes-received": (rows.BYTES_RECEIVED, rows.INFO_BYTES),
    "retrans": (rows.RETRANS, rows.INFO_RETRANS),
}


def answer(node, row, info, facts):
    """True, False or None, unknown."""
    if isinstance(node, Not):
        inner = answer(node.args[0], row, info, facts)
        return None if inner is None else not inner
    if isinstance(node, (And, Or)):
        return kleene(isinstance(node, And), [answer(part, row, info, facts) for part in node.args])
    return MEANINGS[type(node)](node, row, info, facts)


def kleene(all_of, answers):
    """The least or the greatest of them, where False < unknown < True."""
    deciding = not all_of
    return deciding if deciding in answers else None if None in answers else all_of


def state(node, row, info, facts):
    return bool(node.args[1] >> row[rows.STATE] & 1)


def port(node, row, info, facts):
    return any(lo <= row[at] <= hi for at, _ in ENDS[node.args[0]] for lo, hi in node.args[1:])


def address(node, row, info, facts):
    return any(
        len(packed_addr(row, addr_at)) == len(packed)
        and bits_of(packed_addr(row, addr_at)).startswith(bits_of(packed)[:bits])
        and wanted in (0, row[port_at])
        for port_at, addr_at in ENDS[node.args[0]]
        for packed, bits, wanted in node.args[1:]
    )


def bits_of(packed):
    return "".join(f"{byte:08b}" for byte in packed)


def family(node, row, info, facts):
    return len(packed_addr(row, rows.LADDR)) == {4: 4, 6: 16}[node.args[0]]


def loopback(node, row, info, facts):
    ends = [packed_addr(row, rows.LADDR), packed_addr(row, rows.RADDR)]
    return any(end[0] == 127 if len(end) == 4 else end == bytes(15) + b"\1" for end in ends)


def dev(node, row, info, facts):
    index = facts.ifindex(node.args[0])
    return None if index is None else row[rows.IFINDEX] == index


def direction(node, row, info, facts):
    if row[rows.STATE] == rows.LISTEN:
        return False
    if row[rows.STATE] == rows.SYN_SENT or (info is not None and info[rows.KNOWN] & rows.INFO_OPENED):
        return node.args[0] == "out"
    if facts.listeners is None:
        return None
    ours, theirs = packed_addr(row, rows.LADDR), packed_addr(row, rows.RADDR)
    came = any(
        one[rows.LPORT] == row[rows.LPORT]
        and takes(one, ours)
        and not (one[rows.FAMILY] == 4 and row[rows.FAMILY] == 6)
        and (one[rows.IFINDEX] == row[rows.IFINDEX] or (one[rows.IFINDEX] == 0 and is_link_local(theirs)))
        for one in facts.listeners.rows
    )
    loop = theirs == bytes(15) + b"\1" or (len(theirs) == 4 and theirs[0] == 127)
    went = loop and any(one[rows.LPORT] == row[rows.RPORT] and takes(one, theirs) for one in facts.listeners.rows)
    return None if came == went else (node.args[0] == "in") == came


def takes(listener, addr):
    """Does it take what comes to this address?"""
    mine = packed_addr(listener, rows.LADDR)
    if len(mine) == len(addr):
        return mine in (addr, bytes(len(addr)))
    return mine == bytes(16) and bool(listener[rows.FLAGS] & rows.ROW_DUAL)


def is_link_local(addr):
    return len(addr) == 16 and bits_of(addr).startswith("1111111010")


def pid(node, row, info, facts):
    if row[rows.PID] in node.args[1:]:
        return True
    if facts.owners is None:
        return None
    return kleene(False, [facts.owners.has(one, row) for one in node.args[1:]])


def held(node, row, facts, runs):
    """runs: what is said of one process."""
    if not row[rows.INODE] or facts.owners is None:
        return None
    return facts.owners.any_holder(row[rows.INODE], ("oracle", node), runs)


def may_begin(pattern, name):
    """Does the pattern match anything that begins with the name, as a backtracking matcher sees it?"""
    if not pattern:
        return False
    if not name:
        return True  # what was cut may be anything
    if pattern[0] == "*":
        return may_begin(pattern[1:], name) or may_begin(pattern, name[1:])
    end = pattern.find("]", 2) + 1 if pattern[0] == "[" else 1
    part, rest = pattern[: end or 1], pattern[end or 1 :]
    return fnmatch.fnmatchcase(name[0], part) and may_begin(rest, name[1:])


def comm(node, row, info, facts):
    def named(process):
        name = facts.owners.processes.comm(process)
        if name is None or fnmatch.fnmatchcase(name, node.args[0]):
            return None if name is None else True
        cut = len(os.fsencode(name)) >= 15 and any(char in node.args[0] for char in "*?[")
        return None if cut and may_begin(node.args[0], name) else False

    return held(node, row, facts, named)


def runs_as(node, row, facts, uid):
    def used(process):
        uids = facts.owners.processes.uids(process)
        return None if uids is None else uid in uids

    return held(node, row, facts, used)


def user(node, row, info, facts):
    if row[rows.INODE] and row[rows.FLAGS] & rows.ROW_UID and row[rows.UID] == node.args[0]:
        return True
    answer = runs_as(node, row, facts, node.args[0])
    return answer if row[rows.FLAGS] & rows.ROW_UID else answer or None


def mine(node, row, info, facts):
    return runs_as(node, row, facts, os.geteuid())


def unit(node, row, info, facts):
    return held(node, row, facts, lambda process: facts.owners.processes.in_unit(process, node.args[0]))


def cgroup(node, row, info, facts):
    ids, others = facts._cgroup_ids[node.args[0]], facts._other_cgroups[node.args[0]]
    if ids is None or not row[rows.FLAGS] & rows.ROW_CGROUP:
        return None
    return True if row[rows.CGROUP] in ids else False if others is not None and row[rows.CGROUP] in others else None


def kernel(node, row, info, facts):
    if not row[rows.INODE]:
        return False
    return False if facts.owners is not None and facts.owners.of(row[rows.INODE]) else None


def reading(word, row, info):
    """None: unknown.  `age` is that of a system without creation times."""
    if word in ("recvq", "sendq"):
        return row[rows.RECVQ if word == "recvq" else rows.SENDQ] if row[rows.FLAGS] & rows.ROW_QUEUES else None
    if word in ("idle", "age"):
        known = info is not None and info[rows.KNOWN] & rows.INFO_TIMES
        return (min if word == "idle" else max)(info[rows.LAST_SENT], info[rows.LAST_RECEIVED]) if known else None
    field, bit = DETAILS[word]
    return info[field] if info is not None and info[rows.KNOWN] & bit else None


def measure(node, row, info, facts):
    word, comparison, value = node.args
    found = reading(word, row, info)
    return None if found is None else COMPARE[comparison](found, value)


def congestion(node, row, info, facts):
    if info is None or not info[rows.KNOWN] & rows.INFO_CC:
        return None
    return info[rows.CC].partition(b"\0")[0] == node.args[0].encode()


MEANINGS = {
    State: state,
    Port: port,
    Address: address,
    Family: family,
    Loopback: loopback,
    Dev: dev,
    Direction: direction,
    Pid: pid,
    Comm: comm,
    User: user,
    Mine: mine,
    Unit: unit,
    Cgroup: cgroup,
    Kernel: kernel,
    Measure: measure,
    Congestion: congestion,
}
