# SPDX-License-Identifier: BSD-2-Clause
"""The installed command, run as a user runs it."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import NamedTuple

import pytest

COMMAND = Path(sysconfig.get_path("scripts"), "tcpdrop")
LOGIN = Path(__file__).resolve().with_name("login_main.py")

#: root that lacks every capability, as in a container
NO_CAPABILITIES = ("setpriv", "--bounding-set=-all", "--inh-caps=-all")

#: an ordinary user; the one capability is for reading the interpreter, wherever that is installed
NOBODY = (
    *("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all,+dac_read_search"),
    *("--ambient-caps=-all,+dac_read_search", "--bounding-set=-all,+dac_read_search"),
)

#: may drop, and may not look into other users' processes
NEARLY_NOBODY = tuple(text.replace("+dac_read_search", "+dac_read_search,+net_admin") for text in NOBODY)


class Done(NamedTuple):
    status: int
    out: str
    err: str


def run(*argv, env=None, cwd="/", **how):
    """Run any command to its end.  env is added to ours; undecodable bytes come back as surrogates."""
    how = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "timeout": 60, **how}
    done = subprocess.run([os.fspath(arg) for arg in argv], env={**os.environ, **(env or {})}, cwd=cwd, **how)
    return Done(done.returncode, *((data or b"").decode("utf-8", "surrogateescape") for data in (done.stdout, done.stderr)))


def needs(*wrapper):
    """Skip the test where this wrapper cannot be had."""
    if shutil.which(wrapper[0]) is None:
        pytest.skip(f"no {wrapper[0]} here")
    done = run(*wrapper, "true")
    if done.status:
        pytest.skip(f"{' '.join(wrapper[:4])}: {done.err.strip()}")
    return wrapper


def tcpdrop(*args, wrapper=(), **how):
    """Run the installed command, behind `wrapper` (setpriv, env -i, unshare ...)."""
    return run(*wrapper, COMMAND, *args, **how)


def plain(addr):
    """A v4-mapped address as people write it."""
    return addr[7:] if addr.startswith("::ffff:") and "." in addr else addr


def words(pair, *, swapped=False):
    """The classic form's four operands."""
    ends = (pair.remote, pair.local) if swapped else (pair.local, pair.remote)
    return [text for addr, port in ends for text in (plain(addr), str(port))]


def line(pair, *, swapped=False):
    return " ".join(words(pair, swapped=swapped))


class Login:
    """A process that stands for sshd: it holds a TCP connection, and commands run as its grandchildren.

    `local` and `remote` are the ends of its connection to `address`.
    """

    def __init__(self, address, *, device="", env=None, wrapper=()):
        self._process = subprocess.Popen(
            [*wrapper, sys.executable, "-I", LOGIN, address[0], str(address[1]), device],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **(env or {})},
        )
        self.pid = self._process.pid
        self.local, self.remote = (tuple(end) for end in self._ask(None))

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()

    def _ask(self, request):
        if request is not None:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, "the login died"
        return json.loads(answer)

    def run(self, *args, wrapper=(), env=None):
        """login -> sh -> python -> [wrapper ->] tcpdrop"""
        return Done(*self._ask(["run", [*wrapper, os.fspath(COMMAND), *args], env or {}]))

    def rename(self, name):
        """Give the process another name, as ps shows it."""
        self._ask(["name", name])

    def alive(self):
        """Does a byte sent to the other end leave without an error?"""
        return self._ask(["alive"])
