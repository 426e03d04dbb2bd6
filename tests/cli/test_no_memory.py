# SPDX-License-Identifier: BSD-2-Clause
"""Memory that ends anywhere on the way (RLIMIT_AS): no traceback, and whatever was dropped is told, line by line."""

import json
import re
import sys

import pytest
from support.command import run, tcpdrop
from support.crowd import Crowd

pytestmark = [pytest.mark.privileged, pytest.mark.only_on("linux", reason="its limit of address space")]

#: so many KiB more than the interpreter has when it starts
SHORT = """
import resource, sys
from tcpdrop.cli import main
pages = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (pages + int(sys.argv[1]) * 1024,) * 2)
sys.exit(main(sys.argv[2:]))
"""


def short(room, *args):
    return run(sys.executable, "-I", "-c", SHORT, str(room), *args)


def interpreters_own(done):
    """Importing without memory, CPython may say that a function of its own failed without saying why: nothing of ours ran then."""
    return re.search(r"^SystemError: ", done.err, re.M) is not None and done.out == ""


@pytest.mark.parametrize("room", [4000, 8000, 12000, 16000, 20000])
def test_what_was_dropped_is_told(room):
    """Where exactly it ends depends on the allocator; what is said must be so wherever that is."""
    with Crowd(10000) as crowd:
        done = short(room, "drop", "--yes", "--include-self", "--no-syslog", f"port {crowd.port}-{crowd.port + 3}")
        left = int(tcpdrop("list", "-c", f"port {crowd.port}-{crowd.port + 3}").out or 0)
        mishap = interpreters_own(done)
        assert mishap or "Traceback" not in done.err, done.err
        assert done.status in (0, 3)
        told = done.out.count(": dropped\n")
        if done.status == 3 and not mishap:
            assert done.err.splitlines()[-1].startswith("tcpdrop: "), done.err
            assert "out of memory" in done.err or "memory is short" in done.err or "Cannot allocate memory" in done.err, done.err
            counted = re.search(r"(\d+) dropped", done.err)
            assert told == (int(counted[1]) if counted else 0)
        # On loopback both ends go by one drop: nothing is claimed that lives, and nothing went in silence.
        assert left <= 20000 - told
        assert 20000 - left <= 2 * told


def test_programs_are_told_by_an_error(monkeypatch, capsys, holder):
    from tcpdrop import cli

    def fail(*_, **__):
        raise MemoryError

    pair = holder.pair()
    monkeypatch.setattr("tcpdrop.cli.messages.Teller.round", fail)
    assert cli.main(["drop", "--json", "--no-syslog", f"lport {pair.lport}"]) == 3
    told = json.loads(capsys.readouterr().out)
    assert (told["type"], told["error"]) == ("error", "out of memory: 1 dropped")


@pytest.mark.parametrize("args", [["list"], ["drop", "lport 1"], ["127.0.0.1", "1", "127.0.0.1", "2"], ["check"]])
def test_none_at_all(args):
    done = short(0, *args)
    assert done.status == 3
    assert interpreters_own(done) or "Traceback" not in done.err
