# SPDX-License-Identifier: BSD-2-Clause
"""Measure tcpdrop against the kernel's floor, the bare interpreter and ss.

    .venv/bin/python3 -I benchmarks/run.py [--only NAME[,NAME]] [--quick] [--json FILE]

Everything happens in a network namespace of its own: as root, or as an
ordinary user where user namespaces are allowed.  Ours and theirs alternate;
the ratio is the median of the pairs' ratios.  docs/performance.md explains.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from argparse import ArgumentParser

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import harness
from harness import PYTHON, STATES, TCPDROP, VICTIM_PORT, Floor, Holder, Results, clock, run, run_apart

import tcpdrop
from tcpdrop import _tcpdrop
from tcpdrop.model.rows import ROW
from tcpdrop.model.table import Batch, Connections
from tcpdrop.safety import session


class Bench:
    """What the measurements share."""

    def __init__(self, directory: str, rounds: int, patience: float, *, judge: bool) -> None:
        self.directory = directory
        self.rounds = rounds
        self.results = Results(patience, judge=judge)
        self.floor = Floor(directory)

    def load(self, sockets: int) -> Holder:
        return Holder(self.directory, sockets // 2)


def many(sockets: int) -> str:
    return f"{sockets // 1000}k sockets" if sockets >= 1000 else f"{sockets} sockets"


# ---- exact


def bench_abort(b: Bench, sockets: int) -> None:
    """_tcpdrop.abort() against socket + look-up + destroy + close in C."""
    each = min(100, sockets // 4)  # a connection is two sockets, and half of them are the floor's
    taken = []
    for turn in range(b.rounds + 1):
        with harness.victims(b.directory, 2 * each) as quads:
            b.results.quiet()
            pair = [0.0, 0.0]
            for side in (turn % 2, 1 - turn % 2):
                pair[side] = b.floor.abort(quads[1::2]) if side else clock(lambda q=quads[::2]: [_tcpdrop.abort(*quad) for quad in q])
        taken.append((pair[0] / each, pair[1] / each))
    b.results.add(f"abort one, {many(sockets)}", "floor", taken[1:], 1.3)


def bench_drop_one(b: Bench, sockets: int) -> None:
    """The public function, with the operator's session protected: in a row, and each as if it were the first.

    Against as many aborts in C, since how long both take follows the machine.
    """
    usual, each = session.FRESH, 10
    # What the first costs is the walk over the ancestors and their descriptors.
    ancestors = sum(1 for _ in session.ancestors())
    for which, fresh, limit in (("in a row", usual, 4), ("each the first", 0, 12 if ancestors <= 4 else None)):
        taken = []
        session.FRESH = fresh  # 0: what protects the operator is looked at again
        for _ in range(b.rounds + 1):
            with harness.victims(b.directory, 2 * each + 1) as quads:
                laddr, lport, raddr, rport = harness.words(quads.pop())
                b.results.quiet()
                tcpdrop.drop_one((laddr, lport), (raddr, rport))  # from here on it is a row
                pair = [0.0, 0.0]
                for side in (0, 1):
                    ends = [((laddr, lport), (raddr, rport)) for laddr, lport, raddr, rport in map(harness.words, quads[side::2])]
                    pair[side] = b.floor.abort(quads[1::2]) if side else clock(lambda ends=ends: [tcpdrop.drop_one(*both) for both in ends])
            taken.append((pair[0] / each, pair[1] / each))
        b.results.add(f"drop_one(), {which}, {ancestors} ancestors, {many(sockets)}", "floor of one abort", taken[1:], limit)
    session.FRESH = usual


# ---- the start of the command


def bench_start(b: Bench, sockets: int) -> None:
    rounds = 3 * b.rounds

    def nothing() -> float:
        return run(PYTHON, "-I", "-c", "pass")

    if not sockets:
        b.results.pairs("tcpdrop --version", "python3 -I -c pass", lambda: run(TCPDROP, "--version"), nothing, rounds=rounds, limit=1.2)
    where = many(sockets)
    absent = ("127.0.0.1", "1", "127.0.0.1", "2")
    name = f"classic form, not found, {where}"
    b.results.pairs(name, "python3 -I -c pass", lambda: run(TCPDROP, *absent, status=1), nothing, rounds=rounds, limit=1.45)
    with harness.victims(b.directory, 2 * rounds + 2) as quads:
        left = [harness.words(quad) for quad in quads]

        def drop() -> float:
            return run(TCPDROP, *map(str, left.pop()))

        def ss_kill() -> float:
            laddr, lport, raddr, rport = left.pop()
            return run("ss", "-tnHK", "src", f"{laddr}:{lport}", "dst", f"{raddr}:{rport}")

        b.results.pairs(f"classic form, dropped, {where}", "python3 -I -c pass", drop, nothing, rounds=rounds, limit=1.45)
        b.results.pairs(f"classic form, dropped, {where}", "ss -K", drop, ss_kill, rounds=rounds // 3)


# ---- the table


def bench_table(b: Bench, sockets: int) -> None:
    where = many(sockets)
    unpack = ROW.unpack

    def listed(threads: int, touch: object = None) -> float:
        start = time.perf_counter()
        table = _tcpdrop.list_connections(STATES, threads=threads)
        if touch:
            touch(table)
        taken = time.perf_counter() - start
        if len(table) < sockets:
            raise SystemExit(f"{len(table)} rows of {sockets}")
        return taken

    def unpacked(table: object) -> None:
        for row in table:
            unpack(row)

    def connections(table: object) -> None:
        for connection in Connections([Batch(table, None)]):
            _ = connection.state_name

    def pairs(work: str, ours: object, limit: float | None = None) -> None:
        b.results.pairs(f"{work}, {where}", "floor", ours, b.floor.dump, rounds=b.rounds, limit=limit)

    pairs("table, one thread", lambda: listed(1), 1.1)
    pairs("table, two threads", lambda: listed(2), 0.85)
    pairs("table, one thread, each row unpacked", lambda: listed(1, unpacked), 1.5)
    pairs("table, default, each row unpacked", lambda: listed(0, unpacked), 1.5)
    pairs("table, default, each a Connection", lambda: listed(0, connections))
    pairs("ss -tnH", lambda: run("ss", "-tnH"))


_MEMORY = """\
import sys
from tcpdrop import _tcpdrop as t
def status(key):
    with open("/proc/self/status") as f:
        return next(int(l.split()[1]) for l in f if l.startswith(key))
t.list_connections(0x400)
open("/proc/self/clear_refs", "w").write("5")
before = status("VmRSS")
table = t.list_connections(int(sys.argv[1]), threads=int(sys.argv[2]))
print((status("VmHWM") - before) * 1024, len(table) * table.stride)
"""


def bench_memory(b: Bench, sockets: int) -> None:
    """Peak growth while the table is made, against what its rows take."""
    for threads in (1, 2):
        taken = []
        for _ in range(3):
            command = [PYTHON, "-I", "-c", _MEMORY, str(STATES), str(threads)]
            child = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            peak, rows = map(int, child.stdout.split())
            taken.append((peak, rows))
        work = f"peak memory of the table, {threads} thread{'s' * (threads > 1)}, {many(sockets)}"
        b.results.add(work, "its rows", taken, 1.3, unit="B")


# ---- whole commands


def _works(*arguments: str) -> bool:
    """Is this command there yet?  It must find something and say so."""
    child = subprocess.run([TCPDROP, *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return child.returncode == 0 and bool(child.stdout)


def bench_list(b: Bench, sockets: int) -> None:
    work = f"tcpdrop list, {many(sockets)}"
    if not _works("list"):
        b.results.skip(work, "this tcpdrop has no 'list'")
        return
    b.results.pairs(work, "ss -tnH", lambda: run(TCPDROP, "list"), lambda: run("ss", "-tnH"), rounds=b.rounds, limit=1.0)


def bench_list_filtered(b: Bench, sockets: int) -> None:
    """Ten connections by their remote address, of many."""
    work = f"tcpdrop list --remote-addr, 10 of {many(sockets)}"
    with Holder(b.directory, 10, VICTIM_PORT, 1, "-s", "127.9.9.9"):
        ours, theirs = ("list", "--remote-addr", "127.9.9.9"), ("ss", "-tnH", "dst", "127.9.9.9")
        if not _works(*ours):
            b.results.skip(work, "this tcpdrop has no 'list --remote-addr'")
            return
        b.results.pairs(work, "ss -tnH dst", lambda: run(TCPDROP, *ours), lambda: run(*theirs), rounds=b.rounds, limit=1.5)


def bench_drop(b: Bench, connections: int) -> None:
    """Every client of one port; both ends vanish, and nothing may survive ours."""
    work = f"tcpdrop drop, {connections // 1000}k connections"
    survivors = {"ours": 0, "theirs": 0}

    def drop(*command: str, who: str) -> float:
        with Holder(b.directory, connections, VICTIM_PORT, 1) as holder:
            taken = run_apart(*command)
            survivors[who] = max(survivors[who], holder.alive())
        return taken

    with Holder(b.directory, 1, VICTIM_PORT, 1):
        if not _works("drop", "--yes", "--local-port", str(VICTIM_PORT)):
            b.results.skip(work, "this tcpdrop has no 'drop --local-port'")
            return

    def ours() -> float:
        return drop(TCPDROP, "drop", "--yes", "--local-port", str(VICTIM_PORT), who="ours")

    def theirs() -> float:
        return drop("ss", "-tnHK", "sport", f"= :{VICTIM_PORT}", who="theirs")

    judged = connections >= 100_000  # below it the interpreter's start is a good part
    with harness.one_cpu():
        b.results.pairs(f"{work}, one CPU", "ss -K", ours, theirs, rounds=b.rounds, limit=0.44 if judged else None)
    b.results.pairs(work, "ss -K", ours, theirs, rounds=b.rounds, limit=0.30 if judged else None)
    print(f"  survivors at most: {survivors['ours']} of tcpdrop, {survivors['theirs']} of ss -K")
    harness.expect(survivors["ours"], 0, "survivors of tcpdrop drop")


def bench_drop_rows(b: Bench, connections: int) -> None:
    """The C part of that: dump, then destroy in batches; no limit of its own."""

    def ours(threads: int) -> float:
        with Holder(b.directory, connections, VICTIM_PORT, 1) as holder:
            start = time.perf_counter()
            table = _tcpdrop.list_connections(STATES, sport=VICTIM_PORT, threads=threads)
            indices = memoryview(bytearray(4 * len(table))).cast("I")
            for i in range(len(table)):
                indices[i] = i
            _tcpdrop.abort_rows(table, indices.tobytes(), threads=threads)
            taken = time.perf_counter() - start
            harness.expect(holder.alive(), 0, "survivors of abort_rows()")
        return taken

    def floor(threads: int) -> float:
        with Holder(b.directory, connections, VICTIM_PORT, 1) as holder:
            taken = b.floor.drop(threads, VICTIM_PORT)
            harness.expect(holder.alive(), 0, "survivors of the floor")
        return taken

    for threads in (1, 2):
        work = f"list and abort_rows(), {connections // 1000}k connections, {threads} thread{'s' * (threads > 1)}"
        b.results.pairs(work, "floor", lambda t=threads: ours(t), lambda t=threads: floor(t), rounds=b.rounds)


def bench_owners(b: Bench, sockets: int) -> None:
    """What finding the owners adds to a list, of ours and of ss."""
    work = f"owners, {many(sockets)}"
    ours = ("list", "--pid", str(os.getpid()))
    if not _works("list") or subprocess.run([TCPDROP, *ours], capture_output=True).returncode not in (0, 1):
        b.results.skip(work, "this tcpdrop has no 'list --pid'")
        return

    def with_owners() -> float:
        return max(run(TCPDROP, *ours, status=-1) - run(TCPDROP, "list"), 1e-6)

    def ss_owners() -> float:
        return max(run("ss", "-tnHp") - run("ss", "-tnH"), 1e-6)

    b.results.pairs(work, "ss -p", with_owners, ss_owners, rounds=min(b.rounds, 9), limit=0.3)


def bench_top_look(b: Bench, sockets: int) -> None:
    """One look and one draw on 80x24, whatever the rows are sorted by: CPU time, of all threads."""
    program = os.path.join(os.path.dirname(os.path.abspath(__file__)), "draw_top.py")
    for order in ("rate", "local", "process", "idle"):
        with harness.Terminal(PYTHON, "-I", program, str(b.rounds + 1), order) as terminal:
            taken = list(map(float, terminal.errors().split()))
        harness.expect(len(taken), b.rounds + 1, "draws of top")
        b.results.absolute(f"top, look and draw by {order}, {many(sockets)}", taken[1:], 0.25)


def bench_top_idle(b: Bench, sockets: int) -> None:
    """What a screen costs that nobody touches: CPU time for each second of 24."""
    seconds = 24 if b.results.judge else 6
    with harness.Terminal(TCPDROP, "top") as terminal:
        time.sleep(3)  # it has started, and looked for holders
        before = terminal.spent()
        time.sleep(seconds)
        spent = (terminal.spent() - before) / seconds
    b.results.absolute(f"top, idle, of a second, {many(sockets)}", [spent], 0.03)


#: name -> (function, numbers of sockets under which it runs; 0: without any load)
BENCHES = {
    "abort": (bench_abort, (100, 10_000, 100_000)),
    "drop_one": (bench_drop_one, (0, 100_000)),
    "start": (bench_start, (0, 100_000)),
    "table": (bench_table, (100_000,)),
    "list": (bench_list, (100_000,)),
    "list-filtered": (bench_list_filtered, (100_000,)),
    "owners": (bench_owners, (100_000,)),
    "memory": (bench_memory, (400_000,)),
    "top": (bench_top_look, (100_000,)),
    "top-idle": (bench_top_idle, (1000,)),
    # These bring their own load, so many connections.
    "drop_rows": (bench_drop_rows, (10_000, 100_000)),
    "drop": (bench_drop, (10_000, 100_000)),
}
OWN_LOAD = ("drop_rows", "drop")


def main() -> None:
    arguments = harness.enter_namespace(sys.argv[1:])
    parser = ArgumentParser(prog="run.py", description=__doc__.splitlines()[0])
    parser.add_argument("--only", metavar="NAME[,NAME]", help=", ".join(BENCHES))
    parser.add_argument("--quick", action="store_true", help="few rounds, 10k sockets for 100k: a look, nothing is judged")
    parser.add_argument("--rounds", type=int, default=15, help="pairs behind each ratio [15]")
    parser.add_argument("--patience", type=float, default=2, help="seconds to wait for an idle machine, before each pair [2]")
    parser.add_argument("--json", metavar="FILE", help="write the results there as well")
    options = parser.parse_args(arguments)
    names = options.only.split(",") if options.only else list(BENCHES)
    for name in names:
        if name not in BENCHES:
            parser.error(f"{name}: not one of {', '.join(BENCHES)}")

    facts = harness.machine()
    print(", ".join(f"{key}: {value}" for key, value in facts.items()))
    print(harness.HEADER)
    with tempfile.TemporaryDirectory() as directory:
        harness.build(directory)
        quick = options.quick
        b = Bench(directory, 3 if quick else options.rounds, 0 if quick else options.patience, judge=not quick)
        most = 10_000 if quick else 10**9
        sizes = {name: {min(size, most) for size in BENCHES[name][1]} for name in names}
        for size in sorted(set().union(*sizes.values())):
            run_at(b, size, [name for name in names if size in sizes[name]])
        b.floor.close()
    print(f"{b.results.busy} of {b.results.begun} pairs began while others used the machine")
    if options.json:
        harness.save(options.json, facts, b.results)


def run_at(b: Bench, size: int, names: list[str]) -> None:
    loaded = [name for name in names if name not in OWN_LOAD]
    if loaded:
        # Where the victims alone are the sockets, there is nothing to add.
        with b.load(0 if size <= 100 else size):
            for name in loaded:
                BENCHES[name][0](b, size)
    for name in names:
        if name in OWN_LOAD:
            BENCHES[name][0](b, size)


if __name__ == "__main__":
    main()
