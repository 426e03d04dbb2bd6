# SPDX-License-Identifier: BSD-2-Clause
"""A process with a few hundred loopback sockets of every kind, in a network namespace of its own.

It answers each line of JSON, the arguments of ss, with ss's output, and ends
with its input.
"""

import contextlib
import json
import os
import socket
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from support import netns
from support.sockets import SO_BINDTODEVICE

KEEP = []
IPV6_FREEBIND = 78
SILENT = "192.0.2.1"


def listen(family, addr, port, dual=False, backlog=200):
    s = socket.socket(family, socket.SOCK_STREAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if dual else 1)
    s.bind((addr, port))
    s.listen(backlog)
    KEEP.append(s)
    return s


def connect(server, to, source=None, family=socket.AF_INET, dev=False):
    c = socket.socket(family, socket.SOCK_STREAM)
    c.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        c.setsockopt(socket.IPPROTO_IPV6, IPV6_FREEBIND, 1)  # the addresses are a route, not on the interface
    if dev:
        c.setsockopt(socket.SOL_SOCKET, SO_BINDTODEVICE, b"lo\0")
    if source:
        c.bind(source)
    c.connect(to)
    a = server.accept()[0]
    KEEP.extend([c, a])
    return c, a


def fill(s):
    s.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            s.send(b"x" * 65536)


def shape(i, client, accepted):
    """Bring the i-th pair into one of the states."""
    kind = i % 10
    if kind == 4:
        client.shutdown(socket.SHUT_WR)  # FIN_WAIT2 and CLOSE_WAIT
    elif kind == 5:
        client.close()
        accepted.close()  # TIME_WAIT
    elif kind == 6:
        fill(client)
        client.close()  # FIN_WAIT1, an orphan
    elif kind == 7:
        accepted.shutdown(socket.SHUT_WR)
        fill(client)
        client.close()  # LAST_ACK, an orphan; the other end FIN_WAIT2
    elif kind == 8:
        client.send(b"y" * (i * 100))  # something in a queue


def populate():
    v4, v6 = socket.AF_INET, socket.AF_INET6
    netns.add_host_route_on_lo(SILENT)
    more6 = not subprocess.call(["ip", "-6", "route", "add", "local", "fd00:1::/64", "dev", "lo"], stderr=subprocess.DEVNULL)
    servers4 = [listen(v4, "0.0.0.0", 22), listen(v4, "127.0.0.1", 80), listen(v4, "127.1.0.1", 443)]
    servers6 = [listen(v6, "::1", 80), listen(v6, "::", 443)]
    dual = [listen(v6, "::", 8080, dual=True), listen(v6, "::", 1024, dual=True)]
    for i in range(80):
        server = servers4[i % 3]
        to = ("127.1.0.1" if i % 3 == 2 else "127.0.0.1", server.getsockname()[1])
        source = (f"127.{i % 4}.{i % 3}.{1 + i % 5}", 32768 + i if i % 2 else 0)
        shape(i, *connect(server, to, source, dev=i % 7 == 0))
    for i in range(40):
        server = servers6[i % 2]
        to = ("fd00:1::1" if i % 2 and more6 else "::1", server.getsockname()[1])
        source = (f"fd00:1::{i % 3}:{i % 5}" if more6 and i % 3 else "::1", 40000 + i if i % 2 else 0)
        shape(i, *connect(server, to, source, v6, dev=i % 7 == 0))
    for i in range(40):
        server = dual[i % 2]
        port = server.getsockname()[1]
        if i % 3:  # a mapped server end, and with it the client's
            shape(i, *connect(server, ("127.0.0.1", port), (f"127.{i % 4}.0.{1 + i % 5}", 0)))
        else:
            shape(i, *connect(server, ("::ffff:127.0.0.1", port), (f"::ffff:127.{i % 4}.0.{1 + i % 5}", 0), v6))
    for _ in range(5):
        s = socket.socket()
        s.setblocking(False)
        s.connect_ex((SILENT, 443))  # SYN_SENT
        KEEP.append(s)


def own_hash_table():
    """Namespaces made from this one get a small table of their own (Linux 6.1): a dump need not walk the whole host's."""
    with contextlib.suppress(OSError), open("/proc/sys/net/ipv4/tcp_child_ehash_entries", "w", encoding="ascii") as f:
        f.write("1024")


def main():
    own_hash_table()
    netns.unshare(netns.CLONE_NEWNET)
    netns.loopback_up()
    populate()
    print("ready", flush=True)
    for line in sys.stdin:
        done = subprocess.run(["ss", *json.loads(line)], capture_output=True, text=True)
        print(json.dumps([done.returncode, done.stdout, done.stderr]), flush=True)


if __name__ == "__main__":
    main()
