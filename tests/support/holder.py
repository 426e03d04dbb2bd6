# SPDX-License-Identifier: BSD-2-Clause
"""A sibling process that holds the victims, driven over a pipe (holder_main.py)."""

import contextlib
import itertools
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

from support import procnet
from support.sockets import SO_BINDTODEVICE
from support.wait import until

SCRIPT = Path(__file__).resolve().with_name("holder_main.py")


def _encode(value):
    if isinstance(value, bytes):
        return {"b": value.hex()}
    return [_encode(item) for item in value] if isinstance(value, (tuple, list)) else value


# Not the same ones in each suite: two may run on one host, and see the namespaces of each other.
_FRESH = itertools.count(10000 + os.getpid() % 50 * 100)


def fresh_ports():
    """Two ports below the ephemeral ones that no test had yet: for tuples that are made twice."""
    return {"port": next(_FRESH), "client_port": next(_FRESH)}


class Job:
    """A call that may block, in a thread of the holder."""

    def __init__(self, holder, number, tid):
        self._holder, self._number, self.tid = holder, number, tid

    def running(self):
        return self._answer(0).get("running", False)

    def wait(self, timeout=10):
        """What the call gave; OSError with the errno it failed with."""
        answer = self._answer(timeout)
        assert "running" not in answer, "the call is still blocked"
        return self._holder.value(answer)

    def errno(self, timeout=10):
        """The errno it failed with, 0 if it did not fail."""
        try:
            self.wait(timeout)
        except OSError as e:
            return e.errno
        return 0

    def asleep(self):
        """Wait until its thread sleeps in the kernel."""

        def state():
            with open(f"/proc/{self._holder.pid}/task/{self.tid}/stat", encoding="ascii") as f:
                return f.read().rpartition(")")[2].split()[0] == "S"

        until(state, "the call to block")
        return self

    def _answer(self, timeout):
        return json.loads(self._holder.ask("wait", self._number, timeout))


class Remote:
    """A socket in the holder; methods are the socket's own."""

    def __init__(self, holder, number):
        self.holder, self.number = holder, number

    def call(self, method, *args):
        return self.holder.ask("call", self.number, method, *args)

    def start(self, method, *args):
        """The same in a thread: a Job."""
        return self.holder.start("call", self.number, method, *args)

    def poll(self, timeout=0):
        return self.holder.ask("poll", self.number, timeout)

    def epoll(self, timeout=10000):
        return self.holder.start("epoll", self.number, timeout)

    def errno(self, method, *args):
        """The errno this call fails with, 0 if it does not."""
        try:
            self.call(method, *args)
        except OSError as e:
            return e.errno
        return 0

    def so_error(self):
        return self.call("getsockopt", socket.SOL_SOCKET, socket.SO_ERROR)

    def name(self):
        """("127.0.0.1", 80); PyPy names the interface in the address as well."""
        host, port = self.call("getsockname")[:2]
        return host.partition("%")[0], port

    def accept(self):
        return self.call("accept")[0]

    def close(self):
        self.call("close")

    def tuple_to(self, other):
        """(laddr, lport, raddr, rport) with this end local."""
        return (*end(self.name()), *end(other if isinstance(other, tuple) else other.name()))


def end(name):
    """("127.0.0.1", 80) -> (4 or 16 bytes, 80)"""
    return socket.inet_pton(socket.AF_INET6 if ":" in name[0] else socket.AF_INET, name[0]), name[1]


class Pair:
    """One connection; `sock` is the victim's end, `peer` the other."""

    def __init__(self, sock, peer, pid):
        self.sock, self.peer, self.pid = sock, peer, pid
        self.local, self.remote = sock.name(), peer.name()
        self.laddr, self.lport = end(self.local)
        self.raddr, self.rport = end(self.remote)
        self.tuple = (self.laddr, self.lport, self.raddr, self.rport)
        self.mirrored = (self.raddr, self.rport, self.laddr, self.lport)
        #: the same without v4-mapping
        self.plain = procnet.ends(self.tuple)

    def state(self):
        return procnet.state(self.tuple, self.pid)

    def wait_state(self, name):
        until(lambda: self.state() == name, f"{name}, is {self.state()}")
        return self

    def alive(self):
        """Both ends say so: they move a byte each way."""
        for a, b in ((self.sock, self.peer), (self.peer, self.sock)):
            a.call("sendall", b"x")
            assert b.call("recv", 10) == b"x"
        return True

    def close(self):
        self.sock.close()
        self.peer.close()


class Holder:
    def __init__(self, *, netns=False, env=None, wrapper=()):
        self._process = subprocess.Popen(
            [*wrapper, sys.executable, "-I", SCRIPT, *(["--netns"] if netns else [])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=env,
        )
        self.pid = self._read()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.stop()

    def stop(self):
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()  # it ends at the end of its input
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def value(self, answer):
        if "errno" in answer:
            raise OSError(answer["errno"], answer["text"])
        assert "fault" not in answer, answer["fault"]
        return self._decode(answer["value"])

    def _decode(self, value):
        if isinstance(value, dict):
            return bytes.fromhex(value["b"]) if "b" in value else Remote(self, value["s"])
        return [self._decode(item) for item in value] if isinstance(value, list) else value

    def _read(self):
        line = self._process.stdout.readline()
        assert line, "the holder died"
        return self.value(json.loads(line))

    def ask(self, *request):
        self._process.stdin.write(json.dumps(_encode(request)).encode() + b"\n")
        self._process.stdin.flush()
        return self._read()

    def start(self, *request):
        return Job(self, *self.ask("start", *request))

    # ---- what tests want

    def socket(self, family="inet"):
        return self.ask("socket", family)

    def listener(self, family="inet", *, port=0, backlog=16, reuseport=False, addr=None, device=None):
        """family "dual" listens on :: for both."""
        s = self.socket("mapped" if family == "dual" else family)
        s.call("setsockopt", socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuseport:
            s.call("setsockopt", socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if device:
            s.call("setsockopt", socket.SOL_SOCKET, SO_BINDTODEVICE, device)
        addr = addr or {"inet": "127.0.0.1", "inet6": "::1", "mapped": "::ffff:127.0.0.1", "dual": "::", "mptcp": "127.0.0.1"}[family]
        s.call("bind", (addr, port))
        s.call("listen", backlog)
        return s

    def pair(self, family="inet", *, device=None, port=0, client_port=0, victim="client"):
        """A connection over loopback; `victim` names the end that `tuple` is of."""
        client, server = self.ask("pair", family, device, port, client_port)
        return Pair(*((client, server) if victim == "client" else (server, client)), self.pid)

    def unaccepted(self):
        """A connection that nobody has accepted yet, so no process holds its server's end: (listener, client)."""
        listener, client = self.listener(), self.socket()
        client.call("connect", listener.name())
        return listener, client

    def netns(self):
        """A descriptor of its network namespace."""
        return os.open(f"/proc/{self.pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
