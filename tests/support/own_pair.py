# SPDX-License-Identifier: BSD-2-Clause
"""A connection of another user's, who is no child of what drops it."""

import contextlib
import subprocess
import sys

#: it says which until its input ends
PAIR = """
import socket, sys
with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client, server.accept()[0]:
    print(client.getsockname()[1], flush=True)
    sys.stdin.read()
"""


@contextlib.contextmanager
def own_pair(*who):
    """Its client's port; who: the command that becomes that user."""
    with subprocess.Popen([*who, sys.executable, "-c", PAIR], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd="/") as one:
        yield int(one.stdout.readline())
        one.communicate()
