# SPDX-License-Identifier: BSD-2-Clause
"""Addresses to host names, for a person who looks: `list -r`.  Loaded by nothing else.

A name stands beside its address, never in its place: who owns an address says
what its name is, and a name may have several addresses.
"""

from __future__ import annotations

import socket
import threading
import time

from ..model.addresses import harmless

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

#: seconds that a person waits at most, however many addresses there are and whoever answers
BOUND = 2.0
#: questions under way at a time
THREADS = 32


def names_of(addresses: Iterable[str]) -> dict[str, str]:
    """address -> its name, of those whose names came in time; each address is asked for once.

    A question that is not answered yet keeps its thread, which ends with the command.
    """
    waiting = list(dict.fromkeys(addresses))
    waiting.reverse()  # the first rows first
    found: dict[str, str] = {}
    left, done = len(waiting), threading.Condition()

    def ask() -> None:
        nonlocal left
        while waiting:
            try:
                address = waiting.pop()
            except IndexError:  # another thread took the last one
                return
            name = _name(address)
            with done:
                left -= 1
                if name:
                    found[address] = name
                done.notify()

    deadline = time.monotonic() + BOUND
    for number in range(min(THREADS, left)):
        try:
            threading.Thread(target=ask, daemon=True).start()
        except RuntimeError:  # no more threads for this user
            if number == 0:
                return {}
            break
    with done:
        done.wait_for(lambda: not left, timeout=max(0.0, deadline - time.monotonic()))
        return dict(found)


def _name(address: str) -> str:
    """What the resolver calls it; "" for none, and for whatever goes wrong: the address is there to be read."""
    try:
        # getnameinfo() would be the newer one, and before CPython 3.10 lets no other thread run meanwhile.
        name = socket.gethostbyaddr(address)[0]
    except (OSError, UnicodeError):
        return ""
    return harmless(name.rstrip("."))
