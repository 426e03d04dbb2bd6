# SPDX-License-Identifier: BSD-2-Clause
"""With everything readable, only what no look explains is undecidable: a population whose truth is known, asked with the whole vocabulary.

The population is real: Redis with clients, a server that forks, threads, one
with a table of its own, both families, a closed port's TIME_WAIT, an orphan,
what nobody has accepted.  The number of rows that could not be decided is
exactly that of those that nobody holds, and of the ports of neither sort.
"""

import os
import subprocess
import sys

import pytest
from support import procnet, servers

import tcpdrop

pytestmark = [pytest.mark.privileged, pytest.mark.real_root, pytest.mark.only_on("linux", reason="holders by /proc")]

#: accepts on the port that it tells; its children and threads hold what it accepted; then it waits
FORKS = """
import ctypes, os, socket, sys, threading
server = socket.create_server(("127.0.0.1", 0))
clients = [socket.create_connection(server.getsockname()) for _ in range(8)]
accepted = [server.accept()[0] for _ in clients]
ready, said = os.pipe()
for number in range(4):  # as PostgreSQL: the child has it, the parent has it no more
    if os.fork() == 0:
        for other in accepted[:number] + accepted[number + 1:]:
            other.close()
        for client in clients:
            client.close()
        os.write(said, b"x")
        sys.stdin.read()
        os._exit(0)
for sock in accepted[:4]:
    sock.close()
held = threading.Event()
def own():
    assert ctypes.CDLL(None).unshare(0x400) == 0  # CLONE_FILES: a table of its own
    held.wait()
    sys.stdin.read()
threading.Thread(target=own, daemon=True).start()
for _ in range(4):
    os.read(ready, 1)
gone = socket.create_connection(server.getsockname())  # TIME_WAIT: it closes first
other = server.accept()[0]
gone.close()
other.recv(1)
other.close()
waiting = socket.create_connection(server.getsockname())  # nobody accepts it
print(server.getsockname()[1], flush=True)
held.set()
sys.stdin.read()
"""

PREDICATES = (
    *("pid {pid}", "pid {self}", "comm python3*", "comm redis-server", "comm *", "comm nosuch", "user 0", "user 4711", "mine"),
    *("unit ssh", "unit nosuch*", "cgroup /", "dev lo", "in", "out", "loopback", "family inet", "state established"),
    *("port {port}", "lport {redis}", "idle ge 0s", "rtt ge 0s", "cc *", "kernel"),
)


@pytest.fixture(scope="module")
def population(tmp_path_factory):
    with subprocess.Popen([sys.executable, "-c", FORKS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        try:
            port = int(child.stdout.readline())
            with servers.redis(tmp_path_factory.mktemp("redis")) as (kind, redis, _):
                clients = [kind("127.0.0.1", redis) for _ in range(5)]
                assert all(client.ask() for client in clients)
                yield {"self": os.getpid(), "pid": child.pid, "port": port, "redis": redis}
                for client in clients:
                    client.close()
        finally:
            child.kill()


def unheld(population):
    """Those that no process holds, by the kernel's own list: without inode, but for what listens."""
    ports = {population["port"], population["redis"]}
    rows = [row for row in procnet.sockets() if {row.lport, row.rport} & ports and row.state != 10]
    return len(rows), sum(row.inode == 0 for row in rows)


def asked(population, text):
    """(matching, undecidable) among the population."""
    found = tcpdrop.connections(
        f"({text.format(**population)}) and port {population['port']},{population['redis']} and state all and not state listen"
    )
    return len(found), found.undecidable


HELD = ("pid", "comm", "user", "mine", "unit")


@pytest.mark.parametrize("text", PREDICATES)
def test_what_is_undecidable_is_held_by_nobody(population, text):
    number, none = unheld(population)
    assert number >= 25 and none >= 2, "there is something to ask about"
    yes, unsure = asked(population, text)
    no, unsure_too = asked(population, f"not ({text})")
    word = text.split()[0]
    assert yes + no + unsure == number and unsure == unsure_too, (yes, no, unsure, unsure_too)
    if word in HELD:
        assert unsure <= none, "nobody holds it"
    elif word not in ("kernel", "cgroup", "idle", "rtt", "cc"):
        assert unsure == 0
