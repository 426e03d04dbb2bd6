# SPDX-License-Identifier: BSD-2-Clause
"""The playbooks of docs/fleet.md are playbooks, and their tasks run."""

import re
from pathlib import Path

import pytest
from support.command import run
from support.engine import BIN, collections

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
        if set(task) & {*MODULES, "ansible.builtin.assert"}:
            yield {key: value for key, value in task.items() if key != "become"}


def test_there_are_six_and_one_for_bastions_and_one_that_installs():
    assert len(PLAYS) == 8
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
    variables = {"banned_networks": ["127.0.0.0/8"], "service_address": "192.0.2.9"}
    played = ansible.play({"hosts": "all", "gather_facts": False, "vars": variables, "tasks": tasks}, options=("--check",))
    assert played.status == 0, played.out + played.err
    assert [step.status for step in played.steps] == ["ok"] * len(tasks)
    assert sum(step.result.get("matched", 0) for step in played.steps) == 4  # either end of two
    assert len(tasks) == 11
    assert all(pair.alive() for pair in pairs)
