# SPDX-License-Identifier: BSD-2-Clause
"""The process behind support/command.py's Login: a session's TCP connection, and commands below it."""

import json
import os
import socket
import subprocess
import sys

# The child between us and the command, so that the holder is not its parent but further up.
CHILD = "import subprocess, sys; sys.exit(subprocess.run(sys.argv[1:]).returncode)"


def answer(sock, request):
    if request[0] == "run":
        argv = ["sh", "-c", '"$@"; exit $?', "sh", sys.executable, "-I", "-c", CHILD, *request[1]]
        done = subprocess.run(argv, env={**os.environ, **request[2]}, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
        return [done.returncode, done.stdout, done.stderr]
    if request[0] == "name":
        with open("/proc/self/comm", "wb") as f:
            f.write(os.fsencode(request[1]))
        return None
    try:
        sock.sendall(b"x")
    except OSError:
        return False
    return True


def main():
    host, port, device = sys.argv[1:]
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as sock:
        if device:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
        sock.connect((host, int(port)))
        print(json.dumps([sock.getsockname()[:2], sock.getpeername()[:2]]), flush=True)
        for line in sys.stdin:
            print(json.dumps(answer(sock, json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
