# SPDX-License-Identifier: BSD-2-Clause
"""Open, use and close loopback connections as fast as possible, and write down what befell each.

argv: the clients' address, the listening port, a file, "churn", "reuse" (one client port, the same
four-tuple again and again) or "hold" (each lives until it is dropped).  Goes on until its input ends.
The file gets a RECORD for each: cookies of the client and of what was accepted, and their errnos, 0 for none.
What connect(2) refused because that four-tuple is in use never was a connection, and gets none.
"""

import errno
import itertools
import select
import socket
import struct
import sys
import threading
import time

RECORD = struct.Struct("=QQii")
LINGER = struct.pack("ii", 1, 0)
SO_COOKIE = 57
HELD = 20


def cookie(s):
    return struct.unpack("=Q", s.getsockopt(socket.SOL_SOCKET, SO_COOKIE, 8))[0]


class Connection:
    """Both ends of one; `errnos` is what each was told, by a call of its own or by SO_ERROR."""

    def __init__(self, listener, source):
        self.cookies, self.errnos, self.ends = [0, 0], [0, 0], []
        client = socket.socket()
        self.ends.append(client)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER)  # no TIME_WAIT, ports last for ever
        client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        client.bind(source)
        self.cookies[0] = cookie(client)
        if not self.did(0, client.connect, listener.getsockname()):
            return
        try:
            server, _ = listener.accept()
        except TimeoutError:  # it was reset before there was anything to accept
            return
        server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER)
        self.ends.append(server)
        self.cookies[1] = cookie(server)

    def did(self, end, call, *args):
        try:
            return call(*args) != b""
        except OSError as e:
            self.errnos[end] = e.errno
            return False

    def talk(self):
        for one, other in ((0, 1), (1, 0)):
            if not (self.did(one, self.ends[one].sendall, b"x") and self.did(other, self.ends[other].recv, 1)):
                return

    def close(self, log):
        for end, s in enumerate(self.ends):
            self.errnos[end] = self.errnos[end] or s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        for s in self.ends:  # both were asked before: this resets the other
            s.close()
        if self.errnos[0] != errno.EADDRNOTAVAIL:
            log.write(RECORD.pack(*self.cookies, *self.errnos))


def hold(listener, source, log, stop):
    """Some that live until they are dropped; what died is replaced."""
    held = []
    while not stop.is_set():
        held += [Connection(listener, source) for _ in range(HELD - len(held))]
        poller = select.poll()
        for one in held:
            for s in one.ends:
                poller.register(s, select.POLLIN)
        told = {fd for fd, _ in poller.poll(100)}
        for one in [one for one in held if len(one.ends) < 2 or told & {s.fileno() for s in one.ends}]:
            one.close(log)
            held.remove(one)
    for one in held:
        one.close(log)


def churn(listener, source, log, stop):
    """One after the other; a few stay, and one in six seconds long enough for a dropper that a busy machine keeps waiting."""
    due = time.monotonic()
    for number in itertools.count():
        if stop.is_set():
            return
        one = Connection(listener, source)
        if len(one.ends) == 2:
            one.talk()
            if time.monotonic() >= due:
                time.sleep(1.5)
                due = time.monotonic() + 5
            elif number % 25 == 0:
                time.sleep(0.01)
        one.close(log)


def main():
    source, port, path, how = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
    stop = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), stop.set()), daemon=True).start()
    listener = socket.create_server(("127.0.0.1", port), backlog=64)
    listener.settimeout(5)
    print("ready", flush=True)
    with open(path, "wb") as log:
        {"hold": hold}.get(how, churn)(listener, (source, port + 1000 if how == "reuse" else 0), log, stop)


if __name__ == "__main__":
    main()
