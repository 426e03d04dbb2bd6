# SPDX-License-Identifier: BSD-2-Clause
"""The real Ansible, with the collection as it is installed; and a module of it alone."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from support.command import COMMAND, run

BIN = Path(sys.executable).parent
SUPPORT = Path(__file__).resolve().parent


def absent():
    """Why there is no Ansible here, or None."""
    if not (BIN / "ansible-playbook").exists():
        return "no ansible-core here (make test-ansible installs it)"
    return None


def collections():
    """What belongs on Ansible's collections path."""
    return run(COMMAND, "paths", "--ansible").out.strip()


class Step(NamedTuple):
    """One task on one host."""

    task: str
    host: str
    status: str
    result: dict


class Played(NamedTuple):
    status: int
    out: str
    err: str
    steps: list

    def only(self, host=None):
        """The results in order, of one host."""
        return [step for step in self.steps if host in (None, step.host)]


class Engine:
    """ansible-playbook in a directory of its own."""

    def __init__(self, place):
        self.place = Path(place)
        (self.place / "ansible.cfg").touch()  # not that of whoever runs the tests
        self.env = {
            "ANSIBLE_COLLECTIONS_PATH": collections(),
            "ANSIBLE_CONFIG": str(self.place / "ansible.cfg"),
            "ANSIBLE_HOME": str(self.place / "home"),
            "ANSIBLE_LOCAL_TEMP": str(self.place / "tmp"),
            "ANSIBLE_REMOTE_TEMP": str(self.place / "remote"),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_NO_TARGET_SYSLOG": "1",
            "ANSIBLE_CALLBACK_PLUGINS": str(SUPPORT / "callbacks"),
            "ANSIBLE_CALLBACKS_ENABLED": "recorder",
            "LC_ALL": "C.UTF-8",
            "RECORD": str(self.place / "record"),
        }

    def play(self, *plays, hosts=("here",), options=(), env=None, wrapper=(), variables=None):
        """Run these plays (dictionaries, or tasks of one play over all hosts)."""
        plays = [play if "hosts" in play else {"hosts": "all", "gather_facts": False, "tasks": [play]} for play in plays]
        local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable, **(variables or {})}
        inventory = {"all": {"hosts": hosts if isinstance(hosts, dict) else dict.fromkeys(hosts, {}), "vars": local}}
        files = {"inventory.json": inventory, "playbook.json": plays}
        for name, content in files.items():
            (self.place / name).write_text(json.dumps(content), encoding="utf-8")
        record = self.place / "record"
        record.unlink(missing_ok=True)
        done = run(
            *(*wrapper, BIN / "ansible-playbook", "-i", self.place / "inventory.json", *options, self.place / "playbook.json"),
            env={**self.env, **(env or {})},
            cwd=self.place,
            timeout=120,
        )
        lines = record.read_text(encoding="utf-8").splitlines() if record.exists() else []
        return Played(*done, [Step(**json.loads(line)) for line in lines])


#: basic.py takes its arguments from here where nobody packed a module; the second name is newer than 2.18
ALONE = """
import json, runpy, sys
from ansible.module_utils import basic
basic._ANSIBLE_ARGS, basic._ANSIBLE_PROFILE = sys.argv[2].encode(), "legacy"
runpy.run_module("ansible_collections.tcpdrop.net.plugins.modules." + sys.argv[1], run_name="__main__")
"""


class Alone(NamedTuple):
    """What a module answered; its peak memory in KiB."""

    status: int
    result: dict
    err: str
    memory: int


def module(name, *, check=False, diff=False, **parameters):
    """Run one module in a process of its own, without the engine."""
    arguments = {"_ansible_check_mode": check, "_ansible_diff": diff, "_ansible_no_log": True}
    arguments = json.dumps({"ANSIBLE_MODULE_ARGS": {**parameters, **arguments}})
    child = subprocess.Popen(
        [sys.executable, "-c", ALONE, name, arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": collections()},
        cwd="/",
    )
    with child.stdout, child.stderr:
        out, err = child.stdout.read(), child.stderr.read()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    return Alone(child.returncode, json.loads(out), err.decode(), usage.ru_maxrss)
