#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Is the SunOS backend right about a real system?  Run it as root, there.

It makes loopback connections of its own, drops one end of each, and checks what
docs/porting.md claims.  Python and the installed tcpdrop are all it needs.  On
Linux, with TCPDROP_BACKEND=sunos-sim, it checks the simulator in the same way.
"""

import errno
import os
import socket
import sys
import time

import tcpdrop
from tcpdrop import _tcpdrop
from tcpdrop.model.rows import COOKIE, CREATED, LPORT, PID, ROW, RPORT, STATE
from tcpdrop.system import sunos_fdinfo as fdinfo

SIMULATED = sys.platform.startswith("linux")
ESTABLISHED, LISTEN, ALL = 1, 10, 0xFFE
PATIENCE = 5.0


def check(what, ok):
    print(("ok    " if ok else "NOT   ") + what, flush=True)
    if not ok:
        check.failed += 1


check.failed = 0


def pair(family, address):
    with socket.socket(family) as server:
        server.bind((address, 0))
        server.listen(1)
        client = socket.socket(family)
        client.connect(server.getsockname())
        return client, server.accept()[0]


def tuple_of(sock):
    pack = [socket.inet_pton(sock.family, end[0]) for end in (sock.getsockname(), sock.getpeername())]
    return pack[0], sock.getsockname()[1], pack[1], sock.getpeername()[1]


def look(ends):
    """The row, or the errno."""
    try:
        return ROW.unpack(_tcpdrop.lookup(*ends))
    except OSError as error:
        return error.errno


def wait_until_gone(ends):
    end = time.monotonic() + PATIENCE
    while look(ends) != errno.ENOENT and time.monotonic() < end:
        time.sleep(0.01)
    return look(ends) == errno.ENOENT


def drop(ends, **keywords):
    try:
        _tcpdrop.abort(*ends, **keywords)
    except OSError as error:
        print(f"      {getattr(error, 'step', '')}: {error}")
        return error.errno
    return 0


def one_family(name, family, address):
    victim, peer = pair(family, address)
    ends, mirrored = tuple_of(victim), tuple_of(peer)
    row = look(ends)
    check(f"{name}: it is found", isinstance(row, tuple) and row[STATE] == ESTABLISHED)
    if not isinstance(row, tuple):
        return
    print(f"      cookie {row[COOKIE]:x}, created {row[CREATED]}, creator {row[PID]}, family {row[8]}")
    check(f"{name}: it is in the list once", ports(ends) == 1)
    check(f"{name}: a wrong identity is refused", drop(ends, cookie=row[COOKIE] + 1) == errno.ENOENT)
    check(f"{name}: it is dropped", drop(ends, cookie=row[COOKIE]) == 0)
    victim.settimeout(PATIENCE)
    try:
        got = victim.recv(1)
    except OSError as error:
        got = error.errno
    check(f"{name}: its end is told ({got!r})", got == (errno.ECONNABORTED if SIMULATED else errno.ECONNRESET))
    check(f"{name}: it is gone from the list", wait_until_gone(ends))
    peer.settimeout(0.3)
    try:
        got = peer.recv(1)
    except OSError as error:
        got = error.errno or "timed out"
    check(f"{name}: the other end has not noticed ({got!r})", got == "timed out")
    check(f"{name}: the other end is still listed", isinstance(look(mirrored), tuple))
    check(f"{name}: a second drop finds nothing", drop(ends) == errno.ENOENT)
    victim.close()
    peer.close()


def ports(ends):
    rows = [ROW.unpack_from(row) for row in _tcpdrop.list_connections(ALL)]
    return sum((row[LPORT], row[RPORT]) == (ends[1], ends[3]) for row in rows)


def listener_survives():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(1)
        address = server.getsockname()
        rows = [ROW.unpack_from(row) for row in _tcpdrop.list_connections(1 << LISTEN)]
        check("a listener is listed", any(row[LPORT] == address[1] for row in rows))
        here = socket.inet_aton("127.0.0.1")
        check("a tuple on its port that does not exist is not found", drop((here, address[1], here, 1)) == errno.ENOENT)
        with socket.create_connection(address, PATIENCE):
            check("the listener still accepts", True)


def age_and_holder():
    """What rests on the clock of times(2) and, where there is one, on /proc/PID/fdinfo."""
    victim, peer = pair(socket.AF_INET, "127.0.0.1")
    (found,) = tcpdrop.connections(f"lport {victim.getsockname()[1]} and rport {peer.getsockname()[1]}")
    held = fdinfo.Held([os.getpid()])
    print(f"      age {found.age_ms} ms, creator {found.pids}, fdinfo {'is' if held.exists else 'is not'} there")
    if not SIMULATED:
        check("it is as old as it is", found.age_ms is not None and found.age_ms < 60_000)
        check("we made it", found.pids == (os.getpid(),))
        check("fdinfo names both ends", not held.exists or tuple_of(victim) in (held.ends[os.getpid()] or ()))
    victim.close()
    peer.close()


def main():
    print(f"{sys.platform}, Python {sys.version.split()[0]}, backend {_tcpdrop.BACKEND}")
    check("this is the SunOS backend", _tcpdrop.BACKEND == "sunos")
    try:
        _tcpdrop.probe()
        check("the probe says: this kernel can, and we may", True)
    except OSError as error:
        check(f"the probe says: this kernel can, and we may ({error.step}: {error})", False)
    check("there are interfaces", bool(_tcpdrop.interfaces()))
    one_family("IPv4", socket.AF_INET, "127.0.0.1")
    one_family("IPv6", socket.AF_INET6, "::1")
    one_family("IPv4 on IPv6 sockets", socket.AF_INET6, "::ffff:127.0.0.1")
    listener_survives()
    age_and_holder()
    print(f"{check.failed} failed")
    return check.failed != 0


if __name__ == "__main__":
    sys.exit(main())
