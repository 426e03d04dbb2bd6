# SPDX-License-Identifier: BSD-2-Clause
"""The real Ansible, with the collection as it is installed; and a module of it alone."""

import functools
import json
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


@functools.lru_cache
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
            "ANSIBLE_INJECT_INVOCATION": "1",  # from 2.21 on only who asks sees what a module was given
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_PIPELINING": "1",  # no files to and fro: half the time
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
        inventory = {"all": {"hosts": hosts if isinstance(hosts, dict) else {host: {} for host in hosts}, "vars": local}}
        files = {"inventory.json": inventory, "playbook.json": plays}
        for name, content in files.items():
            (self.place / name).write_text(json.dumps(content), encoding="utf-8")
        record = self.place / "record"
        record.unlink(missing_ok=True)
        done = run(
            *(*wrapper, BIN / "ansible-playbook", "-i", self.place / "inventory.json", *options, self.place / "playbook.json"),
            env={**self.env, **(env or {})},
            cwd=self.place,
            timeout=240,
        )
        lines = record.read_text(encoding="utf-8").splitlines() if record.exists() else []
        return Played(*done, [Step(**json.loads(line)) for line in lines])


#: A Python that notes how much memory each run of it took, KiB.  What wait4(2) tells
#: of a child begins with the memory of who forked it: that must be a small process.
MEASURED = """\
#!{python} -I
import os, sys
pid = os.spawnv(os.P_NOWAIT, sys.executable, [sys.executable, *sys.argv[1:]])
_, status, usage = os.wait4(pid, 0)
with open({note!r}, "a") as file:
    file.write(f"{{usage.ru_maxrss}}\\n")
sys.exit(os.waitstatus_to_exitcode(status))
"""


def measured_python(place):
    """The interpreter, and a function that gives what its runs took."""
    path, note = place / "measured_python", place / "peaks"
    path.write_text(MEASURED.format(python=sys.executable, note=str(note)), encoding="utf-8")
    path.chmod(0o755)
    return path, lambda: [int(line) for line in note.read_text(encoding="ascii").split()]


class Alone(NamedTuple):
    """What a module answered."""

    status: int
    result: dict
    err: str


def modules(*calls, check=False, diff=False, log=False, wrapper=(), env=None):
    """Run modules without the engine, each in a process of its own; calls are (name, parameters)."""
    how = {"_ansible_check_mode": check, "_ansible_diff": diff, "_ansible_no_log": not log}
    work = json.dumps([[name, json.dumps({"ANSIBLE_MODULE_ARGS": {**parameters, **how}})] for name, parameters in calls])
    done = run(*wrapper, sys.executable, SUPPORT / "module_main.py", work, env={"PYTHONPATH": collections(), **(env or {})}, timeout=120)
    assert done.status == 0, done.err
    answers = json.loads(done.out)
    for _, out, err in answers:
        assert out, err
    return [Alone(status, json.loads(out), err) for status, out, err in answers]


def module(name, *, check=False, diff=False, log=False, wrapper=(), env=None, **parameters):
    """Run one."""
    return modules((name, parameters), check=check, diff=diff, log=log, wrapper=wrapper, env=env)[0]
