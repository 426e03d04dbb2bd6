# SPDX-License-Identifier: BSD-2-Clause
"""Many connections at once, held by benchmarks/hold_connections.c in a process of its own."""

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parent.parent.parent / "benchmarks" / "hold_connections.c"
TESTS = Path(__file__).resolve().parent.parent

#: two namespaces, one in the other: the hash size set in the outer one is what the inner one gets
NESTED = """
import os, sys
sys.path.insert(0, sys.argv[1])
from support import netns
assert netns.enter() is None
with open("/proc/sys/net/ipv4/tcp_child_ehash_entries", "w") as f:
    f.write(sys.argv[2])
assert netns.enter() is None
with open("/proc/sys/net/ipv4/tcp_ehash_entries") as f:
    print(abs(int(f.read())), flush=True)
os.execv(sys.argv[3], sys.argv[3:])
"""
_BUILT = []


def program():
    """The compiled holder; skips where there is no compiler."""
    if not _BUILT:
        place = tempfile.TemporaryDirectory()
        binary = Path(place.name, "hold_connections")
        try:
            subprocess.run(["cc", "-O2", "-o", binary, SOURCE], check=True)
        except FileNotFoundError:
            pytest.skip("no C compiler here")
        _BUILT.extend((binary, place))
    return _BUILT[0]


class Crowd:
    """`number` connections from 127.1.0.x to 127.0.0.1, to `ports` listening ports from `port` on."""

    def __init__(self, number, *, port=20000, ports=4, buckets=0, more=()):
        argv = [program(), "-n", str(number), "-b", str(port), "-k", str(ports), *more]
        if buckets:
            argv = [sys.executable, "-c", NESTED, TESTS, str(buckets), *argv]
        self.number, self.port, self.ports = number, port, ports
        self._process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.pid = self._process.pid
        if buckets:
            assert int(self._process.stdout.readline()) == buckets
        line = self._process.stdout.readline()
        assert line.startswith(f"ready {number} "), line

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self._process.stdin.close()
        self._process.wait(60)
        self._process.stdout.close()

    @property
    def servers(self):
        """A filter for the servers' ends, one a connection."""
        return f"lport {self.port}-{self.port + self.ports - 1}"

    def alive(self):
        """(clients, servers) whose sockets have seen no error and no end."""
        self._process.stdin.write("count\n")
        self._process.stdin.flush()
        word, clients, servers = self._process.stdout.readline().split()
        assert word == "alive"
        return int(clients), int(servers)
