# SPDX-License-Identifier: BSD-2-Clause
"""The manual page's examples do what they promise in the worst case, too: 450 match, and nobody is at a terminal."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from support.command import COMMAND, run, tcpdrop
from support.crowd import Crowd
from support.procnet import sockets

pytestmark = [pytest.mark.privileged, pytest.mark.only_on("linux", reason="drops")]

PAGE = Path(__file__).parents[2] / "docs" / "tcpdrop.8"
NUMBER = 450

#: what stands in the examples, and what it is here
HERE = {
    "$ip": "127.0.0.1",
    "192.0.2.50": "127.0.0.1",
    "198.51.100.9": "127.0.0.1",
    "203.0.113.0/24": "127.0.0.1",
    "5432": "20000-20003",
    "8080": "20000-20003",
    "8h": "0s",
    "10m": "0s",
    "30s": "1s",
    "remote 192.0.2.9": "remote 127.1.0.1",
}

#: a program that forgot to close what its clients have closed
FORGETFUL = """
import socket, sys
open("/proc/self/comm", "w").write("freeswitch")
listener = socket.create_server(("127.0.0.1", 0), backlog=1000)
ends = []
for _ in range(int(sys.argv[1])):
    client = socket.create_connection(listener.getsockname())
    ends += [client, listener.accept()[0]]
    client.shutdown(socket.SHUT_WR)
print(listener.getsockname()[1], flush=True)
sys.stdin.read()
"""


def examples(title):
    """The commands below this subheading."""
    text = PAGE.read_text("utf-8").partition("\n.Sh EXAMPLES")[2].partition("\n.Sh ")[0].partition(f"\n.Ss {title}\n")[2]
    lines = (line.removeprefix(".Dl ") for line in text.partition("\n.Ss ")[0].splitlines())
    return [line[2:].replace(r"\(dq", '"').replace(r"\(aq", "'").replace(r"\e", "\\") for line in lines if line.startswith("# tcpdrop ")]


def words(example, **more):
    return [{**HERE, **more}.get(word, word) for word in shlex.split(example)[1:]]


@pytest.fixture
def forgetful():
    """How many it holds in CLOSE_WAIT."""
    streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", FORGETFUL, str(NUMBER)], **streams) as process:
        port = int(process.stdout.readline())
        yield lambda: sum(row.lport == port and row.state == 8 for row in sockets())
        process.stdin.close()


def left(example, crowd):
    """What a script leaves of the crowd: (clients, servers)."""
    done = tcpdrop(*words(example, **{"4711": str(crowd.pid)}), "--no-syslog")
    assert done.status == 0, done.err
    return crowd.alive()


SCRIPTS = {
    "--limit": lambda example: _crowd(example, (NUMBER - 50,) * 2),
    "close-wait": None,  # below
    "--for": lambda example: _crowd(example, (0, 0)),
    "--remote-addr": lambda example: _crowd(example, (0, 0)),
    "--reason": lambda example: _crowd(example, (0, 0)),
    "--protect": lambda example: _crowd(example, neighbours, buckets=1024, more=("-a", "2")),
}


def _crowd(example, expected, **how):
    with Crowd(NUMBER, **how) as crowd:
        if callable(expected):
            expected = expected(crowd)
        assert left(example, crowd) == expected


def neighbours(crowd):
    """What the protected neighbour has, in the namespace of the crowd."""
    number = sum(row.laddr == bytes((127, 1, 0, 1)) for row in sockets(crowd.pid))
    assert NUMBER / 3 < number < 2 * NUMBER / 3
    return number, number


def of_scripts():
    found = {}
    for example in examples("From a script"):
        (sign,) = (sign for sign in SCRIPTS if sign in example.split())
        found[sign] = example
    assert found.keys() == SCRIPTS.keys()
    return found


@pytest.mark.parametrize("sign", [sign for sign in SCRIPTS if sign != "close-wait"])
def test_one_for_scripts_does_what_it_says_to_450(sign):
    SCRIPTS[sign](of_scripts()[sign])


def test_one_for_scripts_drops_450_that_a_program_forgot(forgetful):
    assert forgetful() == NUMBER
    done = tcpdrop(*words(of_scripts()["close-wait"]), "--no-syslog")
    assert (done.status, forgetful()) == (0, 0), done.err


def test_the_habit_of_freebsd_drops_450(forgetful):
    (pipe,) = (example for example in examples("By hand") if "| sh" in example)
    here = pipe.replace(r" 203\.0\.113\.", r" 127\.0\.0\.1 ")
    assert here != pipe
    assert forgetful() == NUMBER
    path = f"{COMMAND.parent}{os.pathsep}{os.environ['PATH']}"
    done = run("sh", "-c", here, env={"PATH": path}, timeout=600)
    assert (done.status, done.out.count(": dropped"), forgetful()) == (0, NUMBER, 0), done.err


def test_450_that_were_chosen_by_hand_are_dropped(tmp_path):
    saves, drops = (example for example in examples("By hand") if "victims" in example)
    saves = saves.replace("203.0.113.0/24", "127.0.0.1")
    with Crowd(NUMBER) as crowd:
        for example in (saves, drops):
            done = run("sh", "-c", re.sub(r"^tcpdrop", str(COMMAND), example), cwd=tmp_path)
            assert done.status == 0, done.err
        assert crowd.alive() == (0, 0)


def test_the_dry_run_says_what_a_script_would_be_refused_for():
    """The two lines at a terminal, where there is none: all or nothing, and it says so."""
    dry, real = (example for example in examples("By hand") if "203.0.113.7" in example and "lport" in example)
    with Crowd(NUMBER) as crowd:
        for example in (dry, real):
            chosen = words(example, **{"203.0.113.7": "127.1.0.0/24", "443": "20000-20003"})
            done = tcpdrop(*chosen)
            assert (done.status, "--yes" in done.err) == (4, True), done
            assert done.out.count(": would drop") == (NUMBER if example == dry else 0)
        assert crowd.alive() == (NUMBER, NUMBER)
