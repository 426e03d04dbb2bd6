# SPDX-License-Identifier: BSD-2-Clause
"""One value as text, from a filter or from outside, to what a node holds.  ValueError with one clear line.

Nothing here splits a value into several or sees an operator in it: that is
what makes the literal constructors safe.
"""

from __future__ import annotations

from ..model.addresses import LONGEST, is_number, pack, pack_prefix, parse_port, printable, typed_bytes
from ..model.rows import state_number
from ..system.services import port_of
from .sockets import STATE_GROUPS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .endpoints import Located

MAX_PID = 1 << 31
#: (uid_t)-1 is nobody's.
MAX_UID = (1 << 32) - 2
COMM_BYTES = 15


def port(text: str) -> int:
    """'443', or a service's name."""
    return port_of(text)


def port_range(text: str) -> tuple[int, int]:
    """'443', 'https', '1000-2000' or '1000:2000'; the ends of a range may be 0, so that 0:65535 is any."""
    text = text.strip(" \t")
    text = text[1:] if text.startswith(":") else text  # ss's spelling of a port alone
    for separator in "-:":
        first, found, last = text.partition(separator)
        if found and is_number(first) and is_number(last):
            lo, hi = _range_end(first), _range_end(last)
            if lo > hi:
                raise ValueError(f"'{printable(text)}': a range goes from the lower to the higher port")
            return lo, hi
    number = port(text)
    return number, number


def _range_end(text: str) -> int:
    return 0 if text == "0" else parse_port(text)


def address(text: str) -> Located:
    """'10.0.0.1', '10.0.0.0/8:443', '2001:db8::1', '[2001:db8::]/32:443', '10.0.0.1.443', '[fe80::1]%eth0:443'.

    And the interface, or "".
    """
    given, (text, dev) = text, _without_dev(text.strip(" \t"))
    port_text, has_port = "", False
    if text.startswith("["):
        inner, closed, behind = text[1:].partition("]")
        length, colon, port_text = behind.partition("." if behind.startswith(".") else ":")
        if not closed or (length and not length.startswith("/")) or (length and "/" in inner):
            raise ValueError(f"'{printable(given)}' is not an address: brackets are for IPv6, as in [2001:db8::1]:443")
        text, has_port = inner + length, bool(colon)
    elif _is_end_of_netstat(text):
        text, _, port_text = text.rpartition(".")
        has_port = True
    elif text.count(":") == 1:
        text, _, port_text = text.partition(":")
        has_port = True
    elif text.count(":") > 1 and ":" in text.partition("/")[2]:
        raise ValueError(f"'{printable(given)}': IPv6 with a port needs brackets, as in [2001:db8::]/32:443")
    if has_port and not port_text:
        raise ValueError(f"'{printable(given)}': expected a port behind the colon")
    if not text:
        raise ValueError(f"'{printable(given)}' has no address: for a port alone use lport, rport or port")
    packed, bits = _prefix(text)
    return (packed, bits, port(port_text) if has_port else 0), dev


def _without_dev(text: str) -> tuple[str, str]:
    """The address without '%dev', which may stand inside the brackets or behind them, and the interface."""
    address, percent, behind = text.partition("%")
    if not percent:
        return text, ""
    end = behind.find("]") if address.startswith("[") and "]" not in address else -1
    if end < 0:
        end = next((place for place, letter in enumerate(behind) if letter in ":/"), len(behind))
        name, dot, number = behind.rpartition(".")
        if dot and end == len(behind) and is_number(number):
            one, other = f"'{address}%{name}:{number}'", f"'{address}' and dev {behind}"
            raise ValueError(printable(f"'{text}' may be port {number} or interface {behind}: write {one} or {other}", 5 * LONGEST))
    dev, tail = behind[:end].strip(" \t"), behind[end:]  # as dev has it
    if not dev or "\0" in dev:
        raise ValueError(f"'{printable(text)}': an interface name must follow %")
    if not address:
        raise ValueError(f"'{printable(text)}': an address must stand before %")
    if tail.startswith(":") and ":" in address and not address.startswith("["):
        address = f"[{address}]"  # an interface has no colon in its name
    return address + tail, dev


def _is_end_of_netstat(text: str) -> bool:
    """ADDRESS.PORT; no address alone looks like that."""
    if text.count(".") < 4 and ":" not in text:
        return False
    host, dot, port = text.rpartition(".")
    return bool(dot) and is_number(port) and _is_address(host)


def _prefix(text: str) -> tuple[bytes, int]:
    try:
        return pack_prefix(text)
    except ValueError:
        # 'a:b:c:d:e:f:g:h:443' is an address and a port; with fewer groups nobody can tell.
        head, _, tail = text.rpartition(":")
        if text.count(":") == 8 and is_number(tail) and _is_address(head):
            raise ValueError(f"'{printable(text)}': IPv6 with a port needs brackets, as in [{head}]:{tail}") from None
        raise


def _is_address(text: str) -> bool:
    try:
        pack(text)
    except ValueError:
        return False
    return True


def state_mask(text: str) -> int:
    """'established', 'FIN-WAIT-1', or a group: all, connected, synchronized, bucket, big."""
    number = state_number(text)
    mask = 1 << number if number else STATE_GROUPS.get(text.lower(), 0)
    if not mask:
        raise ValueError(f"'{printable(text)}' is not a TCP state")
    return mask


def family(text: str) -> int:
    number = {"inet": 4, "inet6": 6}.get(text)
    if number is None:
        raise ValueError(f"expected inet or inet6, not '{printable(text)}'")
    return number


def pid(text: str) -> int:
    if not is_number(text) or len(text) > 10 or not 0 < int(text) < MAX_PID:
        raise ValueError(f"'{printable(text)}' is not a process id")
    return int(text)


def uid(text: str) -> int:
    """'0' or 'alice'; digits are always a number."""
    if is_number(text):
        if len(text) > 10 or int(text) > MAX_UID:
            raise ValueError(f"'{printable(text)}' is not a user id")
        return int(text)
    from pwd import getpwnam

    try:
        return getpwnam(typed_bytes(text)).pw_uid
    except (KeyError, ValueError, UnicodeError):
        raise ValueError(f"there is no user '{printable(text)}'") from None


def comm(text: str) -> str:
    """A glob; a name longer than the kernel keeps could never match."""
    text = typed_bytes(name(text))
    size = len(text.replace("*", "").encode("utf-8", "surrogateescape"))
    if size > COMM_BYTES and "[" not in text:
        short = text.encode("utf-8", "surrogateescape")[:COMM_BYTES].decode("utf-8", "replace")
        raise ValueError(f"'{printable(text)}' never matches: a command's name is cut at 15 bytes, like '{printable(short)}'")
    return text


def name(text: str) -> str:
    if not text or "\0" in text:
        raise ValueError("a name is empty or has a NUL in it")
    try:
        text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise ValueError(f"'{printable(text)}' is no name: no bytes are spelled so") from None
    return text
