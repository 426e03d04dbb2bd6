#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Writes corpus_inet_diag/ and corpus_rtnetlink/: what this kernel answers, in a network namespace made for it.

Root; documentation addresses alone.
What a fuzzer has found beside these (make fuzz-merge) lies there too.
"""

import os
import pathlib
import socket
import struct
import subprocess
import sys

HERE = pathlib.Path(__file__).parent
SOCK_DIAG, ROUTE = 4, 0
BY_FAMILY, DESTROY = 20, 21
GETLINK, GETROUTE, GETRULE = 18, 26, 34
REQUEST, DUMP = 1, 0x300
SETUP = """
ip link set lo up
ip link add va type veth peer name vb
ip link property add dev va altname documentation-device-with-a-long-name
ip link set va up
ip address add 192.0.2.1/24 dev lo
ip address add 2001:db8::1/64 dev lo nodad
ip rule add fwmark 7 uidrange 0-10 sport 1-9 from 192.0.2.0/24 table 10
ip route add unreachable 198.51.100.0/24
"""


def ask(protocol, kind, flags, body):
    """The whole conversation: every message until the last."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol) as s:
        s.bind((0, 0))
        s.send(struct.pack("=IHHII", 16 + len(body), kind, REQUEST | flags, 1, 0) + body)
        answer = s.recv(65536)
        while flags & DUMP and not ends(answer):
            answer += s.recv(65536)
        return answer


def ends(answer):
    at, kind = 0, 0
    while at < len(answer):
        size, kind = struct.unpack_from("=IH", answer, at)
        at += size + 3 & ~3
    return kind in (2, 3)


def diag(family, extensions, flags=DUMP, states=0xFFF, ends=bytes(40)):
    return ask(SOCK_DIAG, BY_FAMILY, flags, struct.pack("=BBBBI", family, socket.IPPROTO_TCP, extensions, 0, states) + ends + b"\xff" * 8)


def attribute(kind, data):
    return struct.pack("=HH", 4 + len(data), kind) + data + bytes(-len(data) % 4)


def route(text):
    return ask(ROUTE, GETROUTE, 0, struct.pack("=8BI", socket.AF_INET, 32, 0, 0, 0, 0, 0, 0, 0) + attribute(1, socket.inet_aton(text)))


def main():
    if sys.argv[1:] != ["inside"]:
        os.execvp("unshare", ["unshare", "--net", sys.executable, __file__, "inside"])
    for line in SETUP.strip().splitlines():
        subprocess.run(line.split(), check=True)
    kept = []
    for family, addr in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        listener = socket.create_server((addr, 0), family=family)
        client = socket.create_connection(listener.getsockname()[:2])
        client.sendall(b"unread")
        kept += [listener, client]
    found = {
        "corpus_inet_diag": {
            "dump4": diag(socket.AF_INET, 0),
            "dump6": diag(socket.AF_INET6, 0xFF),
            "nobody": diag(socket.AF_INET, 0, 0, 0xFFE, struct.pack(">HH", 1, 2) + bytes(36)),
            "refused": ask(SOCK_DIAG, DESTROY, 0, b"short"),
        },
        "corpus_rtnetlink": {
            "links": ask(ROUTE, GETLINK, DUMP, struct.pack("=BBHiII", 0, 0, 0, 0, 0, 0) + attribute(29, struct.pack("=I", 8))),
            "rules": ask(ROUTE, GETRULE, DUMP, struct.pack("=8BI", socket.AF_INET, 0, 0, 0, 0, 0, 0, 0, 0)),
            "route": route("192.0.2.1"),
            "unreachable": route("198.51.100.1"),
            "device": ask(ROUTE, GETLINK, 0, struct.pack("=BBHiII", 0, 0, 0, 1, 0, 0)),
            "no device": ask(ROUTE, GETLINK, 0, struct.pack("=BBHiII", 0, 0, 0, 4711, 0, 0)),
        },
    }
    for name, answers in found.items():
        (HERE / name).mkdir(exist_ok=True)
        for what, answer in answers.items():
            (HERE / name / what.replace(" ", "_")).write_bytes(answer)
            print(f"{name}/{what}: {len(answer)} bytes")


if __name__ == "__main__":
    main()
