# SPDX-License-Identifier: BSD-2-Clause
"""A ^C while our files load ends the command as it ends any other: by the signal, without a word."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.command import COMMAND

import tcpdrop

pytestmark = [pytest.mark.pure, pytest.mark.only_on("linux", "sunos", reason="all forms")]

FUTURE = "from __future__ import annotations\n"
#: what a file of ours does first: it says so, and waits until it may go on
WAIT = "import sys\nsys.stderr.write('here\\n'); sys.stderr.flush(); sys.stdin.read()\n"
CLASSIC = ["127.0.0.1", "1", "127.0.0.1", "2"]
#: the file that is being loaded -> what was typed
LOADING = {
    "errors.py": ["--version"],
    "cli/options.py": ["list"],
    "cli/list.py": ["list"],
    "filters/selection.py": ["list"],
    "cli/drop.py": ["drop", "lport", "1"],
    "engine/run.py": ["drop", "lport", "1"],
    "cli/classic.py": CLASSIC,
    "engine/single.py": CLASSIC,
    "cli/check.py": ["check"],
    "cli/help.py": ["--help"],
}


@pytest.fixture
def copy(tmp_path):
    """copy(file) -> the launchers of a copy in which this file waits."""
    python = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    library = tmp_path / "lib" / python / "site-packages"
    shutil.copytree(Path(tcpdrop.__file__).parent, library / "tcpdrop", ignore=shutil.ignore_patterns("__pycache__", "integrations"))
    (tmp_path / "bin").mkdir()
    shutil.copy(COMMAND, tmp_path / "bin")
    for name in ("python3", python):
        (tmp_path / "bin" / name).symlink_to(os.path.realpath(sys.executable))

    def launchers(file):
        place = library / "tcpdrop" / file
        text = place.read_text(encoding="utf-8")
        assert text.count(FUTURE) == 1
        place.write_text(text.replace(FUTURE, FUTURE + WAIT), encoding="utf-8")
        return {"the command": [tmp_path / "bin" / "tcpdrop"], "-m": [sys.executable, "-m", "tcpdrop"]}

    launchers.env = {**os.environ, "PYTHONPATH": str(library)}
    return launchers


def begun(words, **how):
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd="/", **how)
    assert process.stderr.readline() == "here\n"
    return process


@pytest.mark.parametrize("launcher", ["the command", "-m"])
@pytest.mark.parametrize("file", LOADING)
def test_while_a_file_loads(copy, file, launcher):
    with begun([*copy(file)[launcher], *LOADING[file]], env=copy.env) as process:
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (-signal.SIGINT, "", "")


def test_who_does_not_hear_it_goes_on(copy):
    """As with nohup, or behind & in a script."""
    words = ["sh", "-c", 'trap "" INT; exec "$@"', "sh", *copy("cli/options.py")["the command"], "--version"]
    with begun(words, env=copy.env) as process:
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (0, f"tcpdrop {tcpdrop.__version__}\n", "")
