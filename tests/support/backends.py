# SPDX-License-Identifier: BSD-2-Clause
"""What a drop looks like on each backend: the one place where tests know the difference."""

import errno
import sys
from typing import NamedTuple


class Backend(NamedTuple):
    name: str
    #: what the victim's blocked calls get
    victim_errno: int
    #: the other end of a loopback connection dies with it
    takes_both_ends: bool
    #: the peer gets a reset now
    tells_peer: bool
    #: abort() returns before the socket is gone
    asynchronous: bool
    #: sockets have a kernel identity of their own
    cookies: bool
    #: abort_descriptor, SO_BINDTODEVICE, network namespaces, inet_diag bytecode
    descriptors: bool
    devices: bool
    namespaces: bool
    programs: bool
    #: a row tells its user
    uids: bool
    #: a row tells IPv4 that an IPv6 socket carries from IPv4
    mapped: bool


_ALL = (
    Backend(
        "linux",
        errno.ECONNABORTED,
        takes_both_ends=True,
        tells_peer=True,
        asynchronous=False,
        cookies=True,
        descriptors=True,
        devices=True,
        namespaces=True,
        programs=True,
        uids=True,
        mapped=True,
    ),
    Backend(
        "sunos",
        # On Linux this backend stands on the simulator, whose victims are Linux sockets.
        errno.ECONNABORTED if sys.platform == "linux" else errno.ECONNRESET,
        takes_both_ends=False,
        tells_peer=False,
        asynchronous=True,
        cookies=False,
        descriptors=False,
        devices=False,
        namespaces=False,
        programs=False,
        uids=False,
        mapped=False,
    ),
    Backend(
        "unsupported",
        0,
        takes_both_ends=False,
        tells_peer=False,
        asynchronous=False,
        cookies=False,
        descriptors=False,
        devices=False,
        namespaces=False,
        programs=False,
        uids=False,
        mapped=False,
    ),
)
BACKENDS = {backend.name: backend for backend in _ALL}
