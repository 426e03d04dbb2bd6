# SPDX-License-Identifier: BSD-2-Clause
"""Open and close loopback connections as fast as possible; count what befell them.

argv: the clients' address, the listening port.  Goes on until its input ends, then prints
one JSON object: made, and how many calls failed with which errno.
"""

import collections
import errno
import json
import socket
import struct
import sys
import threading

LINGER = struct.pack("ii", 1, 0)


def main():
    source, port = sys.argv[1], int(sys.argv[2])
    stop = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), stop.set()), daemon=True).start()
    made, errors = 0, collections.Counter()
    listener = socket.create_server(("127.0.0.1", port), backlog=64)
    print("ready", flush=True)
    while not stop.is_set():
        client = socket.socket()
        server = None
        try:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER)  # no TIME_WAIT, ports last for ever
            client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            client.bind((source, 0))
            client.connect(("127.0.0.1", port))
            server, _ = listener.accept()
            server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER)
            for one, other in ((client, server), (server, client)):
                one.sendall(b"x")
                if other.recv(1) != b"x":
                    raise OSError(errno.EPIPE, "end of file")
            made += 1
        except OSError as e:
            errors[errno.errorcode.get(e.errno, str(e.errno))] += 1
        finally:
            client.close()
            if server is not None:
                server.close()
    print(json.dumps({"made": made, "errors": errors}), flush=True)


if __name__ == "__main__":
    main()
