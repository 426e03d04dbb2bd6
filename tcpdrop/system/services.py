# SPDX-License-Identifier: BSD-2-Clause
"""Ports by the names of services(5)."""

from __future__ import annotations

from _socket import getservbyname

from ..model.addresses import is_number, parse_port, printable

#: names that every services(5) has
_KNOWN_TO_ALL = ("ssh", "domain", "http")


def port_of(text: str) -> int:
    """'443', or the name of a TCP service.  Raises ValueError."""
    if is_number(text):
        return parse_port(text)
    port = _looked_up(text)
    if port is None and not any(map(_looked_up, _KNOWN_TO_ALL)):
        unknown = "this system knows no services by name (services(5))"
        raise ValueError(f"'{printable(text)}' is not a port number, and {unknown}: give the number")
    if port is None:
        raise ValueError(f"'{printable(text)}' is neither a port nor a TCP service name")
    return port


def _looked_up(name: str) -> int | None:
    try:
        return getservbyname(name, "tcp")
    except (OSError, UnicodeError, ValueError):
        return None
