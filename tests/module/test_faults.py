# SPDX-License-Identifier: BSD-2-Clause
"""Each call of each function of the module fails in turn: a clear exception or the right result, and nothing left behind.

tests/c/faults.c makes the kernel, libc and CPython fail; support/faults.py says how, support/faults_main.py of what.
"""

import importlib.util
import sys
from pathlib import Path

import pytest
from support.command import run

pytestmark = [pytest.mark.privileged, pytest.mark.only_on("linux", reason="its calls")]

PYPY = sys.implementation.name == "pypy"
MAIN = Path(__file__).parents[1] / "support" / "faults_main.py"
CHANGE_NOTHING = [
    *("list_connections", "list_connections details", "list_connections threads", "list_connections scope"),
    *("lookup", "lookup_each", "socket_of", "mptcp_sockets", "interfaces", "interfaces scope", "ifindices"),
    *("pipe_is_cut", "unix_sockets", "probe", "routes", "links", "rules", "process", "thread_tables", "classic_lines"),
]
CONVERSE = ["conversation", "conversation open", "conversation scope"]
DROP = ["abort", "abort scope", "abort_rows", "abort_rows threads", "abort_descriptor", "abort_held own", "abort_held other"]


def walk(faults, case, kind):
    """How many faults there were."""
    done = run(sys.executable, MAIN, case, kind, env={**faults, "FAULTS_TEST": "of the environment"}, timeout=120)
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
