# SPDX-License-Identifier: BSD-2-Clause
"""The classic form's operands, in all the spellings that netstat, ss and BSD print.

Only text is taken apart here; nothing is looked up.  Raises ValueError with
one line.
"""

from __future__ import annotations

from ..model.addresses import is_number, looks_numeric, pack, pack_prefix, parse_port, printable, split_dev


class End:
    """One end as typed: host (address or name), port (number or service), dev ("" if not named)."""

    __slots__ = ("dev", "host", "port")

    def __init__(self, host: str, port: str) -> None:
        self.host, self.dev = split_dev(_unbracketed(host))
        self.port = port
        if not self.host:
            raise ValueError(f"an address or a host name is missing before port '{printable(port)}'")
        if not port:
            raise ValueError(f"a port is missing behind '{printable(host)}'")
        if self.host in ("*", "any") or port == "*":
            raise ValueError("'*' is a wildcard, and this form drops one connection: give the numbers")

    @property
    def numeric_host(self) -> bool:
        return looks_numeric(self.host)

    def packed(self) -> bytes:
        """The address in bytes; only for a numeric host."""
        if "/" in self.host:
            pack_prefix(self.host)  # a mistake inside the prefix is the better message
            raise ValueError(f"'{printable(self.host)}' is a prefix, and this form drops one connection")
        return pack(self.host)

    def port_number(self) -> int:
        """The port; a service name is looked up in services(5) for TCP."""
        if is_number(self.port):
            return parse_port(self.port)
        from socket import getservbyname

        try:
            return getservbyname(self.port, "tcp")
        except (OSError, UnicodeError, ValueError):
            raise ValueError(f"'{printable(self.port)}' is neither a port nor a TCP service name") from None


def _unbracketed(host: str) -> str:
    if host.startswith("[") != host.endswith("]"):
        raise ValueError(f"'{printable(host)}': a bracket is missing")
    return host[1:-1] if host.startswith("[") else host


def parse(operands: list[str]) -> tuple[End, End]:
    """Two or four operands to the local and the remote end."""
    if len(operands) == 4:
        local, remote = End(operands[0], operands[1]), End(operands[2], operands[3])
    else:
        local, remote = split(operands[0]), split(operands[1])
    if local.dev and remote.dev and local.dev != remote.dev:
        raise ValueError(f"the ends name two interfaces, %{printable(local.dev)} and %{printable(remote.dev)}")
    return local, remote


def split(text: str) -> End:
    """'ADDR:PORT', 'ADDR.PORT' (netstat's) or '[V6]:PORT' to an End."""
    if text.startswith("["):
        host, bracket, port = text.partition("]")
        if not bracket or not port.startswith((":", ".")):
            raise ValueError(f"'{printable(text)}' is not [ADDRESS]:PORT")
        return End(host + bracket, port[1:])
    colons = text.count(":")
    if colons == 1:
        host, _, port = text.partition(":")
        return End(host, port)
    host, dot, port = text.rpartition(".")
    if dot and (colons or not is_number(port) or text.count(".") >= 4 or not looks_numeric(host)):
        return End(host, port)
    if colons:
        raise ValueError(f"'{printable(text)}': write an IPv6 address and its port as [ADDRESS]:PORT")
    raise ValueError(f"'{printable(text)}' is not ADDRESS:PORT or ADDRESS.PORT")
