# SPDX-License-Identifier: BSD-2-Clause
"""A ^C while our files load ends the command as it ends any other: by the signal, without a word.

The form that names one connection waits for its line, once that was dropped.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.command import COMMAND, line, run, words
from support.holder import fresh_ports
from support.wait import until

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


#: a signal comes as soon as this function of the kernel's module has returned, and then the command begins
SIGNALLED = """
import os, sys
from tcpdrop.cli import main
from tcpdrop.system import kernel
name, number = sys.argv[1], int(sys.argv[2])
real = getattr(kernel, name)
def then_a_signal(*given, **how):
    answer = real(*given, **how)
    os.kill(os.getpid(), number)
    return answer
setattr(kernel, name, then_a_signal)
sys.exit(main(sys.argv[3:]))
"""
ENDING = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


@pytest.mark.privileged
@pytest.mark.parametrize("number", ENDING)
@pytest.mark.parametrize("form", ["text", "--json", "--jsonl", "-q", "--syslog"])
def test_a_drop_that_happened_is_told_before_a_signal_ends_the_classic_form(holder, form, number):
    pair = holder.pair()
    done = run(sys.executable, "-c", SIGNALLED, "abort", str(int(number)), *([] if form == "text" else [form]), *words(pair))
    assert pair.state() is None
    assert (done.status, done.err) == (128 + number, "")
    if form in ("text", "--syslog"):
        assert done.out == f"{line(pair)}: dropped\n"
    elif form == "-q":
        assert done.out == ""
    else:
        assert [json.loads(one) for one in done.out.splitlines()][-1].get("summary", {"counts": {"dropped": 1}})["counts"] == {"dropped": 1}
        assert '"outcome": "dropped"' in done.out


@pytest.mark.privileged
@pytest.mark.parametrize("number", ENDING)
def test_before_the_abort_a_signal_ends_the_classic_form_at_once(holder, number):
    pair = holder.pair()
    done = run(sys.executable, "-c", SIGNALLED, "converse", str(int(number)), *words(pair))
    assert (done.status, done.out) == (130 if number == signal.SIGINT else -number, "")
    assert pair.alive()


@pytest.mark.privileged
def test_a_signal_ends_what_more_a_name_of_several_addresses_means(holder):
    """localhost, in both families: of the second nothing was begun."""
    ports = fresh_ports()
    pairs = [holder.pair(family, **ports) for family in ("inet", "inet6")]
    ends = ["localhost", str(pairs[0].lport), "localhost", str(pairs[0].rport)]
    done = run(sys.executable, "-c", SIGNALLED, "abort", str(int(signal.SIGTERM)), *ends)
    assert done.status == 128 + signal.SIGTERM
    dropped = [pair for pair in pairs if pair.state() is None]
    assert len(dropped) == 1
    assert done.out == f"{line(dropped[0])}: dropped\n"


@pytest.mark.privileged
def test_a_second_signal_does_not_wait_for_who_reads_the_line(holder):
    """A pipe that is full: nobody reads the line, and the first signal leaves it time."""
    pair = holder.pair()
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writer, bytes(4096))
    os.set_blocking(writer, True)
    with subprocess.Popen([COMMAND, *words(pair)], stdout=writer, stderr=subprocess.PIPE, text=True) as process:
        until(lambda: pair.state() is None, "the drop")
        process.send_signal(signal.SIGTERM)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 3
        assert process.stderr.read() == "tcpdrop: cannot write to standard output: nobody read it until a second signal\n"
    os.close(reader)
    os.close(writer)
