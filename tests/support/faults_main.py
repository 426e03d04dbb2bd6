# SPDX-License-Identifier: BSD-2-Clause
"""One function of the module, and a fault at each call that it makes; run by tests/module/test_faults.py.

Its argument is the name of a case; it moves into a network namespace of its own,
and says how many faults there were.
"""

import contextlib
import errno
import os
import socket
import struct
import subprocess
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from support import faults, netns
from support.own_pairs import ESTABLISHED, World
from support.wait import until

from tcpdrop import _tcpdrop
from tcpdrop.model.rows import COOKIE, INFO, INFO_OPENED, INODE, KNOWN, LPORT, ROW, RPORT

IPPROTO_MPTCP = 262
CROWD = 500  # some replies of 32 KiB
LOOPBACK_TOO = struct.pack("2I", 0, 1)
BATCHES = 200  # rows to drop: more than one batch


class Case:
    """A call that changes nothing: the result as without a fault, or an exception that names the step."""

    def __init__(self, name, call=None, same=lambda result: result):
        self.name = name
        self._call, self._same = call, same
        self.right = None

    def prepare(self):
        if self.right is None:
            self.right = self._same(self._call())

    def call(self):
        return self._call()

    def judge(self, result, error, fault, nth, what):
        if error is not None:
            faults.told(error, what)
        else:
            got = self._same(result)
            assert got == self.right, f"{what}: {got!r:.200}, not {self.right!r:.200}"


class Drop(Case):
    """A drop of one: without an exception it is dead, and after one it lives, unless the answer alone was lost."""

    def __init__(self, name, world, call, sent=1, received=1):
        super().__init__(name, call)
        self.world, self.pair = world, None
        #: messages of the look-ups: the next one is the drop's
        self.looks = {"sendto": sent, "recvfrom": received}

    def prepare(self):
        if self.pair is None or not self.pair.alive():
            if self.pair is not None:
                self.pair.close()
            self.pair = self.world.pair()
            self.pair.row = _tcpdrop.lookup(*self.pair.tuple)

    def call(self):
        return self._call(self.pair)

    def judge(self, result, error, fault, nth, what):
        if error is None:
            assert not self.pair.alive(), f"{what}: not dropped, and no error"
        else:
            faults.told(error, what)
            unknown = fault.lost and nth > self.looks[fault.call]
            assert unknown or self.pair.alive(), f"{what}: {error!r}, and dropped"
        self.world.check(what)


def look_up(over, pair):
    return ROW.unpack(_tcpdrop.lookup_each([pair.tuple], LOOPBACK_TOO, scope=over))


def talk(over, pair):
    """A look-up and a drop over one socket."""
    row = look_up(over, pair)
    assert row[LPORT] == pair.tuple[1]
    _tcpdrop.abort(*pair.tuple, cookie=row[COOKIE], scope=over)


class Conversation(Drop):
    """talk(); and whatever became of it, the next one in the same conversation is right."""

    def __init__(self, world, scope=None, *, open_before=False):
        over = _tcpdrop.converse(scope)
        super().__init__("conversation", world, lambda pair: talk(over, pair), sent=2, received=3)
        self.over, self.other, self.open_before = over, None, open_before

    def prepare(self):
        super().prepare()
        if self.other is not None:
            self.other.close()
        self.other = self.world.pair()
        if self.open_before:
            look_up(self.over, self.pair)
        else:
            _tcpdrop.end(self.over)

    def judge(self, result, error, fault, nth, what):
        super().judge(result, error, fault, nth, what)
        talk(self.over, self.other)
        assert not self.other.alive(), f"{what}: the next one over it lives"
        if not self.open_before:
            _tcpdrop.end(self.over)


class DropMany(Case):
    """Each row's errno: 0 is dead, another one alive; ENOBUFS is unknown, and what the kernel itself says of it is its own affair."""

    def __init__(self, name, world, threads):
        super().__init__(name)
        self.world, self.threads = world, threads
        self.pairs = []

    def prepare(self):
        left = []
        for pair in self.pairs:
            if pair.alive():
                left.append(pair)
            else:
                pair.close()
        self.pairs = left + [self.world.pair() for _ in range(BATCHES - len(left))]
        self.table = None
        self.table = _tcpdrop.list_connections(1 << ESTABLISHED)
        place = {ROW.unpack(row)[LPORT]: n for n, row in enumerate(self.table) if ROW.unpack(row)[RPORT] == self.world.port}
        self.indices = struct.pack(f"{BATCHES}I", *(place[pair.tuple[1]] for pair in self.pairs))

    def call(self):
        return _tcpdrop.abort_rows(self.table, self.indices, threads=self.threads)

    def judge(self, result, error, fault, nth, what):
        if error is not None:
            faults.told(error, what)
            assert all(pair.alive() for pair in self.pairs), f"{what}: {error!r}, and something was dropped"
        else:
            numbers = struct.unpack(f"{BATCHES}i", result)
            for pair, number in zip(self.pairs, numbers):
                if number == 0:
                    assert not pair.alive(), f"{what}: said to be dropped"
                elif number != errno.ENOBUFS and fault.how != "error":
                    assert pair.alive(), f"{what}: said not to be dropped, {number}"
            if fault.call == "pthread_create":
                assert not any(numbers), f"{what}: {numbers}"
        self.world.check(what)


def cookies(table):
    assert all(len(row) == table.stride for row in table)
    found = [ROW.unpack_from(row)[COOKIE] for row in table]
    assert len(found) == len(set(found))
    return sorted(found)


def with_openers(pair):
    """Of a table, and that of data which nobody takes is told who opened that connection."""
    pair.client.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            pair.client.send(bytes(1 << 16))
    cookie = ROW.unpack(_tcpdrop.lookup(*pair.tuple))[COOKIE]

    def same(table):
        told = {ROW.unpack_from(row)[COOKIE]: INFO.unpack_from(row, ROW.size)[KNOWN] & INFO_OPENED for row in table}
        return cookies(table), told[cookie]

    until(lambda: same(_tcpdrop.list_connections(0xFFE, details=2))[1], "what nobody takes to stand still")
    return same


class Refused(Case):
    """A call that fails anyway: the same errno, or that there was no memory for it."""

    def call(self):
        try:
            self._call()
        except OSError as e:
            return e.errno

    def prepare(self):
        self.right = errno.ENOENT


class Questions(Case):
    """The kernel may refuse one of many with an errno: that is its answer."""

    def judge(self, result, error, fault, nth, what):
        if fault.how != "error" or error is not None:
            super().judge(result, error, fault, nth, what)


class Process(Case):
    """Each of its three parts is what it is, or says why it cannot be read."""

    def judge(self, result, error, fault, nth, what):
        if error is not None:
            faults.told(error, what)
            return
        for part, right in zip(self._same(result), self.right):
            assert part == right or (isinstance(part, int) and part < 0), f"{what}: {part!r}, not {right!r}"


class Absent(Case):
    """What is there is never absent, nor is what cannot be looked at."""

    def judge(self, result, error, fault, nth, what):
        if error is not None:
            faults.told(error, what)
            return
        assert result == (fault.call != "lstat" or nth != 1, False), f"{what}: {result}"


def parts(result):
    parent, sockets, value = result
    return parent, sockets if isinstance(sockets, int) else {inode for inode, _ in struct.iter_unpack("QQ", sockets)}, value


def devices(number):
    """So many more interfaces, and policy rules: dumps of several replies."""
    made = (subprocess.run(["ip", "link", "add", "first", "type", kind], stderr=subprocess.DEVNULL) for kind in ("bridge", "dummy"))
    kind = next(done.args[-1] for done in made if done.returncode == 0)  # what this kernel has
    lines = [f"link add br{n} type {kind}" for n in range(number)]
    lines += [f"rule add from 192.0.2.{n} lookup main" for n in range(250)]
    subprocess.run(["ip", "-batch", "-"], input="\n".join(lines), text=True, check=True, stdout=subprocess.DEVNULL)


def threads_of_their_own(number):
    """Threads whose descriptors are theirs alone."""
    ready = threading.Barrier(number + 1)

    def wait():
        netns.unshare(0x400)  # CLONE_FILES
        ready.wait()
        threading.Event().wait()

    for _ in range(number):
        threading.Thread(target=wait, daemon=True).start()
    ready.wait()


def cases(world):
    """name -> the case, made when it is wanted."""
    every = 0xFFE
    own = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    pair = world.bystanders[0]
    found = _tcpdrop.lookup(*pair.tuple)
    loopback = struct.pack("3I", 1, 9999, 1)
    lend = pair.client.fileno()
    pipe = os.pipe()

    def listing(**options):
        return lambda: _tcpdrop.list_connections(every, **options)

    def held(pid):
        def call(pair):
            row = ROW.unpack(pair.row)
            lent = subprocess.Popen(["sleep", "1000"], pass_fds=[pair.client.fileno()]) if pid else None
            try:
                return _tcpdrop.abort_held(
                    lent.pid if lent else os.getpid(), pair.client.fileno(), *pair.tuple, cookie=row[COOKIE], inode=row[INODE]
                )
            finally:
                if lent:
                    lent.kill()
                    lent.wait()

        return call

    return {
        "list_connections": lambda: Case("list", listing(), cookies),
        "list_connections details": lambda: Case("list", listing(details=1), cookies),
        "list_connections openers": lambda: Case("list", listing(details=2), with_openers(pair)),
        "list_connections threads": lambda: Case("list", listing(threads=3), cookies),
        "list_connections scope": lambda: Case("list", listing(threads=2, scope=own), cookies),
        "lookup": lambda: Case("lookup", lambda: ROW.unpack(_tcpdrop.lookup(*pair.tuple))[COOKIE]),
        "lookup_each": lambda: Case("lookup_each", lambda: _tcpdrop.lookup_each([pair.tuple], struct.pack("90I", *range(90)))),
        "abort": lambda: Drop("abort", world, lambda pair: _tcpdrop.abort(*pair.tuple)),
        "abort scope": lambda: Drop("abort", world, lambda pair: _tcpdrop.abort(*pair.tuple, scope=own)),
        "conversation": lambda: Conversation(world),
        "conversation open": lambda: Conversation(world, open_before=True),
        "conversation scope": lambda: Conversation(world, own),
        "converse": lambda: Case("converse", lambda: _tcpdrop.end(_tcpdrop.converse())),
        "abort nobody": lambda: Refused("abort", lambda: _tcpdrop.abort(*pair.tuple, cookie=1)),
        "abort_rows": lambda: DropMany("abort_rows", world, 1),
        "abort_rows threads": lambda: DropMany("abort_rows", world, 3),
        "abort_descriptor": lambda: Drop(
            "abort_descriptor", world, lambda pair: _tcpdrop.abort_descriptor(pair.client.fileno(), *pair.tuple)
        ),
        "abort_held own": lambda: Drop("abort_held", world, held(None)),
        "abort_held other": lambda: Drop("abort_held", world, held(1)),
        "socket_of": lambda: Case("socket_of", lambda: _tcpdrop.socket_of(os.getpid(), lend)),
        "mptcp_sockets": lambda: Case("mptcp_sockets", lambda: _tcpdrop.mptcp_sockets(), cookies),
        "unix_sockets": lambda: Case("unix_sockets", lambda: sorted(struct.iter_unpack("3I", _tcpdrop.unix_sockets()))),
        "pipe_is_cut": lambda: Case("pipe_is_cut", lambda: _tcpdrop.pipe_is_cut(os.getpid(), pipe[0], os.fstat(pipe[0]).st_ino)),
        "interfaces": lambda: Case("interfaces", lambda: _tcpdrop.interfaces()),
        "interfaces scope": lambda: Case("interfaces", lambda: _tcpdrop.interfaces(own)),
        "ifindices": lambda: Case("ifindices", lambda: _tcpdrop.ifindices()),
        "probe": lambda: Case("probe", lambda: _tcpdrop.probe()),
        "routes": lambda: Questions("routes", lambda: _tcpdrop.routes(found * 70)),
        "links": lambda: Questions("links", lambda: _tcpdrop.links(loopback * 30)),
        "rules": lambda: Case("rules", lambda: _tcpdrop.rules()),
        "process": lambda: Process("process", lambda: _tcpdrop.process(os.getpid(), b"FAULTS_TEST"), parts),
        "thread_tables": lambda: Case("thread_tables", lambda: _tcpdrop.thread_tables(os.getpid())),
        "is_absent": lambda: Absent("is_absent", lambda: (_tcpdrop.is_absent(__file__ + ".not"), _tcpdrop.is_absent(__file__))),
        "is_fifo": lambda: Case("is_fifo", lambda: (_tcpdrop.is_fifo(__file__), _tcpdrop.is_fifo(f"/proc/self/fd/{pipe[0]}"))),
        "classic_lines": lambda: Case("classic_lines", lambda: _tcpdrop.classic_lines(found * 9, b" x")),
    }


def setting(world, name, kind):
    """What the case wants to find."""
    if name in ("interfaces", "interfaces scope", "ifindices", "rules"):
        devices(60)
    if name in ("process", "thread_tables") and kind == "calls":
        threads_of_their_own(3)
    if name.startswith("list"):
        world.bystanders += [world.pair() for _ in range(CROWD)]
    if name == "unix_sockets":
        return [socket.socketpair() for _ in range(400)]  # more than one reply of 32 KiB
    return multipath(300) if name == "mptcp_sockets" else ()


def multipath(number):
    """So many connections of MPTCP."""
    server = socket.socket(socket.AF_INET, socket.SOCK_STREAM, IPPROTO_MPTCP)
    server.bind(("127.0.0.1", 0))
    server.listen(number)
    kept = [server]
    for _ in range(number):
        kept.append(socket.socket(socket.AF_INET, socket.SOCK_STREAM, IPPROTO_MPTCP))
        kept[-1].connect(server.getsockname())
        kept.append(server.accept()[0])
    assert len(_tcpdrop.mptcp_sockets()) == 2 * number
    return kept


def main():
    name, kind = sys.argv[1:]
    world = World()
    kept = setting(world, name, kind)
    case = cases(world)[name]()
    faults.say(faults.walk_memory(case) if kind == "memory" else faults.walk(faults.FAULTS, case))
    del kept


if __name__ == "__main__":
    main()
