# SPDX-License-Identifier: BSD-2-Clause
"""Conditions to inet_diag bytecode, the filter that the Linux kernel runs on each socket of a dump.  Pure.

An op is four bytes, code, yes and no, and what its code brings after them.
yes and no are distances in bytes, forwards only.  A walk that ends exactly
after the program accepts the socket, one that ends four bytes further
rejects it.  The kernel's checker takes a jump only to an op that following
`yes` from the start reaches; so yes always leads to the next op, only `no`
jumps, and what is to jump on success is an op followed by a JMP.

include/uapi/linux/inet_diag.h, inet_diag_bc_run() in net/ipv4/inet_diag.c.
"""

from __future__ import annotations

from struct import pack

from ..system import platform

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Union

JMP, S_GE, S_LE, D_GE, D_LE, S_COND, D_COND, DEV_COND, CGROUP_COND = 1, 2, 3, 4, 5, 7, 8, 9, 13
AF_UNSPEC, AF_INET, AF_INET6 = 0, 2, 10
ANY_PORT = -1
#: The program runs on every socket and its check is quadratic; beyond this a set in user space is faster.
MAX_OPS = 64

# A condition is one Op, or And/Or of several, or Not of one.


class Op:
    """One comparison: its code and the bytes after the op."""

    __slots__ = ("code", "payload")

    def __init__(self, code: int, payload: bytes) -> None:
        self.code = code
        self.payload = payload

    ops = 1


class Group:
    """all: every part must hold; otherwise one of them."""

    __slots__ = ("all", "ops", "parts")

    def __init__(self, all: bool, parts: list[Condition]) -> None:
        self.all = all
        self.parts = parts
        self.ops: int = sum(part.ops for part in parts)


class Inverse:
    __slots__ = ("ops", "part")

    def __init__(self, part: Condition) -> None:
        self.part = part
        self.ops: int = part.ops


if TYPE_CHECKING:
    Condition = Union[Op, Group, Inverse]


def every(parts: list[Condition]) -> Condition:
    return parts[0] if len(parts) == 1 else Group(True, parts)


def some(parts: list[Condition]) -> Condition:
    return parts[0] if len(parts) == 1 else Group(False, parts)


# ---- conditions


def ports_between(local: bool, lo: int, hi: int) -> Condition:
    """lo <= port <= hi, inclusive; (0, 65535) holds for all."""
    if lo == hi:
        # Not S_EQ, which is of 4.16: a host condition without address is as old as the bytecode.
        return Op(S_COND if local else D_COND, pack("=BBxxi", AF_UNSPEC, 0, lo))
    parts: list[Condition] = []
    if lo > 0 or hi == 65535:
        parts.append(Op(S_GE if local else D_GE, pack("=xxH", lo)))
    if hi < 65535:
        parts.append(Op(S_LE if local else D_LE, pack("=xxH", hi)))
    return every(parts)


def has_prefix(local: bool, packed: bytes, bits: int, port: int = ANY_PORT) -> Condition:
    """The end has this prefix, and this port.

    A prefix of IPv4 holds for v4-mapped addresses too, the kernel sees to it.
    One of IPv6 that is short enough to cover them would as well: they are
    taken out, for they are IPv4.
    """
    code = S_COND if local else D_COND
    if len(packed) == 4:
        return Op(code, pack("=BBxxi", AF_INET, bits, port) + packed)
    condition = Op(code, pack("=BBxxi", AF_INET6, bits, port) + packed)
    # ::ffff:0:0 under the prefix?
    mapped = 0xFFFF << 32
    if mapped >> (128 - bits) == int.from_bytes(packed, "big") >> (128 - bits):
        return every([condition, Inverse(carries_ipv4(local))])
    return condition


def carries_ipv4(local: bool = True) -> Condition:
    """IPv4 on the wire: plain, or mapped in an IPv6 socket."""
    return Op(S_COND if local else D_COND, pack("=BBxxi", AF_INET, 0, ANY_PORT) + bytes(4))


def bound_to(ifindex: int) -> Condition:
    return Op(DEV_COND, pack("=I", ifindex))


def in_cgroup(number: int) -> Condition:
    """Where has_cgroup_op()."""
    return Op(CGROUP_COND, pack("=Q", number))


def has_cgroup_op() -> bool:
    """Linux 5.8 or later; an older one would refuse the whole program."""
    return platform.release() >= (5, 8)


# ---- assembly


class _Label:
    """An offset later in the program, for jumps."""

    __slots__ = ("at",)

    def __init__(self, at: int = -1) -> None:
        self.at = at


class _Assembler:
    def __init__(self) -> None:
        self.code = bytearray()
        #: (where the op is, where its `no` leads)
        self.jumps: list[tuple[int, _Label]] = []

    def op(self, code: int, payload: bytes, no: _Label) -> None:
        self.jumps.append((len(self.code), no))
        self.code += pack("=BBH", code, 4 + len(payload), 0) + payload

    def put(self, condition: Condition, yes: _Label, no: _Label, follow: _Label) -> None:
        """Code that goes to yes or no; `follow` is the label that will stand right after it."""
        if isinstance(condition, Op):
            self.op(condition.code, condition.payload, no)
            if yes is not follow:
                self._jump_over(yes, no, follow)
        elif isinstance(condition, Inverse):
            self.put(condition.part, no, yes, follow)
        else:
            for part in condition.parts[:-1]:
                following = _Label()
                self.put(part, following if condition.all else yes, no if condition.all else following, following)
                following.at = len(self.code)
            self.put(condition.parts[-1], yes, no, follow)

    def _jump_over(self, yes: _Label, no: _Label, follow: _Label) -> None:
        self.jumps.append((len(self.code), yes))
        self.code += pack("=BBH", JMP, 4, 0)

    def finish(self) -> bytes:
        for at, label in self.jumps:
            self.code[at + 2 : at + 4] = pack("=H", label.at - at)
        return bytes(self.code)


def assemble(condition: Condition) -> bytes:
    """The program that accepts the sockets for which the condition holds.

    struct.error when it is too long for a 16-bit jump; a few hundred ops never are.
    """
    assembler = _Assembler()
    accept, reject = _Label(), _Label()
    assembler.put(condition, accept, reject, accept)
    accept.at = len(assembler.code)
    reject.at = accept.at + 4
    return assembler.finish()
