# SPDX-License-Identifier: BSD-2-Clause
"""What the kernel leaves out of a listing by cgroup is certainly elsewhere: what is unknown is counted, as without its help."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import tcpdrop
from tcpdrop.filters import Filter, bytecode
from tcpdrop.filters.facts import _cgroup_mount, gather
from tcpdrop.filters.plan import plan_for

pytestmark = [pytest.mark.privileged, pytest.mark.real_root, pytest.mark.only_on("linux", reason="cgroups")]

#: in the cgroup whose cgroup.procs is named: a connection that lives, and one in TIME_WAIT
MAKE = """
import os, socket, sys
with open(sys.argv[1], "w") as procs:
    procs.write(str(os.getpid()))
server = socket.create_server(("127.0.0.1", 0))
keep = [socket.create_connection(server.getsockname()), server.accept()[0]]
ended, other = socket.create_connection(server.getsockname()), server.accept()[0]
ended.close()
other.recv(1)
other.close()
print(server.getsockname()[1], flush=True)
sys.stdin.readline()
with open(sys.argv[2], "w") as procs:  # its cgroup may end, its sockets stay
    procs.write(str(os.getpid()))
print("moved", flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def made():
    """(port, path of a cgroup, end()): end() ends the cgroup while the sockets live on."""
    mount, _ = _cgroup_mount() or ("/nowhere", "/")
    place = Path(mount, f"tcpdrop-{os.getpid()}")
    try:
        place.mkdir()
    except OSError as error:
        pytest.skip(f"no cgroup of one's own here: {error}")
    argv = [sys.executable, "-c", MAKE, place / "cgroup.procs", place.parent / "cgroup.procs"]
    child = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def step():
        child.stdin.write("\n")
        child.stdin.flush()

    def end():
        step()
        assert child.stdout.readline() == "moved\n"
        place.rmdir()

    yield int(child.stdout.readline()), f"/{place.name}", end
    child.kill()
    child.wait()
    child.stdin.close()
    child.stdout.close()
    if place.exists():
        place.rmdir()


def asked(monkeypatch, text):
    """(matching, undecidable) with the kernel's help and without it, which must say the same."""
    helped = tcpdrop.connections(text)
    with monkeypatch.context() as without:
        without.setattr(bytecode, "has_cgroup_op", lambda: False)
        alone = tcpdrop.connections(text)
    assert (len(helped), helped.undecidable) == (len(alone), alone.undecidable), text
    return len(helped), helped.undecidable


def test_what_is_unknown_is_counted(monkeypatch, made):
    port, path, end = made
    chosen = f"port {port} and state all and not state listen"
    number, waiting = asked(monkeypatch, f"{chosen} and cgroup {path}")
    assert number == 2 and waiting == 1, "both ends of one live, and the TIME_WAIT has no cgroup"
    if bytecode.has_cgroup_op() and len(gather(Filter(f"cgroup {path}").needs()).other_cgroup_ids(path)) <= bytecode.MAX_OPS:
        assert plan_for(Filter(f"cgroup {path}"), gather(Filter(f"cgroup {path}").needs())).program, "the kernel helps"
    assert asked(monkeypatch, f"{chosen} and not cgroup {path}") == (0, 1)
    assert asked(monkeypatch, f"({chosen} and cgroup {path}) or lport 1") == (2, 1)
    end()
    assert asked(monkeypatch, f"{chosen} and cgroup /") == (0, 3), "where a cgroup that has ended was is unknown"
