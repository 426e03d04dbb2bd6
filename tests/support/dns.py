# SPDX-License-Identifier: BSD-2-Clause
"""A name server on loopback that knows what addresses are called, and may be slow or silent about it."""

import socket
import struct
import threading

PTR = 12


class NameServer:
    """`names`: address -> its name; what it does not know it answers with NXDOMAIN, those of `silent` never."""

    def __init__(self, names, *, silent=(), delay=0.0):
        self._names = {".".join(reversed(address.split("."))) + ".in-addr.arpa": name for address, name in names.items()}
        self._silent = {".".join(reversed(address.split("."))) + ".in-addr.arpa" for address in silent}
        self._delay = delay
        #: the names that were asked for
        self.asked = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 53))
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *exc):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stop:
            stop.sendto(b"", ("127.0.0.1", 53))
        self._thread.join()
        self._socket.close()

    def _serve(self):
        while True:
            query, sender = self._socket.recvfrom(4096)
            if not query:
                return
            question, end = _question(query)
            self.asked.append(question)
            if question not in self._silent:
                threading.Timer(self._delay, self._answer, (query, question, end, sender)).start()

    def _answer(self, query, question, end, sender):
        name = self._names.get(question)
        head = query[:2] + struct.pack("!HHHHH", 0x8180 if name else 0x8183, 1, 1 if name else 0, 0, 0)
        answer = b""
        if name:
            labels = b"".join(bytes([len(label)]) + label for label in name.encode().split(b".")) + b"\0"
            answer = b"\xc0\x0c" + struct.pack("!HHIH", PTR, 1, 60, len(labels)) + labels
        self._socket.sendto(head + query[12:end] + answer, sender)


def _question(query):
    at, labels = 12, []
    while query[at]:
        labels.append(query[at + 1 : at + 1 + query[at]].decode("ascii"))
        at += 1 + query[at]
    return ".".join(labels), at + 5
