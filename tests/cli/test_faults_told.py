# SPDX-License-Identifier: BSD-2-Clause
"""Each call of the module's that a command makes fails in turn: what was dropped is told, what was not is not, and one line says why.

tests/module/test_faults.py is about the module itself.
"""

import sys
from pathlib import Path

import pytest
from support.command import run

pytestmark = [pytest.mark.privileged, pytest.mark.only_on("linux", reason="its calls")]

MAIN = Path(__file__).parents[1] / "support" / "faults_command_main.py"
#: {pair} is a connection of the process itself
COMMANDS = {
    "classic": ("drop", "--no-syslog", "{pair.local[0]}", "{pair.local[1]}", "{pair.remote[0]}", "{pair.remote[1]}"),
    "drop": ("drop", "drop", "--yes", "--no-syslog", "--include-self", "lport {pair.local[1]}"),
    "drop by descriptor": ("drop", "drop", "--yes", "--no-syslog", "--include-self", "--method", "descriptor", "lport {pair.local[1]}"),
    "drop, session spared": ("drop", "drop", "--yes", "--no-syslog", "lport {pair.local[1]}"),
    "list": ("show", "list"),
    "list --json": ("show", "list", "--json"),
    "list with a device": ("show", "list", "dev lo or lport 1-65535"),
    "check": ("report", "check"),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_each_call_that_it_makes_fails(faults, command):
    done = run(sys.executable, MAIN, *COMMANDS[command], env={**faults, "SSH_CONNECTION": ""}, timeout=280)
    assert done.status == 0, done.err
    assert int(done.out) > 20
