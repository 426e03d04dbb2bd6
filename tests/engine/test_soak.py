# SPDX-License-Identifier: BSD-2-Clause
"""Connections come, go and use each other's tuples again while several droppers are at them.

Each connection has the kernel's cookie, which is never given twice.  What died must be what a dropper says
it dropped, or that one's other end, and nothing else; what was said to be dropped must have been there.
TCPDROP_SOAK_SECONDS=3600 makes it an hour (make soak).
"""

import errno
import json
import os
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from support import procnet
from support.holder import Holder, Pair

pytestmark = [pytest.mark.privileged, pytest.mark.only_on("linux", reason="cookies, the kernel's own churn")]

SUPPORT = Path(__file__).parents[1] / "support"
SECONDS = float(os.environ.get("TCPDROP_SOAK_SECONDS", "5"))
RECORD = struct.Struct("=QQii")

#: name: (clients' address, listening port, how); `spared` and `ruled` are never to die
WORKERS = {
    "churn": ("127.8.0.1", 22001, "churn"),
    "reuse": ("127.8.0.2", 22002, "reuse"),
    "held": ("127.8.0.3", 22003, "hold"),
    "spared": ("127.8.0.4", 22004, "churn"),
    "ruled": ("127.8.0.1", 22005, "churn"),
    "kept": ("127.8.0.2", 22006, "reuse"),
}
RULE = "port 22005,22006"
#: name: (how, filter)
DROPPERS = {
    "filter": ("filter", "remote 127.8.0.1 state established"),
    "listed": ("list", "local 127.8.0.2 state established"),
    "tuples": ("tuple", "local 127.8.0.3 lport ge 1 state established"),
}


class Process:
    """Its errors go to a file of its own: with whom a dropper shares a pipe is protected."""

    def __init__(self, *argv, env=None):
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 (closed when it has ended)
        pipe = subprocess.PIPE
        environment = {**os.environ, **(env or {})}
        self.process = subprocess.Popen(
            [sys.executable, *map(str, argv)], stdin=pipe, stdout=pipe, stderr=self.errors, text=True, env=environment
        )

    def told(self):
        self.errors.seek(0)
        return self.errors.read()

    def says(self, word):
        assert self.process.stdout.readline() == f"{word}\n", self.told()

    def size(self):
        """(bytes resident, descriptors)"""
        place = Path(f"/proc/{self.process.pid}")
        return int((place / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE"), len(list((place / "fd").iterdir()))

    def end(self):
        out, _ = self.process.communicate(timeout=120)
        assert self.process.returncode == 0, self.told()
        self.errors.close()
        return out


def least(droppers, seconds):
    """Of each the least size that it has in this time: in the middle of a dump it is larger."""
    looks, end = [], time.monotonic() + seconds
    while not looks or time.monotonic() < end:
        looks.append({name: dropper.size() for name, dropper in droppers.items()})
        time.sleep(0.1)
    return {name: tuple(map(min, zip(*(look[name] for look in looks)))) for name in droppers}


@pytest.fixture
def session():
    """A connection that the filter selects, and that carries the droppers' session; gone before a second run has another."""
    with Holder() as holder:
        listener, client = holder.listener(), holder.socket()
        client.call("bind", ("127.8.0.1", 0))
        client.call("connect", listener.name())
        yield Pair(client, listener.accept(), holder.pid)


def records(path):
    """What befell each connection, a piece at a time."""
    with path.open("rb") as f:
        while piece := f.read(RECORD.size * 4096):
            yield from RECORD.iter_unpack(piece)


def judge(name, path, dropped, seen):
    """(made, died); every death has its reason, and every reason was a connection of somebody who may die."""
    made = died = 0
    for client, server, client_errno, server_errno in records(path):
        made += 1
        for own, other, number in ((client, server, client_errno), (server, client, server_errno)):
            if number:
                died += 1
                assert own in dropped or other in dropped, (name, hex(own), errno.errorcode[number], "nobody had dropped either end")
                # The end that was named is told so; the other gets a reset of it.
                allowed = {errno.ECONNABORTED} if other not in dropped else {errno.ECONNRESET}
                allowed |= {errno.ECONNRESET, errno.ECONNABORTED} if own in dropped and other in dropped else set()
                assert number in allowed, (name, hex(own), errno.errorcode[number])
        seen.update({client, server} & dropped)
    return made, died


#: a minute on a quiet machine has a thousand of the slowest kind, a few seconds beside other suites have twenty
FEW_RUNS = 100


@pytest.mark.timeout(SECONDS + 300)
def test_who_dies_is_who_was_to_die(session, tmp_path, record_property):
    env = {"SSH_CONNECTION": " ".join(map(str, (*session.local, *session.remote)))}
    workers = {name: Process("-I", SUPPORT / "soak_main.py", a, p, tmp_path / name, how) for name, (a, p, how) in WORKERS.items()}
    began = time.monotonic()
    for worker in workers.values():
        worker.says("ready")
    main = SUPPORT / "soak_drop_main.py"
    droppers = {name: Process(main, how, text, RULE, tmp_path / name, env=env) for name, (how, text) in DROPPERS.items()}
    for dropper in droppers.values():
        dropper.says("warm")
    time.sleep(SECONDS * 0.2)  # the first drop loads what a round without one does not need
    before = least(droppers, SECONDS * 0.1)
    time.sleep(SECONDS * 0.6)
    after = least(droppers, SECONDS * 0.1)
    for _, port, _ in WORKERS.values():
        assert len(procnet.listeners(port)) == 1
    counts = {name: json.loads(dropper.end()) for name, dropper in droppers.items()}
    for worker in workers.values():
        worker.end()
    elapsed = time.monotonic() - began
    dropped, seen = set(), set()
    for name in droppers:
        dropped.update(cookie for (cookie,) in struct.iter_unpack("=Q", (tmp_path / name).read_bytes()))
    told = {name: judge(name, tmp_path / name, dropped, seen) for name in WORKERS}
    rate = sum(made for made, _ in told.values()) / elapsed
    text = f"{rate:.0f} connections/s; (made, ends that died): {told}; {counts}; (bytes, descriptors): {before} {after}"
    record_property("soak", text)
    print(text)
    assert seen == dropped, f"{len(dropped - seen)} dropped that nobody had"
    assert [told[name][1] for name in ("spared", "ruled", "kept")] == [0, 0, 0]
    assert told["held"][1] and counts["tuples"]["dropped"]
    # In a few seconds of a busy machine the others may come too late each time.
    assert SECONDS < 60 or (all(told[name][1] for name in ("churn", "reuse")) and all(count["dropped"] for count in counts.values()))
    for name, count in counts.items():
        assert set(count) <= {"runs", "dropped", "gone", "protected"}, (name, count)
        # What one look takes goes by what the host's other processes hold at that moment: of a few looks the least says nothing.
        assert SECONDS < 60 or count["runs"] >= FEW_RUNS, (name, count)
        assert count["runs"] < FEW_RUNS or after[name][0] - before[name][0] < 2_000_000, (name, before[name], after[name])
        assert abs(after[name][1] - before[name][1]) < 8, (name, before[name], after[name])
    assert session.alive()
