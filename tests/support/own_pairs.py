# SPDX-License-Identifier: BSD-2-Clause
"""Connections of this very process, in a network namespace of its own: some to drop, some that nobody may touch."""

import resource
import socket

from support import netns
from support.wait import until

ESTABLISHED = 1


def packed(name):
    return socket.inet_aton(name[0]), name[1]


class Pair:
    """A connection over loopback, from the client's end."""

    def __init__(self, server):
        self.client = socket.create_connection(server.getsockname())
        self.accepted = server.accept()[0]
        self.local, self.remote = self.client.getsockname(), self.client.getpeername()
        self.tuple = (*packed(self.local), *packed(self.remote))

    def __str__(self):
        return f"{self.local[0]} {self.local[1]} {self.remote[0]} {self.remote[1]}"

    def alive(self):
        """Both ends, or neither: half a connection is a mistake on loopback.

        The other end gets its RST from a softirq: at once, or where ksoftirqd has it, a moment later.
        """
        return until(self._alike, f"both ends of {self} to be alike").pop()

    def _alike(self):
        """Whether the ends are alive, if both are or neither is."""
        ends = {one.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == ESTABLISHED for one in (self.client, self.accepted)}
        return ends if len(ends) == 1 else None

    def close(self):
        self.client.close()
        self.accepted.close()


class World:
    def __init__(self, bystanders=3):
        why = netns.enter()
        assert why is None, why
        resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
        self.server = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port = self.server.getsockname()[1]
        self.bystanders = [self.pair() for _ in range(bystanders)]

    def pair(self):
        return Pair(self.server)

    def check(self, what):
        assert all(pair.alive() for pair in self.bystanders), f"{what}: a bystander died"
        self.pair().close()  # and it listens
