# SPDX-License-Identifier: BSD-2-Clause
"""Each call of each function of the module fails in turn: a clear exception or the right result, and nothing left behind.

tests/c/faults.c makes the kernel, libc and CPython fail; support/faults.py says how, support/faults_main.py of what.
"""

import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support import faults as walks
from support.command import run

from tcpdrop import _tcpdrop

pytestmark = [pytest.mark.privileged, pytest.mark.only_on("linux", reason="its calls")]

PYPY = sys.implementation.name == "pypy"
MAIN = Path(__file__).parents[1] / "support" / "faults_main.py"
CHANGE_NOTHING = [
    *("list_connections", "list_connections details", "list_connections openers", "list_connections threads", "list_connections scope"),
    *("lookup", "lookup_each", "socket_of", "mptcp_sockets", "interfaces", "interfaces scope", "ifindices"),
    *(
        "pipe_is_cut",
        "unix_sockets",
        "probe",
        "routes",
        "links",
        "rules",
        "process",
        "thread_tables",
        "classic_lines",
        "is_absent",
        "is_fifo",
    ),
]
CONVERSE = ["conversation", "conversation open", "conversation scope"]
DROP = ["abort", "abort scope", "abort_rows", "abort_rows threads", "abort_descriptor", "abort_held own", "abort_held other"]


#: what the module calls and no fault is put into, and why
NEVER_FAILS = {
    *("inet_ntop", "free", "qsort", "sigfillset", "snprintf", "sscanf"),  # these compute, as mem*() and str*() do
    *("clock_gettime", "getpid", "pthread_join", "pthread_sigmask", "uname"),  # fail of a wrong argument alone
    *("close", "fclose", "ferror"),  # of what was read only; that what they say is passed over is right
}


def test_each_function_is_walked():
    """None is added without its faults."""
    functions = {name for name in dir(_tcpdrop) if callable(getattr(_tcpdrop, name))}
    walked = {case.split()[0] for case in CHANGE_NOTHING + DROP} | {"converse"}
    assert functions - walked == {"Table", "end"}  # no function, and one that is called where a conversation is walked


def test_each_call_of_the_module_is_made_to_fail():
    """By the symbols that it asks the C library for."""
    if not shutil.which("nm"):
        pytest.skip("no nm here")
    out = subprocess.run(["nm", "-D", _tcpdrop.__file__], capture_output=True, text=True, check=True).stdout
    if re.search("__[at]san_|__gcov_", out):
        pytest.skip("built with what calls more")
    names = {line.split()[-1].partition("@")[0] for line in out.splitlines() if " U " in line}
    calls = {re.sub("64$", "", name) for name in names if not re.match("_|Py|mem|str(?!dup)", name)}
    assert calls - {fault.call for fault in walks.FAULTS} - NEVER_FAILS == set()


def walk(faults, case, kind):
    """How many faults there were.  They take as long as the machine needs: the limit is pytest's."""
    done = run(sys.executable, MAIN, case, kind, env={**faults, "FAULTS_TEST": "of the environment"}, timeout=None)
    if "Protocol not supported" in done.err and "mptcp" in case:
        pytest.skip("a kernel without MPTCP")
    assert done.status == 0, done.err
    return int(done.out)


@pytest.mark.parametrize("case", CHANGE_NOTHING + CONVERSE + DROP)
def test_each_call_that_it_makes_fails(faults, case):
    """The kernel refuses, is interrupted, is short of memory, lies; no thread, descriptor or memory is to be had."""
    if PYPY and case.startswith(("list", "mptcp")):
        pytest.skip("PyPy itself allocates a Table, and frees it in our name: the count of what is held is one less for each")
    assert walk(faults, case, "calls") > 0


@pytest.mark.skipif(PYPY, reason="PyPy allocates in ways of its own, and its _testcapi makes none fail")
@pytest.mark.skipif(importlib.util.find_spec("_testcapi") is None, reason="this CPython has no _testcapi")
@pytest.mark.parametrize("case", [*CHANGE_NOTHING, *DROP[:-1], "abort nobody", "converse"])  # the last one starts a process, in Python
def test_each_allocation_of_cpython_fails(faults, case):
    times = walk(faults, case, "memory")
    assert times > 0 or case in ("abort", "probe", "rules", "abort scope")  # which need none for what they return
