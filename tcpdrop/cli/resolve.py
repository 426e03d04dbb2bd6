# SPDX-License-Identifier: BSD-2-Clause
"""Host names to addresses.  The only module of a drop that may ask the resolver, and only for names."""

from __future__ import annotations

import socket

from ..errors import Error
from ..model.addresses import looks_numeric, printable, unpack
from ..model.four_tuple import End, FourTuple
from ..system.services import port_of

#: getaddrinfo(3) could not find out: the name may be right
_FAILURES = (socket.EAI_AGAIN, socket.EAI_FAIL, socket.EAI_MEMORY, getattr(socket, "EAI_SYSTEM", socket.EAI_AGAIN))


def quads(local: End, remote: End, *, family: int = 0) -> list[FourTuple]:
    """Every pair of addresses of one family that the two ends may mean.

    family: 4, 6, or 0 for both.  Raises ValueError for a name or a service that
    nobody knows, and when no family is common to both ends; Error when nobody could be asked.
    """
    for end in local, remote:
        if end.numeric_host:
            end.packed()  # a mistake in an address is told first
    ports = port_of(local.port), port_of(remote.port)
    pairs = [(a, b) for a in _addresses(local) for b in _addresses(remote) if len(a) == len(b)]
    if not pairs and not (local.numeric_host and remote.numeric_host):
        raise ValueError(f"'{printable(local.host)}' and '{printable(remote.host)}' have no address family in common")
    if not pairs:  # let FourTuple say it with both addresses
        pairs = [(local.packed(), remote.packed())]
    wanted = [pair for pair in pairs if not family or len(pair[0]) == (4 if family == 4 else 16)]
    if not wanted:
        raise ValueError(f"{unpack(pairs[0][0])} and {unpack(pairs[0][1])} are not IPv{family}, as -{family} demands")
    return [FourTuple(a, ports[0], b, ports[1], local.dev, remote.dev) for a, b in wanted]


def _ascii_name(host: str) -> str:
    """The name as the resolver gets it.  Raises UnicodeError for what is none.

    IDNA makes ASCII digits of full-width ones, and getaddrinfo(3) takes
    "10.1" and trailing white space: a name must not become an address here.
    """
    name = host.encode("idna").decode("ascii")
    if not name.replace("-", "").replace("_", "").replace(".", "").isalnum() or looks_numeric(name):
        raise UnicodeError
    return name


def _addresses(end: End) -> list[bytes]:
    if end.numeric_host:
        return [end.packed()]
    try:
        answers = socket.getaddrinfo(_ascii_name(end.host), None, type=socket.SOCK_STREAM)
    except UnicodeError:
        raise ValueError(f"'{printable(end.host)}': not a host name") from None
    except OSError as error:
        if error.errno in _FAILURES:
            hint = "no name server answered: give the address"
            raise Error(str(error.strerror), what=f"'{printable(end.host)}'", step="getaddrinfo", hint=hint) from None
        raise ValueError(f"'{printable(end.host)}': {error.strerror}") from None
    found: list[bytes] = []
    for family, _, _, _, address in answers:
        if family in (socket.AF_INET, socket.AF_INET6):
            packed = socket.inet_pton(family, str(address[0]).partition("%")[0])
            if packed not in found:
                found.append(packed)
    return found
