# SPDX-License-Identifier: BSD-2-Clause
"""What happens to connections that begin to listen while many are dropped: how many are taken all the same, and how old they were.

    unshare -n sh -c 'ip link set lo up; exec .venv/bin/python benchmarks/listener_window.py'

src/linux_listeners.c says which window is left.  Each round drops thousands of
connections, a few hundred of which are disconnected and listen meanwhile, in
any order, on the very port.  A listener that is destroyed shows EPOLLHUP.
"""

import ctypes
import random
import select
import socket
import sys
import threading
from array import array
from time import perf_counter

from tcpdrop import _tcpdrop
from tcpdrop.model.rows import CONNECTION_STATES, COOKIE, LPORT, ROW

LIBC = ctypes.CDLL(None)


def pairs(server, number, first):
    made = []
    for port in range(first, first + number):
        client = socket.socket()
        client.bind(("127.0.0.1", port))
        client.connect(server.getsockname())
        made.append((client, server.accept()[0]))
    return made


class Converter(threading.Thread):
    """Makes listeners of connections, one after the other, and notes when each began and when it was destroyed."""

    def __init__(self, clients):
        super().__init__()
        self.clients, self.done = clients, False
        self.began, self.ended = {}, {}
        self.epoll = select.epoll()

    def run(self):
        by_fd = {}
        for client in self.clients:
            if client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0:  # else it was dropped by now
                try:
                    LIBC.connect(client.fileno(), bytes(16), 16)  # AF_UNSPEC: no connection any more
                    client.listen()
                except OSError:
                    continue
                self.began[client] = perf_counter()
                by_fd[client.fileno()] = client
                self.epoll.register(client, 0)
            self._look(by_fd)
            if self.done:
                break
        while not self.done:
            self._look(by_fd)
        self._look(by_fd)

    def _look(self, by_fd):
        for fd, _ in self.epoll.poll(0):
            self.ended[by_fd[fd]] = perf_counter()
            self.epoll.unregister(fd)


def one_round(dice, number, victims, threads):
    with socket.create_server(("127.0.0.1", 0), backlog=4096) as server:
        crowd = pairs(server, number, 10000)
        clients = [client for client, _ in crowd]
        table = _tcpdrop.list_connections(CONNECTION_STATES)
        rows = {ROW.unpack_from(raw)[LPORT]: (place, ROW.unpack_from(raw)[COOKIE]) for place, raw in enumerate(table)}
        wanted = array("I", [rows[port][0] for port in range(10000, 10000 + number)])
        converter = Converter(dice.sample(clients, victims))
        converter.start()
        before = perf_counter()
        answers = list(memoryview(_tcpdrop.abort_rows(table, wanted.tobytes(), threads=threads)).cast("i"))
        after = perf_counter()
        converter.done = True
        converter.join()
        listen = [ROW.unpack(raw)[COOKIE] for raw in _tcpdrop.list_connections(1 << 10)]
        taken = []
        for place, client in enumerate(clients):
            cookie = rows[10000 + place][1]
            began = converter.began.get(client)
            if began is not None and cookie not in listen and began < after:
                taken.append((converter.ended.get(client, after) - began, answers[place]))
        spared = sum(1 for client in converter.began if converter.began[client] < after) - len(taken)
        for ends in crowd:
            for one in ends:
                one.close()
    return after - before, spared, taken


def main():
    rounds, number, victims = int(sys.argv[1]) if len(sys.argv) > 1 else 10, 8000, 100
    dice = random.Random(5)
    for threads in (1, 2):
        times, spared, taken = [], 0, []
        for _ in range(rounds):
            took, left, gone = one_round(dice, number, victims, threads)
            times.append(took)
            spared += left
            taken += gone
        ages = sorted(age * 1000 for age, _ in taken)
        print(
            f"{threads} thread(s): {rounds} drops of {number} in {sorted(times)[rounds // 2] * 1000:.1f} ms; "
            f"{spared + len(taken)} began to listen before their turn or after their drop; {len(taken)} listeners were destroyed, "
            + (f"of an age of {ages[len(ages) // 2]:.2f} ms in the middle, {ages[-1]:.2f} ms at most" if ages else "none")
        )


if __name__ == "__main__":
    main()
