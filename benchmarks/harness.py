# SPDX-License-Identifier: BSD-2-Clause
"""What every measurement needs: a network namespace, a load, pairs, a table."""

from __future__ import annotations

import fcntl
import json
import os
import platform
import select
import shutil
import struct
import subprocess
import sys
import termios
import time
from contextlib import contextmanager
from socket import inet_ntop
from statistics import median
from threading import Thread

from tcpdrop import _tcpdrop

HERE = os.path.dirname(os.path.abspath(__file__))
#: the interpreter of the venv, and the command beside it; neither resolved: that would lose the venv
PYTHON = sys.executable
TCPDROP = os.path.join(os.path.dirname(PYTHON), "tcpdrop")
#: every state but LISTEN: what floor.c asks for
STATES = 0xBFE
LOAD_PORT, VICTIM_PORT = 20000, 30000

#: addresses as bytes, as the C module takes them
FourTuple = "tuple[bytes, int, bytes, int]"


# ---- a network namespace of our own


def enter_namespace(arguments: list[str]) -> list[str]:
    """Go on in a new network namespace (exec); returns the arguments once there."""
    here = os.readlink("/proc/self/ns/net")
    if arguments[:1] != ["--left"]:
        flags = "-n" if os.geteuid() == 0 else "-rn"
        script = os.path.abspath(sys.argv[0])
        command = ["unshare", flags, PYTHON, "-I", script, "--left", here, *arguments]
        try:
            os.execvp(command[0], command)
        except OSError as error:
            raise SystemExit(f"unshare: {error.strerror}") from None
    if arguments[1] == here:
        raise SystemExit("this is still the network namespace we came from")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    return arguments[2:]


# ---- programs of ours


def build(directory: str) -> None:
    for name in ("floor", "hold_connections"):
        source, to = os.path.join(HERE, f"{name}.c"), os.path.join(directory, name)
        subprocess.run(["cc", "-O2", "-pthread", "-o", to, source], check=True)


class Talker:
    """A child that answers lines."""

    def __init__(self, *command: str) -> None:
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, text: str) -> list[str]:
        if text:
            self.process.stdin.write(text)
            self.process.stdin.flush()
        answer = self.process.stdout.readline().split()
        if not answer:
            raise SystemExit(f"{os.path.basename(self.process.args[0])} has ended")
        return answer

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()

    def __enter__(self) -> Talker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Holder(Talker):
    """So many loopback connections, both ends held by a child; never by an ancestor of what we start."""

    def __init__(self, directory: str, connections: int, port: int = LOAD_PORT, ports: int = 4, *more: str) -> None:
        program = os.path.join(directory, "hold_connections")
        super().__init__(program, "-n", str(connections), "-b", str(port), "-k", str(ports), *more)
        self.ask("")  # ready

    def alive(self) -> int:
        """Sockets that nobody has dropped."""
        return sum(map(int, self.ask("count\n")[1:]))


class Terminal:
    """A command on a terminal of 80x24 that nobody looks at."""

    def __init__(self, *command: str) -> None:
        self._master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        environment = {**os.environ, "TERM": "xterm"}
        self._process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=subprocess.PIPE, text=True, env=environment)
        os.close(slave)
        Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        """What is drawn must go somewhere."""
        try:
            while os.read(self._master, 65536):
                pass
        except OSError:
            pass  # EIO: it has ended

    def errors(self) -> str:
        """All that it says on standard error, until its end."""
        return self._process.stderr.read()

    def spent(self) -> float:
        """Seconds of CPU that it has taken.  proc_stat(5)"""
        with open(f"/proc/{self._process.pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()
        self._process.stderr.close()
        os.close(self._master)


class Floor(Talker):
    def __init__(self, directory: str) -> None:
        super().__init__(os.path.join(directory, "floor"))

    def dump(self) -> float:
        return int(self.ask("dump\n")[0]) / 1e9

    def abort(self, quads: list[FourTuple]) -> float:
        lines = "".join(f"{text(q)}\n" for q in quads)
        nanoseconds, aborted = self.ask(f"abort {len(quads)}\n{lines}")
        expect(int(aborted), len(quads), "connections that the floor aborted")
        return int(nanoseconds) / 1e9

    def drop(self, threads: int, port: int) -> float:
        return int(self.ask(f"drop {threads} {port}\n")[0]) / 1e9


def text(quad: FourTuple) -> str:
    return " ".join(map(str, words(quad)))


def words(quad: FourTuple) -> tuple[str, int, str, int]:
    laddr, lport, raddr, rport = quad
    family = 2 if len(laddr) == 4 else 10
    return inet_ntop(family, laddr), lport, inet_ntop(family, raddr), rport


def expect(got: object, wanted: object, what: str) -> None:
    """A figure of a run that did something else is worth nothing."""
    if got != wanted:
        raise SystemExit(f"{what}: {got}, not {wanted}")


@contextmanager
def victims(directory: str, count: int) -> object:
    """Quadruples of so many fresh connections (their client ends)."""
    from tcpdrop.model.rows import FAMILY, LADDR, LPORT, RADDR, ROW, RPORT

    with Holder(directory, count, VICTIM_PORT, 1):
        quads = []
        for row in map(ROW.unpack, _tcpdrop.list_connections(STATES, dport=VICTIM_PORT)):
            size = 4 if row[FAMILY] == 4 else 16
            quads.append((row[LADDR][:size], row[LPORT], row[RADDR][:size], row[RPORT]))
        expect(len(quads), count, "victims")
        yield quads


# ---- time


def clock(work: object) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def run(*command: str, status: int = 0) -> float:
    """The time of a whole process, its output thrown away."""
    null = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in (0, 1, 2)]
    path = shutil.which(command[0]) or command[0]
    start = time.perf_counter()
    pid = os.posix_spawn(path, command, os.environ, file_actions=null)
    _, code = os.waitpid(pid, 0)
    taken = time.perf_counter() - start
    if status >= 0:
        expect(os.waitstatus_to_exitcode(code), status, f"exit status of {os.path.basename(' '.join(command))}")
    return taken


def run_apart(*command: str) -> float:
    """The same of a process that has nobody but PID 1 above it, as cron starts it.

    Whoever feeds or reads our own ancestors may be an operator that a drop must find; here nobody is.  Its
    status is PID 1's to learn: what it did must show otherwise.
    """
    path = shutil.which(command[0]) or command[0]
    tell, told = os.pipe()
    start = time.perf_counter()
    between = os.fork()
    if between == 0:
        os.setsid()
        pid = os.fork()
        if pid != 0:
            os.write(told, str(pid).encode())
            os._exit(0)
        try:
            while os.getppid() == between:
                time.sleep(0.0001)
            null = os.open(os.devnull, os.O_RDWR)
            for fd in (0, 1, 2):
                os.dup2(null, fd)
            os.execv(path, command)
        finally:
            os._exit(127)  # not found, say: no second benchmark goes on here
    os.waitpid(between, 0)
    ended = os.pidfd_open(int(os.read(tell, 20)))
    select.select([ended], [], [])
    taken = time.perf_counter() - start
    for fd in (ended, tell, told):
        os.close(fd)
    return taken


@contextmanager
def one_cpu() -> object:
    """What is started in here has one CPU, and so as good as one thread."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def idle_share(seconds: float = 0.05) -> float:
    """How much of all CPUs nobody wants, for so long.  proc_stat(5)"""

    def ticks() -> list[int]:
        with open("/proc/stat") as file:
            return [int(word) for word in file.readline().split()[1:9]]

    before = ticks()
    time.sleep(seconds)
    spent = [now - then for now, then in zip(ticks(), before)]
    return (spent[3] + spent[4]) / max(sum(spent), 1)


# ---- results


class Results:
    def __init__(self, patience: float, *, judge: bool) -> None:
        #: the limits stand for the full sizes only
        self.judge = judge
        self.rows: list[dict[str, object]] = []
        #: seconds to wait for an idle machine, before each pair
        self.patience = patience
        #: pairs that began, and those that had to begin while others worked
        self.begun = self.busy = 0

    def quiet(self) -> None:
        """Wait until others leave the machine alone; two threads need both CPUs."""
        until = time.monotonic() + self.patience
        self.begun += 1
        while idle_share() < 0.9:
            if time.monotonic() >= until:
                self.busy += 1
                return

    def pairs(self, work: str, against: str, ours: object, theirs: object, *, rounds: int, limit: float | None = None) -> None:
        """Alternate ours and theirs; each pair makes a ratio, and the median of these counts.  The first pair warms up."""
        taken = []
        for turn in range(rounds + 1):
            self.quiet()
            if turn % 2:
                mine, other = ours(), theirs()
            else:
                other, mine = theirs(), ours()
            taken.append((mine, other))
        self.add(work, against, taken[1:], limit)

    def add(self, work: str, against: str, taken: list[tuple[float, float]], limit: float | None = None, unit: str = "s") -> None:
        ratios = [mine / other for mine, other in taken]
        self._put(
            work=work,
            against=against,
            unit=unit,
            ours=median(mine for mine, _ in taken),
            theirs=median(other for _, other in taken),
            ratio=median(ratios),
            least=min(ratios),
            most=max(ratios),
            limit=limit,
            ok=None if limit is None else median(ratios) <= limit,
        )

    def absolute(self, work: str, taken: list[float], limit: float) -> None:
        """Seconds against a limit in seconds; the ratio columns show seconds too."""
        middle = median(taken)
        self._put(work=work, against=None, unit="s", ours=middle, least=min(taken), most=max(taken), limit=limit, ok=middle <= limit)

    def skip(self, work: str, why: str) -> None:
        self._put(work=work, skipped=why)

    def _put(self, **row: object) -> None:
        if not self.judge and "ok" in row:
            row["ok"] = None
        self.rows.append(row)
        print(line(row), flush=True)


def amount(value: float, unit: str) -> str:
    scales = (("M", 1e6), ("", 1), ("m", 1e-3), ("u", 1e-6))
    prefix, size = next((scale for scale in scales if value >= scale[1]), scales[-1])
    return f"{value / size:.3g} {prefix}{unit}"


HEADER = f"{'work':<50}{'ours':>9}  {'theirs':<29}{'ratio [min..max]':<22}{'limit':>7}"


def line(row: dict[str, object]) -> str:
    work = f"{row['work']:<50}"
    if "skipped" in row:
        return f"{work}  skipped: {row['skipped']}"
    unit = row["unit"]
    work += f"{amount(row['ours'], unit):>9}  "
    verdict = {None: "", True: "  ok", False: "  MISS"}[row["ok"]]
    if row["against"] is None:
        span = f"[{amount(row['least'], unit)}..{amount(row['most'], unit)}]"
        return f"{work}{'':<29}{span:<22}{amount(row['limit'], unit):>7}{verdict}"
    theirs = f"{amount(row['theirs'], unit)} {row['against']}"
    span = f"{row['ratio']:.2f} [{row['least']:.2f}..{row['most']:.2f}]"
    limit = f"{row['limit']:.2f}" if row["limit"] else "-"
    return f"{work}{theirs:<29}{span:<22}{limit:>7}{verdict}"


def machine() -> dict[str, str]:
    """What a reader must know to judge the figures; nothing that names the machine."""
    with open("/proc/cpuinfo") as file:
        cpu = next((entry.partition(":")[2].strip() for entry in file if entry.startswith("model name")), platform.machine())
    ss = subprocess.run(["ss", "-V"], capture_output=True, text=True).stdout.strip() if shutil.which("ss") else "absent"
    return {
        "cpu": f"{len(os.sched_getaffinity(0))} x {cpu}",
        "kernel": f"{platform.system()} {'.'.join(platform.release().split('.')[:2])}",
        "ss": ss.rpartition("-")[2],
        "python": platform.python_version(),
        "user": "root" if os.geteuid() == 0 else "ordinary",
    }


def save(path: str, facts: dict[str, str], results: Results) -> None:
    with open(path, "w") as file:
        json.dump({"machine": facts, "pairs": results.begun, "busy": results.busy, "results": results.rows}, file, indent=1)
        file.write("\n")
