# SPDX-License-Identifier: BSD-2-Clause
"""The sockets of zoo_main.py, seen by us and by ss."""

import json
import os
import socket
import subprocess
import sys

from tcpdrop import _tcpdrop
from tcpdrop.model.rows import LADDR, LPORT, RADDR, RPORT, packed_addr

SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "zoo_main.py")


class Zoo:
    def __init__(self):
        self._process = subprocess.Popen([sys.executable, "-I", SCRIPT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout.readline() == "ready\n"
        self.pid = self._process.pid
        self.scope = os.open(f"/proc/{self.pid}/ns/net", os.O_RDONLY)

    def close(self):
        os.close(self.scope)
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()

    def ss(self, *args):
        """ss's answer as a set of ((addr, port), (addr, port))."""
        self._process.stdin.write(json.dumps(["-tanH", *args]) + "\n")
        self._process.stdin.flush()
        code, out, err = json.loads(self._process.stdout.readline())
        assert code == 0 and not err, (args, err)
        # With one state asked for, ss leaves the first column out.
        return {(_ss_end(fields[-2]), _ss_end(fields[-1])) for fields in map(str.split, out.splitlines())}

    def table(self, plan):
        return _tcpdrop.list_connections(plan.states, plan.program, plan.sport, plan.dport, scope=self.scope)


def ends(row):
    return tuple((packed_addr(row, addr), row[port]) for addr, port in ((LADDR, LPORT), (RADDR, RPORT)))


def _ss_end(text):
    addr, _, port = text.rpartition(":")
    addr = addr.split("%")[0].strip("[]").split("%")[0]
    packed = socket.inet_pton(socket.AF_INET6, "::" if addr == "*" else addr) if ":" in addr or addr == "*" else socket.inet_aton(addr)
    mapped = len(packed) == 16 and packed.startswith(bytes(10) + b"\xff\xff")
    return packed[12:] if mapped else packed, 0 if port == "*" else int(port)
