# SPDX-License-Identifier: BSD-2-Clause
"""Reading /proc/PID, proc(5).  Raises OSError as the files do: unreadable is not empty."""

from __future__ import annotations

import os

_SOCKET = b"socket:["


def parent_of(pid: int) -> int:
    """The parent's pid; 0 for the first process and for one of another PID namespace."""
    with open(f"/proc/{pid}/stat", "rb") as file:
        text = file.read()
    # The command's name stands in parentheses and may contain any byte.
    return int(text[text.rindex(b")") + 1 :].split()[1])


def command_of(pid: int) -> str:
    """The command's name (up to 15 bytes of anything); undecodable bytes as surrogates."""
    with open(f"/proc/{pid}/comm", "rb") as file:
        return os.fsdecode(file.read().rstrip(b"\n"))


def socket_inodes(pid: int) -> set[int]:
    """The inodes of the sockets that a process has descriptors of."""
    inodes = set()
    path = b"/proc/%d/fd" % pid
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for name in os.listdir(path):
            try:
                target = os.readlink(name, dir_fd=directory)
            except FileNotFoundError:
                continue  # closed meanwhile
            if target.startswith(_SOCKET):
                inodes.add(int(target[len(_SOCKET) : -1]))
    finally:
        os.close(directory)
    return inodes


def environment_of(pid: int) -> dict[bytes, bytes]:
    """The environment a process was started with."""
    with open(f"/proc/{pid}/environ", "rb") as file:
        pairs = [entry.partition(b"=") for entry in file.read().split(b"\0")]
    return {name: value for name, equals, value in pairs if equals}
