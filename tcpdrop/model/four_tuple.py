# SPDX-License-Identifier: BSD-2-Clause
"""The four-tuple that names one connection, and its ends in every spelling that people, netstat, ss and lsof use.

Text alone: nothing is looked up, and nothing is guessed.  Everything raises
ValueError with one clear line.
"""

from __future__ import annotations

from .addresses import is_number, looks_numeric, pack, pack_prefix, parse_port, printable, unmapped, unpack

#: between the local and the remote end, as lsof writes them
ARROW = "->"


class FourTuple:
    """A four-tuple in bytes, v4-mapped addresses as IPv4, and the interface as it was named, once or in several spellings.

    Raises ValueError for what can only be a wildcard or a mistake.
    """

    __slots__ = ("devs", "laddr", "lport", "raddr", "rport")

    def __init__(self, laddr: bytes, lport: int, raddr: bytes, rport: int, *devs: str) -> None:
        self.laddr, self.raddr = unmapped(laddr), unmapped(raddr)
        self.lport, self.rport = lport, rport
        #: only a socket that is bound to this interface is meant; none: whatever it is bound to
        self.devs = tuple([dev for dev in devs if dev])
        if len(self.laddr) != len(self.raddr):
            raise ValueError(f"{self}: one address is IPv4, the other IPv6: no connection has both")
        for address in (self.laddr, self.raddr):
            if not any(address):
                raise ValueError(f"{self}: {unpack(address)} means any address, and a drop names one connection")
        for port in (lport, rport):
            if not 1 <= port <= 65535:
                raise ValueError(f"{self}: port {port} means any port or none: a port is 1 to 65535")

    def __str__(self) -> str:
        return f"{unpack(self.laddr)} {self.lport} {unpack(self.raddr)} {self.rport}"

    def ends(self) -> tuple[bytes, int, bytes, int]:
        return self.laddr, self.lport, self.raddr, self.rport

    def swapped(self) -> FourTuple:
        return FourTuple(self.raddr, self.rport, self.laddr, self.lport, *self.devs)

    def mirror(self) -> FourTuple:
        """The tuple of the other end on loopback, which may be bound to an interface where this one is not."""
        return FourTuple(*self.mirrored())

    def mirrored(self) -> tuple[bytes, int, bytes, int]:
        """Its ends."""
        return self.raddr, self.rport, self.laddr, self.lport


class End:
    """One end as it was written: host (address or name), port (number or service), dev ("" if not named)."""

    __slots__ = ("dev", "host", "port")

    def __init__(self, host: str, port: str) -> None:
        self.host, self.dev = split_dev(host)
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

    @property
    def numeric(self) -> bool:
        """Are there numbers only, nothing to look up?"""
        return self.numeric_host and is_number(self.port)

    def packed(self) -> bytes:
        """The address in bytes; only for a numeric host."""
        return pack_whole(self.host)

    def port_number(self) -> int:
        """The port; only for a numeric one."""
        return parse_port(self.port)


def pack_whole(text: str) -> bytes:
    """An address, which may have its full prefix length behind it: '10.0.0.1', '10.0.0.1/32', '::1/128'."""
    if "/" not in text:
        return pack(text)
    packed, bits = pack_prefix(text)
    if bits < 8 * len(packed):
        raise ValueError(f"'{printable(text)}' is a prefix, and this form drops one connection")
    return packed


def split_dev(text: str) -> tuple[str, str]:
    """'[fe80::1]%eth0/128' -> ('fe80::1/128', 'eth0'): no brackets, the prefix length with the address, the interface apart."""
    if not ("%" in text or "[" in text or "]" in text):  # as mostly
        return text, ""
    inner, closed, behind = text[1:].partition("]") if text.startswith("[") else (text, "", "")
    if text.startswith("[") != bool(closed) or (not closed and text.endswith("]")) or behind[:1] not in ("", "%", "/"):
        raise ValueError(f"'{printable(text)}': a bracket is missing")
    address, percent, dev = (inner + behind).partition("%")
    dev, slash, length = dev.partition("/")
    if percent and not dev:
        raise ValueError(f"'{printable(text)}': an interface name must follow %")
    return address + slash + length, dev


def operands(words: list[str]) -> tuple[End, End]:
    """The local and the remote end: A P B Q, A:P B:Q, A:P->B:Q, with commas or blanks around what was pasted."""
    words = [word.lstrip(" \t").rstrip(" \t,") for word in words]
    if len(words) == 1 and ARROW in words[0]:
        words = words[0].split(ARROW)
    elif len(words) == 3 and words[1] == ARROW:
        del words[1]
    if len(words) == 4:
        return End(words[0], words[1]), End(words[2], words[3])
    if len(words) == 2:
        return split(words[0]), split(words[1])
    raise ValueError(f"'{printable(' '.join(words))}' is not LADDR LPORT RADDR RPORT")


def split(text: str) -> End:
    """'ADDR:PORT', 'ADDR.PORT' (netstat's), '[V6]:PORT' or '[V6]%dev:PORT' (ss's) to an End."""
    if text.startswith("["):
        host, _, behind = text.partition("]")
        cut = _before_port(behind)
        if cut < 0 or (cut and behind[0] not in "%/"):
            raise ValueError(f"'{printable(text)}' is not [ADDRESS]:PORT")
        return End(f"{host}]{behind[:cut]}", behind[cut + 1 :])
    address, percent, dev = text.partition("%")
    if percent and _before_port(dev) > 0:  # an interface has no colon in its name
        cut = _before_port(dev)
        return End(f"{address}%{dev[:cut]}", dev[cut + 1 :])
    colons = text.count(":")
    if colons == 1:
        host, _, port = text.partition(":")
        return End(host, port)
    host, dot, port = text.rpartition(".")
    if dot and not percent and (colons or not is_number(port) or text.count(".") >= 4 or not looks_numeric(host)):
        return End(host, port)
    if colons:
        raise ValueError(f"'{printable(text)}': write an IPv6 address and its port as [ADDRESS]:PORT")
    raise ValueError(f"'{printable(text)}' is not ADDRESS:PORT or ADDRESS.PORT")


def _before_port(text: str) -> int:
    """Where the colon or, without one, the dot before a port stands; -1 if there is none."""
    return text.rfind(":") if ":" in text else text.rfind(".")


def interface(dev: str, known: dict[str, int]) -> int:
    """The index of the one interface that is meant: a name, a number, or either behind the 25 of a URL's %25.

    Two ends may name it in two spellings, so interfaces are compared by this.
    """
    readings = [dev]
    if dev.startswith("25") and not is_number(dev):
        readings.append(dev[2:])
    found = {known[reading] for reading in readings if reading in known}
    numbers = [int(reading) for reading in readings if is_number(reading) and reading[0] != "0" and len(reading) < 11]
    found.update(number for number in numbers if number in known.values())
    if not found:
        raise ValueError(f"there is no interface '{printable(dev)}'")
    if len(found) > 1:
        both = " or ".join(f"number {index}" for index in sorted(found))
        raise ValueError(f"'%{printable(dev)}' may be interface {both}: write %NUMBER")
    return found.pop()
