# SPDX-License-Identifier: BSD-2-Clause
"""The playbooks of docs/fleet.md are playbooks, and their tasks run."""

import contextlib
import errno
import re
import sys
from pathlib import Path

import pytest
from support.command import needs, run
from support.engine import BIN, collections
from support.holder import Holder

import tcpdrop as package

yaml = pytest.importorskip("yaml", reason="no ansible-core here (make test-ansible installs it)")

pytestmark = [pytest.mark.privileged, pytest.mark.only_on("linux", reason="fleets are tested where they run")]

ROOT = Path(__file__).resolve().parents[2]
PAGES = (ROOT / "docs" / "fleet.md", ROOT / "README.md", Path(collections(), "ansible_collections", "tcpdrop", "net", "README.md"))
BLOCKS = [text for page in PAGES for text in re.findall(r"^```yaml\n(.*?)^```$", page.read_text(encoding="utf-8"), re.M | re.S)]
PLAYS = [text for text in BLOCKS if "  hosts:" in text]
TASKS = [text for text in BLOCKS if text.startswith("- name:") and text not in PLAYS]
MODULES = ("tcpdrop.net.tcp_drop", "tcpdrop.net.tcp_connection_info")


def of_ours(tasks):
    """Tasks of the collection, and what depends on them, in order; those of blocks too."""
    for task in tasks:
        for inner in ("block", "rescue", "always"):
            yield from of_ours(task.get(inner, ()))
        if set(task) & {*MODULES, "ansible.builtin.assert"} and "run_once" not in task:
            yield {key: value for key, value in task.items() if key != "become"}


def test_there_are_six_and_one_for_bastions_and_two_more():
    assert len(PLAYS) == 9
    for word in ("serial:", "state: drained", "handlers:", "process:", "ansible.builtin.assert:", "local_addr:", "hosts: bastions"):
        assert sum(word in text for text in PLAYS) >= 1, word


def test_the_engine_reads_them(ansible):
    (ansible.place / "hosts").write_text("[all]\nx\n[databases]\n[web]\n[workers]\n[primary]\n[bastions]\n", encoding="utf-8")
    (ansible.place / "page.yml").write_text("".join(PLAYS), encoding="utf-8")
    done = run(BIN / "ansible-playbook", "--syntax-check", "-i", "hosts", "page.yml", env=ansible.env, cwd=ansible.place)
    assert (done.status, done.err) == (0, ""), done.out


def test_their_tasks_run(ansible, service):
    """In check mode, where one of them would drop the connections of this test."""
    _, pairs = service(2)
    tasks = [
        task for text in PLAYS for play in yaml.safe_load(text) for task in of_ours([*play.get("tasks", ()), *play.get("handlers", ())])
    ]
    tasks += [task for text in TASKS for task in of_ours(yaml.safe_load(text))]
    present = len(package.connections("remote 127.0.0.0/8"))  # either end of two, and what other tests have left there
    assert present >= 4
    variables = {"banned_networks": ["127.0.0.0/8"], "service_address": "192.0.2.9", "seen": {"matched": 0}}
    played = ansible.play({"hosts": "all", "gather_facts": False, "vars": variables, "tasks": tasks}, options=("--check",))
    assert played.status == 0, played.out + played.err
    assert [step.status for step in played.steps] == ["ok"] * len(tasks)
    assert sum(step.result.get("matched", 0) for step in played.steps) == present
    assert len(tasks) == 13
    assert all(pair.alive() for pair in pairs)


#: a Python in the network namespace of another process: a host of its own, as far as connections go
ELSEWHERE = """#!/bin/sh
exec nsenter --net=/proc/{pid}/ns/net {python} "$@"
"""


@pytest.fixture
def fleet(ansible):
    """Three hosts: their variables, and the connections to port 5432 of each."""
    hosts, found = {}, {}
    with contextlib.ExitStack() as stack:
        for number, name in enumerate(("db1", "db2", "db3"), 1):
            holder = stack.enter_context(Holder(netns=True))
            python = ansible.place / f"python-{name}"
            python.write_text(ELSEWHERE.format(pid=holder.pid, python=sys.executable))
            python.chmod(0o755)
            hosts[name] = {"ansible_python_interpreter": str(python)}
            found[name] = [holder.pair(port=5432, victim="server") for _ in range(number)]
        yield hosts, found


@pytest.mark.parametrize("at_most", [5, 6])
def test_the_whole_fleet_before_the_first_drop(ansible, fleet, at_most):
    """Six on three hosts: where five may be dropped none is, anywhere."""
    needs("nsenter", "--version")
    hosts, found = fleet
    (text,) = (text for text in PLAYS if "at_most" in text)
    text = text.replace("hosts: databases", "hosts: all\n  gather_facts: false").replace("become: true", "become: false")
    text = text.replace("203.0.113.0/24", "127.0.0.0/8").replace("at_most: 200", f"at_most: {at_most}")
    played = ansible.play(*yaml.safe_load(text), hosts=hosts)
    (table,) = (step.result["msg"] for step in played.steps if step.task == "Show one table")
    assert [line.split() for line in table] == [
        ["db1", "1", "127.0.0.1"],
        ["db2", "2", "127.0.0.1"],
        ["db3", "3", "127.0.0.1"],
        ["all", "6"],
    ]
    dropped = {step.host: step.result["counts"] for step in played.steps if step.task == "Drop"}
    if at_most < 6:
        assert played.status == 2, played.out + played.err
        assert "6 connections on all hosts, and at most 5 may be dropped: none was" in played.out
        assert dropped == {} and all(pair.alive() for pairs in found.values() for pair in pairs)
    else:
        assert played.status == 0, played.out + played.err
        assert dropped == {"db1": {"dropped": 1}, "db2": {"dropped": 2}, "db3": {"dropped": 3}}
        assert {pair.peer.errno("recv", 1) for pairs in found.values() for pair in pairs} == {errno.ECONNRESET}
