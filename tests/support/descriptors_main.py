# SPDX-License-Identifier: BSD-2-Clause
"""Connections that come and go in threads, so that their descriptors' numbers change hands all the time.

From 127.66.0.1 they are to be dropped, from 127.66.0.2 nobody may touch them.
At the end of input: how many victims were reset, how many bystanders were hurt,
how many connections there were.
"""

import contextlib
import os
import random
import socket
import sys
import threading
import time

COUNTS = {"reset": 0, "hurt": 0, "made": 0}
LOCK = threading.Lock()
STOP = threading.Event()


def count(what):
    with LOCK:
        COUNTS[what] += 1


def talk(client, server):
    for a, b in ((client, server), (server, client)):
        a.sendall(b"x")
        if b.recv(1) != b"x":
            raise ConnectionResetError


def churn(listener):
    chance = random.Random(threading.get_ident())
    while not STOP.is_set():
        victim = chance.random() < 0.5
        sockets = []
        try:
            client = socket.create_connection(listener.getsockname(), 10, ("127.66.0.1" if victim else "127.66.0.2", 0))
            sockets.append(client)
            # A victim may have been dropped within connect(): its other end never comes, or still waits here.
            listener.settimeout(0.05 if victim else 5)
            server, peer = listener.accept()
            while not victim and peer != client.getsockname():
                server.close()
                server, peer = listener.accept()
            sockets.append(server)
            count("made")
            for _ in range(chance.randrange(4)):
                talk(client, server)
                if chance.random() < 0.3:  # another number for the same socket
                    moved = client.dup()
                    client.close()
                    client = moved
                    sockets.append(client)
                time.sleep(chance.random() * 0.05)
        except OSError as error:
            count("reset" if victim else "hurt")
            if not victim:
                sys.stderr.write(f"{sockets}: {error!r}\n")
        for one in sockets:
            one.close()


def main():
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(12)]
    threads = [threading.Thread(target=churn, args=(listener,), daemon=True) for listener in listeners]
    for thread in threads:
        thread.start()
    threading.Timer(float(sys.argv[1]), os._exit, (1,)).start()
    print("ready", flush=True)
    sys.stdin.read()
    STOP.set()
    for thread in threads:
        thread.join()
    print(COUNTS["reset"], COUNTS["hurt"], COUNTS["made"], flush=True)
    with contextlib.suppress(OSError):
        sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
