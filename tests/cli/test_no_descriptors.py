# SPDX-License-Identifier: BSD-2-Clause
"""Where no descriptor is to be had: no traceback, and never status 1, which says that nothing matched."""

import sys

import pytest
from support.command import COMMAND, line, run, words

pytestmark = [pytest.mark.privileged, pytest.mark.only_on("linux", reason="it drops on Linux")]

#: sh itself needs descriptors above these, so the limit comes after it
STARVED = """
import resource, sys
from tcpdrop.cli import main
resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[1]),) * 2)
sys.exit(main(sys.argv[2:]))
"""


@pytest.mark.parametrize("limit", [3, 4, 5])
@pytest.mark.parametrize("form", ["classic", "drop", "list"])
def test_no_descriptors_to_be_had(holder, limit, form):
    pair = holder.pair()
    args = {"classic": words(pair), "drop": ["drop", f"lport {pair.lport}"], "list": ["list", f"lport {pair.lport}"]}[form]
    done = run(sys.executable, "-I", "-c", STARVED, str(limit), *args)
    assert done.status in (0, 3, 4), done.err
    if done.status:
        assert pair.alive()
        assert line(pair) not in done.out
        assert "ulimit -n" in done.err or "protected" in done.err


def test_the_reason_is_one_line():
    """Not even a file of ours can be opened."""
    for args in (["list"], ["drop", "lport 1"], ["127.0.0.1", "1", "127.0.0.1", "2"], ["check"]):
        done = run(sys.executable, "-I", "-c", STARVED, "3", *args)
        assert (done.status, done.out, done.err.count("\n")) == (3, "", 1), done
        assert done.err.startswith("tcpdrop: /") and done.err.endswith("Too many open files (a higher ulimit -n helps)\n")


def test_none_is_left_for_another_namespace(other_namespace):
    holder, _ = other_namespace
    done = run(sys.executable, "-I", "-c", STARVED, "4", "list", "--netns", str(holder.pid))
    assert (done.status, done.out) == (3, "")
    assert "Too many open files (a higher ulimit -n helps)" in done.err


def test_the_shell_that_starts_the_command_needs_eleven(holder):
    """Fewer it answers by itself, before anything of ours runs; the page of troubles says so."""
    pair = holder.pair()
    done = run("sh", "-c", f"ulimit -n 12; exec {COMMAND} {line(pair)}")
    assert (done.status, done.out) == (0, f"{line(pair)}: dropped\n"), done
    assert run("sh", "-c", f"ulimit -n 8; exec {COMMAND} --version").status in (2, 3, 127)
