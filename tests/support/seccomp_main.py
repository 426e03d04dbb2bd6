# SPDX-License-Identifier: BSD-2-Clause
"""Run a command behind a real seccomp filter: seccomp_main.py ERRNO[:PROTOCOL] COMMAND...

socket(AF_NETLINK, ..., PROTOCOL), or of any protocol, fails with this errno,
as below a systemd unit's RestrictAddressFamilies= or a container's profile.
seccomp(2), linux/seccomp.h, linux/filter.h.
"""

import ctypes
import os
import platform
import sys
from struct import pack

AF_NETLINK = 16
PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, FILTER = 22, 38, 2
ALLOW, ERRNO = 0x7FFF0000, 0x00050000
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06
#: where the number of the call, and the low halves of its first and third arguments lie in struct seccomp_data
NR, FIRST, THIRD = 0, 16, 32
#: the call's number; 32-bit x86 has socketcall(2) beside it
SOCKET = {"x86_64": 41, "aarch64": 198, "riscv64": 198}


class Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_char_p))


def program(number, protocol):
    tests = [(NR, SOCKET[platform.machine()]), (FIRST, AF_NETLINK)]
    tests += [(THIRD, protocol)] if protocol is not None else []
    code = b""
    for place, (offset, value) in enumerate(tests):
        beyond = 2 * (len(tests) - place) - 1  # to the last line, which allows
        code += pack("HBBI", LOAD, 0, 0, offset) + pack("HBBI", EQUAL, 0, beyond, value)
    return code + pack("HBBI", RETURN, 0, 0, ERRNO | number) + pack("HBBI", RETURN, 0, 0, ALLOW)


def main():
    what, *command = sys.argv[1:]
    number, _, protocol = what.partition(":")
    code = program(int(number), int(protocol) if protocol else None)
    libc = ctypes.CDLL(None, use_errno=True)
    filtered = Program(len(code) // 8, code)
    # Without the right to filter as it is: only who gives up new privileges may.
    if libc.prctl(PR_SET_SECCOMP, FILTER, ctypes.byref(filtered)) != 0 and (
        libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 or libc.prctl(PR_SET_SECCOMP, FILTER, ctypes.byref(filtered)) != 0
    ):
        sys.exit(f"no seccomp filter can be had: {os.strerror(ctypes.get_errno())}")
    os.execvp(command[0], command)


main()
