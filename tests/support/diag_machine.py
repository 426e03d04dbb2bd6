# SPDX-License-Identifier: BSD-2-Clause
"""inet_diag bytecode as the kernel audits and runs it (inet_diag_bc_audit, inet_diag_bc_run): the tests' oracle."""

from struct import unpack_from

MAPPED = bytes(10) + b"\xff\xff"


def audit(program):
    """The kernel's checker: every jump leads to an op, or to the end, or four bytes behind it."""
    starts, at = [], 0
    while at < len(program):
        starts.append(at)
        assert program[at] in (1, 2, 3, 4, 5, 7, 8, 9, 13), "code"
        assert program[at + 1] >= 4 and program[at + 1] % 4 == 0, "yes"
        at += program[at + 1]
    assert at == len(program), "the yes chain leaves the program"
    for at in starts:
        code, yes, no = unpack_from("=BBH", program, at)
        assert no >= (yes if code != 1 else 4), "no jumps into its own op"
        assert at + no in starts or at + no in (len(program), len(program) + 4), "no jumps between ops"


def accepts(program, row):
    """row: laddr, raddr, ..., as rows.py unpacks it."""
    at = 0
    while at < len(program):
        code, yes, no = unpack_from("=BBH", program, at)
        at += yes if _holds(code, program, at, row) else no
    return at == len(program)


def _holds(code, program, at, row):
    laddr, raddr, cgroup, lport, rport, family, ifindex = row[0], row[1], row[4], row[6], row[7], row[8], row[12]
    if code == 1:
        return False  # JMP takes `no`
    if code in (2, 3, 4, 5):
        port, wanted = (lport if code < 4 else rport), unpack_from("=H", program, at + 6)[0]
        return port >= wanted if code in (2, 4) else port <= wanted
    if code == 9:
        return ifindex == unpack_from("=I", program, at + 4)[0]
    if code == 13:
        return cgroup == unpack_from("=Q", program, at + 4)[0]
    kind, bits, port = unpack_from("=BBxxi", program, at + 4)
    addr = laddr if code == 7 else raddr
    if port not in (-1, lport if code == 7 else rport):
        return False
    if kind and kind != (2 if family == 4 else 10):
        if not (family == 6 and kind == 2 and addr.startswith(MAPPED)):
            return False
        addr = addr[12:]
    size = (bits + 7) // 8
    wanted, shift = program[at + 12 : at + 12 + size], 8 * size - bits
    return int.from_bytes(addr[:size], "big") >> shift == int.from_bytes(wanted, "big") >> shift
