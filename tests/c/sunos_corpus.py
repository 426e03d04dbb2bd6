#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Writes corpus_mib2/: one small conversation for each generation of tables."""

import pathlib
import struct

SIZES = {"old": (68, 96), "legacy": (56, 84), "sparc_old": (72, 96), "new": (172, 200), "sparc": (184, 208), "unknown": (300, 320)}


def message(level, name, data, has_data=True):
    control = struct.pack("=7I", 22, 12, 16, 0x20, level, name, len(data))
    return bytes([len(control)]) + control + (struct.pack(">H", len(data)) + data if has_data else b"")


def sizes(four, six):
    return struct.pack("=12I", *[0] * 12) + struct.pack("=I", four) + bytes(156) + struct.pack("=I", six)


def entry4(size, state, lport, rport):
    return (struct.pack("=I4sI4sI", state, bytes([192, 0, 2, 1]), lport, bytes([192, 0, 2, 2]), rport) + bytes(range(200)) * 2)[:size]


def entry6(size, state, lport, rport):
    addr = bytes.fromhex("20010db8") + bytes(11)
    return (struct.pack("=16sI16sIII", addr + b"\1", lport, addr + b"\2", rport, 2, state) + bytes(range(200)) * 2)[:size]


def info(*rows):
    return b"".join(struct.pack("=4Q", row, 1000 + row, flags, 0) for row, flags in rows)


def main():
    to = pathlib.Path(__file__).parent / "corpus_mib2"
    to.mkdir(exist_ok=True)
    for name, (four, six) in SIZES.items():
        parts = [
            message(262, 0, sizes(four, six)),
            message(262, 13, b"".join(entry4(four, state, 80, 5000 + state) for state in (2, 5, 11))),
            message(262, 106, info((0, 2), (1, 0), (2, 1))),
            message(260, 105, b"other"),
            message(270, 14, b"".join(entry6(six, state, 80, 5000 + state) for state in (2, 8))),
            message(270, 106, info((1, 0))),
            message(0, 0, b"", has_data=False),
        ]
        (to / name).write_bytes(b"\1" + b"".join(parts))
    refusal = struct.pack("=4I", 18, 9, 8, 13)
    (to / "refused").write_bytes(b"\0" + bytes([len(refusal)]) + refusal)
    (to / "no_memory").write_bytes(b"\0" + message(0, 0, b"", has_data=False))


if __name__ == "__main__":
    main()
