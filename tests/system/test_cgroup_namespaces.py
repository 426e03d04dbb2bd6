# SPDX-License-Identifier: BSD-2-Clause
"""In a cgroup namespace the names above its root are left out: what is in no name that is seen is unknown, and no unit is denied."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from support.command import COMMAND, needs, run

from tcpdrop.filters.facts import _cgroup_mount
from tcpdrop.system import cgroup_names, procfs

pytestmark = [pytest.mark.privileged, pytest.mark.only_on("linux", reason="cgroups")]

#: in the cgroup whose cgroup.procs is named: holds both ends of a connection, and tells the port that accepted it
HOLD = """
import os, socket, sys
with open(sys.argv[1], "w") as procs:
    procs.write(str(os.getpid()))
server = socket.create_server(("127.0.0.1", 0))
keep = [socket.create_connection(server.getsockname()), server.accept()[0]]
print(server.getsockname()[1], flush=True)
sys.stdin.readline()
"""


class Cgroups:
    """A slice with two services, and a process in each that holds a connection.

    inside(port), beside(port): the commands below run in a cgroup namespace whose root is the first of these services.
    """

    def __init__(self, place):
        self.place, self.slice = place, place / f"tcpdrop{os.getpid()}.slice"
        self.services = [self.slice / "outer.service", self.slice / "beside.service"]
        self.holders = []

    def start(self):
        for service in self.services:
            service.mkdir(parents=True)
            argv = [sys.executable, "-c", HOLD, service / "cgroup.procs"]
            self.holders.append(subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        self.inside, self.beside = (int(holder.stdout.readline()) for holder in self.holders)

    def stop(self):
        for holder in self.holders:
            holder.kill()
            holder.wait()
            holder.stdin.close()
            holder.stdout.close()
        for cgroup in (*self.services, self.slice):
            if cgroup.exists():
                cgroup.rmdir()

    def tcpdrop(self, *words, before=""):
        """The command, in the namespace."""
        enter = f'echo $$ > {shlex.quote(str(self.services[0] / "cgroup.procs"))}; {before} exec unshare --cgroup "$@"'
        return run("unshare", "--mount", "sh", "-c", enter, "sh", COMMAND, *words)


@pytest.fixture
def cgroups():
    needs("unshare", "--mount", "--cgroup")
    made = Cgroups(Path((_cgroup_mount() or ("/nowhere", ""))[0]))
    try:
        made.slice.mkdir()
    except OSError as error:
        pytest.skip(f"no cgroup of one's own here: {error}")
    try:
        made.start()
        yield made
    finally:
        made.stop()


@pytest.mark.real_root
def test_a_unit_whose_name_is_not_shown_is_unknown(cgroups):
    for text in ("unit outer", "unit 'outer*'", "not unit outer", "not unit 'outer*'", "not unit 'nosuch*'"):
        done = cgroups.tcpdrop("list", f"lport {cgroups.inside} and {text}")
        assert (done.status, done.out) == (3, ""), (text, done)
        assert "1 more could not be decided" in done.err
        done = cgroups.tcpdrop("drop", f"lport {cgroups.inside}", "--include-self", "--protect", text)
        assert (done.status, done.out) == (4, ""), (text, done)
        assert "which cannot be decided here" in done.err
    assert cgroups.tcpdrop("list", "-c", f"lport {cgroups.beside} and unit beside").out == "1\n"
    assert cgroups.tcpdrop("list", f"lport {cgroups.beside} and not unit outer").status == 3


@pytest.mark.real_root
def test_beside_the_first_process_of_systemd_every_unit_is_named(cgroups, tmp_path):
    """Its init.scope stands where all units are below: one step up from ours, here."""
    first = tmp_path / "cgroup"
    first.write_text("0::/../init.scope\n")
    before = f"mount --make-rprivate /; mount --bind {shlex.quote(str(first))} /proc/1/cgroup;"
    for text, number in (("unit beside", 1), ("not unit beside", 0), ("unit outer", 0), ("not unit 'outer*'", 1)):
        done = cgroups.tcpdrop("list", "-c", "--allow-none", f"lport {cgroups.beside} and {text}", before=before)
        assert (done.status, done.out) == (0, f"{number}\n"), (text, done)
    assert cgroups.tcpdrop("list", f"lport {cgroups.inside} and not unit beside", before=before).status == 3


@pytest.mark.real_root
def test_a_cgroup_goes_by_what_is_seen_where_it_is_mounted(cgroups):
    """The mount shows more than the namespace: whose root a path begins at is not said, but for one below the mount point."""
    name = cgroups.slice.name
    inside = f"lport {cgroups.inside} and state established"
    for path in ("/", f"/{name}", f"/{name}/outer.service"):
        for text in (f"cgroup {path}", f"not cgroup {path}"):
            done = cgroups.tcpdrop("list", f"{inside} and {text}")
            assert (done.status, done.out) == (3, ""), (text, done)
            assert "there is no cgroup" not in done.err
    for path, number in ((cgroups.slice, 1), (cgroups.services[0], 1), (cgroups.services[1], 0)):
        done = cgroups.tcpdrop("list", "-c", "--allow-none", f"{inside} and cgroup {path}")
        assert (done.status, done.out) == (0, f"{number}\n"), (path, done)


PATHS = ("/", "/nginx.service", "/../nginx.service", "/../../system.slice/nginx.service", "/../../../x")
#: the path of the first process -> those of PATHS that name every unit
FIRST = {
    "/init.scope": (True, True, False, False, False),
    "/../../init.scope": (False, False, False, True, False),
    "/": (False,) * 5,
    "/../..": (False,) * 5,
    "/x/init.scope": (False,) * 5,
    None: (False,) * 5,
}


@pytest.mark.pure
@pytest.mark.parametrize("first", FIRST)
def test_which_paths_name_every_unit(monkeypatch, first):
    monkeypatch.setattr(cgroup_names, "_is_first", lambda: False)
    monkeypatch.setattr(procfs, "cgroup_of", lambda pid: first)
    assert tuple(map(cgroup_names.name_all_units(), PATHS)) == FIRST[first]


def test_on_the_host_every_path_does():
    if os.readlink("/proc/self/ns/cgroup") != "cgroup:[4026531835]":
        pytest.skip("this is no host, but a cgroup namespace")
    assert all(map(cgroup_names.name_all_units(), PATHS)) and not cgroup_names.own_are_hidden()
