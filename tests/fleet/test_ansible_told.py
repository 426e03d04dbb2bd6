# SPDX-License-Identifier: BSD-2-Clause
"""The collection's module tells a drop that happened, whatever is wrong with who should hear of it (tests/cli/test_always_told.py)."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from support.command import run
from support.engine import collections, module
from support.troubles import TROUBLES, victims
from support.wait import until

pytestmark = [pytest.mark.privileged, pytest.mark.only_on("linux", reason="fleets are tested where they run")]

#: those in which somebody reads what the module writes
READ = [name for name in TROUBLES if name not in ("the reader is gone", "the disk is full")]


@pytest.fixture(scope="module")
def victim():
    with victims() as one:
        yield one


@pytest.mark.parametrize("how", [{}, {"duration": "200ms"}], ids=["once", "a watch"])
@pytest.mark.parametrize("name", READ)
def test_by_a_task(victim, name, how, tmp_path):
    one = victim()
    begun = time.monotonic()
    with TROUBLES[name](tmp_path) as trouble:
        chosen = {"process": [r"caf\udce9"], "local_port": [one.lport], "remote_port": [one.rport], "reason": "日"}
        done = module("tcp_drop", log=True, wrapper=trouble.wrapper, env=dict(trouble.env), **chosen, **how)
    assert time.monotonic() - begun < 30  # a loaded machine; it would hang
    assert not one.lives()
    assert (done.status, done.result["changed"], done.result["counts"]) == (0, True, {"dropped": 1})
    warnings = json.dumps(done.result.get("warnings", []))
    assert warnings.count("the log takes nothing just now") == trouble.stuck


@pytest.mark.parametrize("name", READ)
def test_a_list_by_a_task(victim, name, tmp_path):
    one = victim()
    with TROUBLES[name](tmp_path) as trouble:
        chosen = {"local_port": [one.lport], "remote_port": [one.rport]}
        done = module("tcp_connection_info", log=True, wrapper=trouble.wrapper, env=dict(trouble.env), **chosen)
    assert (done.status, done.result["matched"]) == (0, 1)
    assert json.dumps(done.result.get("warnings", [])).count("the log takes nothing just now") == trouble.stuck


def test_a_text_that_no_log_takes(victim, log):
    """Half a character, and a NUL: the engine's own line of how it was called would be the end of the task."""
    one = victim()
    chosen = {"local_port": [one.lport], "remote_port": [one.rport], "filter": "not comm zork\udce9"}
    done = module("tcp_drop", log=True, wrapper=log.wrapper, reason="日\udce9\0.", **chosen)
    assert (done.status, done.result["counts"], one.lives()) == (0, {"dropped": 1}, False)
    log.read()
    called, said = (text.partition(": ")[2] for text in log.lines)
    assert r"filter=not comm zork\udce9" in called and r"reason=日\udce9\0." in called
    assert said == r"1 dropped (reason: 日\udce9\0.)"


MODULE = """
import os, runpy, sys
from ansible.module_utils import basic
basic._ANSIBLE_ARGS, basic._ANSIBLE_PROFILE = sys.argv[1].encode(), "legacy"
runpy.run_module("ansible_collections.tcpdrop.net.plugins.modules.tcp_drop", run_name="__main__")
"""


@pytest.mark.parametrize("name", ["the reader is gone", "the disk is full"])
def test_by_the_status_where_nobody_reads(victim, name, tmp_path):
    one = victim()
    given = {"ANSIBLE_MODULE_ARGS": {"local_port": [one.lport], "remote_port": [one.rport], "_ansible_no_log": True}}
    with TROUBLES[name](tmp_path) as trouble:
        argv = [sys.executable, "-c", MODULE, json.dumps(given)]
        done = run(*argv, env={"PYTHONPATH": collections()}, stdout=trouble.stdout)
    assert not one.lives()
    assert done.status not in (0, -15)
    assert trouble.unwritten in done.err


@pytest.mark.parametrize("how", [{"duration": "10m"}, {"rate": 1}], ids=["a watch", "a rate"])
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGINT"])
def test_by_a_task_that_a_signal_ends(victim, log, name, how):
    """In order: what was dropped by then is its answer and stands in the log; what it had not come to lives."""
    some = [victim() for _ in range(3)]
    given = {"local_port": [some[0].lport], "remote_port": [one.rport for one in some], "include_self": True, **how}
    if "duration" in how:
        given["protect"] = "rport {},{}".format(*(one.rport for one in some[1:]))
    argv = [*log.wrapper, sys.executable, "-c", MODULE, json.dumps({"ANSIBLE_MODULE_ARGS": given})]
    env = {**os.environ, "PYTHONPATH": collections()}
    with subprocess.Popen(argv, env=env, cwd="/", stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as task:
        until(lambda: sum(one.lives() for one in some) == 2, "the first drop", 30)
        task.send_signal(getattr(signal, name))
        out, err = task.communicate(timeout=30)
    result = json.loads(out)
    counts = {"dropped": 1, "protected": 2} if "duration" in how else {"dropped": 1, "listed": 2}
    said = "1 dropped, 2 protected" if "duration" in how else "1 dropped, 2 not attempted"
    assert (err, task.returncode, result["failed"], result["changed"], result["counts"]) == ("", 1, True, True, counts)
    assert (result["msg"], result["outcome"]) == (f"{said}, then stopped by {name}", "failed")
    assert [one.lives() for one in some].count(True) == 2
    log.read()
    assert [text.partition(": ")[2] for text in log.lines[1:]] == [said]
