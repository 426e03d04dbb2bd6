# SPDX-License-Identifier: BSD-2-Clause
"""Processes whose names are bytes that no text has."""

import subprocess
import sys

import pytest

CODE = """
import ctypes, socket, sys
ctypes.CDLL(None).prctl(15, bytes.fromhex(sys.argv[1]), 0, 0, 0)
listener = socket.create_server(("127.0.0.1", 0))
ends = socket.create_connection(listener.getsockname()), listener.accept()[0]
print(listener.getsockname()[1], flush=True)
input()
"""
NAMES = {
    "latin-1": (b"caf\xe9", "caf\\udce9"),
    "cut inside a character": ("éééééééé".encode(), "ééééééé\\udcc3"),
    "japanese": ("日本".encode(), "日本"),
    "bytes alone": (b"\xff\xfe", "\\udcff\\udcfe"),
}


@pytest.fixture(params=NAMES)
def named(request):
    """(the port, the spelling) of a process of this name."""
    raw, spelling = NAMES[request.param]
    with subprocess.Popen([sys.executable, "-c", CODE, raw.hex()], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield int(process.stdout.readline()), spelling
        process.communicate("\n")
