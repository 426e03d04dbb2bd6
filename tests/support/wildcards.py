# SPDX-License-Identifier: BSD-2-Clause
"""Four-tuples that name no single connection, and the functions of the C module that must refuse them."""

from support.checks import mapped

from tcpdrop import _tcpdrop

A4, B4 = b"\x7f\0\0\1", b"\x7f\0\0\2"
A6, B6 = bytes(15) + b"\1", bytes(15) + b"\2"
GOOD = (A4, 1, B4, 2)

#: (laddr, lport, raddr, rport) -> a part of the message
REFUSED = {
    "local port 0": ((A4, 0, B4, 2), "port 0"),
    "remote port 0": ((A4, 1, B4, 0), "port 0"),
    "local 0.0.0.0": ((bytes(4), 1, B4, 2), "unspecified"),
    "remote 0.0.0.0": ((A4, 1, bytes(4), 2), "unspecified"),
    "local ::": ((bytes(16), 1, B6, 2), "unspecified"),
    "remote ::": ((A6, 1, bytes(16), 2), "unspecified"),
    "local ::ffff:0.0.0.0": ((mapped(bytes(4)), 1, mapped(B4), 2), "unspecified"),
    "remote ::ffff:0.0.0.0": ((mapped(A4), 1, mapped(bytes(4)), 2), "unspecified"),
    "IPv4 against IPv6": ((A4, 1, B6, 2), "different families"),
    "IPv6 against IPv4": ((A6, 1, B4, 2), "different families"),
    "mapped against IPv6": ((mapped(A4), 1, B6, 2), "IPv6"),
    "IPv6 against mapped": ((A6, 1, mapped(B4), 2), "IPv6"),
    "port 65536": ((A4, 65536, B4, 2), "1 to 65535"),
    "port 70000": ((A4, 1, B4, 70000), "1 to 65535"),
    "port -1": ((A4, -1, B4, 2), "1 to 65535"),
    "port that would wrap to 80": ((A4, 1, B4, 65536 + 80), "1 to 65535"),
    "no address": ((b"", 1, b"", 2), "4 or 16"),
    "5 bytes": ((bytes(5), 1, bytes(5), 2), "4 or 16"),
    "15 bytes": ((bytes(15), 1, bytes(15), 2), "4 or 16"),
    "17 bytes": ((bytes(17), 1, bytes(17), 2), "4 or 16"),
}
CALLS = {
    "lookup": _tcpdrop.lookup,
    "abort": _tcpdrop.abort,
    "abort_descriptor": lambda *args, **kwargs: _tcpdrop.abort_descriptor(0, *args, **kwargs),
}
