# SPDX-License-Identifier: BSD-2-Clause
"""Addresses and ports between text and bytes.  Numeric only: no resolver here.

Everything raises ValueError with one clear line.  An address in bytes is 4 or
16 long; a v4-mapped one is the IPv4 address that users type (`unmapped`).
"""

from __future__ import annotations

# IPv6 is spelled by the C module below `socket`, which itself would cost more than
# everything else together.  It is loaded where an address needs it: to find and
# map that library is a twentieth of what a drop of IPv4 loads.

MAPPED = bytes(10) + b"\xff\xff"
#: characters of a value that a message repeats
LONGEST = 200
#: each spelling that a part of an IPv4 address may have
_OCTETS = {str(number): number for number in range(256)}


def unmapped(packed: bytes) -> bytes:
    """The 4 bytes inside a v4-mapped address; any other unchanged."""
    return packed[12:] if len(packed) == 16 and packed.startswith(MAPPED) else packed


def is_loopback(packed: bytes) -> bool:
    """127.0.0.0/8 or ::1, of 4 or 16 bytes."""
    return packed[0] == 127 if len(packed) == 4 else packed == bytes(15) + b"\1"


def looks_numeric(text: str) -> bool:
    """Must this be an address, never a name?  Its last label is a number, or it has a colon."""
    last = text.rstrip(".").rpartition(".")[2].lower()
    return ":" in text or "/" in text or not last.strip("0123456789") or _is_hex_number(last)


def _is_hex_number(label: str) -> bool:
    return label.startswith("0x") and not label[2:].strip("0123456789abcdef")


def pack(text: str) -> bytes:
    """'10.0.0.1' -> 4 bytes, '2001:db8::1' -> 16; a v4-mapped address -> 4."""
    if ":" in text:
        from _socket import AF_INET6, inet_pton

        try:
            return unmapped(inet_pton(AF_INET6, text))
        except (OSError, UnicodeError, ValueError):
            raise ValueError(f"'{printable(text)}' is not an IPv6 address") from None
    parts = text.split(".")
    try:
        if len(parts) == 4:
            return bytes([_OCTETS[part] for part in parts])
    except KeyError:
        pass
    raise ValueError(f"'{printable(text)}' is not an address: IPv4 is four decimal parts without leading zeros, like 10.0.0.1")


def unpack(packed: bytes) -> str:
    """Bytes to the canonical text; a v4-mapped address prints as IPv4."""
    packed = unmapped(packed)
    if len(packed) == 4:
        return "%d.%d.%d.%d" % tuple(packed)
    return unpack_exactly(packed)


def pack_prefix(text: str) -> tuple[bytes, int]:
    """'10.0.0.0/8' -> (4 bytes, 8); an address alone has its full length."""
    address, slash, length = text.partition("/")
    packed = pack(address)
    bits = 8 * len(packed)
    if not slash:
        return packed, bits
    if len(packed) == 4 and ":" in address:
        if length == "128":
            return packed, bits
        raise ValueError(f"'{printable(text)}': write the prefix of a v4-mapped address as IPv4")
    if not is_number(length) or len(length) > 3 or int(length) > bits:
        raise ValueError(f"'{printable(text)}': a prefix length is 0 to {bits}")
    size = int(length)
    number = int.from_bytes(packed, "big")
    rest = bits - size
    if number & ((1 << rest) - 1):
        net = unpack_exactly((number >> rest << rest).to_bytes(len(packed), "big"))
        raise ValueError(f"'{printable(text)}' has host bits set: do you mean the address {address} or the prefix {net}/{size}?")
    return packed, size


def unpack_exactly(packed: bytes) -> str:
    """Like unpack(), but 16 bytes stay IPv6."""
    from _socket import AF_INET, AF_INET6, inet_ntop

    return inet_ntop(AF_INET if len(packed) == 4 else AF_INET6, packed)


def is_number(text: str) -> bool:
    """Decimal ASCII digits only: str.isdigit() takes more."""
    return text.isascii() and text.isdigit()


def parse_port(text: str) -> int:
    """'80' -> 80; 1 to 65535."""
    if not is_number(text):
        raise ValueError(f"'{printable(text)}' is not a port number")
    digits = text.lstrip("0")
    if len(digits) > 5 or not 1 <= int(digits or "0") <= 65535:
        raise ValueError(f"port {printable(text)} is out of range: a port is 1 to 65535")
    return int(digits)


def printable(text: str, most: int = LONGEST) -> str:
    """Text from outside as a message shows it: harmless(), and of what is longer the beginning and the end."""
    text = harmless(text)
    if len(text) <= most:
        return text
    end = most // 3
    return f"{text[: most - end]}...{text[-end:]}"


def harmless(text: str) -> str:
    """Text from outside, safe to print on a terminal: no control characters, no raw bytes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode("ascii") for c in text)


def spelled_bytes(text: str) -> str:
    """Text whose bytes may not be UTF-8, without lone surrogates: what no text can hold is written as printable() writes it."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def typed_bytes(text: str) -> str:
    """The other way: what spelled_bytes() wrote, as it is typed back."""
    head, *rest = text.split("\\udc")
    for part in rest:
        is_byte = len(part) > 1 and part[0] in "89abcdef" and part[1] in "0123456789abcdef"
        head += chr(0xDC00 + int(part[:2], 16)) + part[2:] if is_byte else "\\udc" + part
    return head
