# SPDX-License-Identifier: BSD-2-Clause
"""A service that a holder gives, and the clients that come to it."""

from support.wait import until


class Service:
    """A listener in the holder, and clients, whose connections are accepted."""

    def __init__(self, holder, number, address="127.0.0.1"):
        self.holder = holder
        self.listener = holder.listener()
        self.port = self.listener.name()[1]
        self.clients, self.servers = [], []
        for _ in range(number):
            self.connect(address)

    def connect(self, address="127.0.0.1"):
        client = self.holder.socket()
        client.call("bind", (address, 0))
        client.call("connect", self.listener.name())
        self.clients.append(client)
        self.servers.append(self.listener.accept())
        return client

    def alive(self):
        """How many connections the server still has."""
        return sum(server.errno("send", b"x") == 0 for server in self.servers)

    def close(self):
        for sock in (*self.clients, *self.servers, self.listener):
            sock.close()


def until_dropped(client):
    """Wait until what it sends meets an error."""
    until(lambda: client.errno("send", b"x"), "the connection to be dropped", 30)
