# SPDX-License-Identifier: BSD-2-Clause
"""Owners against the truth of child processes; and what may not be read is unknown."""

import os
import socket
import subprocess
import sys

import pytest
from support.filter_cases import matching

from tcpdrop.filters import Filter, gather, plan_for
from tcpdrop.filters.decision import decide
from tcpdrop.filters.facts import UNKNOWN, Facts
from tcpdrop.model.rows import INODE, ROW, ROW_UID
from tcpdrop.model.table import Batch
from tcpdrop.system import holders, processes, procfs

pytestmark = pytest.mark.only_on("linux", reason="/proc/PID/fd")

CHILD = """
import os, socket, sys
if len(sys.argv) > 1:
    with open("/proc/self/comm", "wb") as f:
        f.write(os.fsencode(sys.argv[1]))
if len(sys.argv) > 2:
    import ctypes, encodings.idna  # now: the new user may not read where Python is
    os.setgroups([]); os.setgid(int(sys.argv[2])); os.setuid(int(sys.argv[2]))
    ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # PR_SET_DUMPABLE, as after an exec
server = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(server.getsockname())
accepted = server.accept()[0]
print(*(os.fstat(s.fileno()).st_ino for s in (server, client, accepted)), server.getsockname()[1], flush=True)
sys.stdin.read()
"""


class Child:
    def __init__(self, *args, **kwargs):
        self.process = subprocess.Popen([sys.executable, "-c", CHILD, *args], stdin=subprocess.PIPE, stdout=subprocess.PIPE, **kwargs)
        *self.inodes, self.port = map(int, self.process.stdout.readline().split())
        self.pid = self.process.pid

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.process.stdin.close()
        self.process.wait(10)
        self.process.stdout.close()


@pytest.fixture(scope="module")
def child():
    with Child() as c:
        yield c


def test_the_holder_is_found(child):
    found = holders.scan(child.inodes)
    assert all(found.of(inode).pids == (child.pid,) for inode in child.inodes)
    with open(f"/proc/{child.pid}/comm", encoding="ascii") as f:
        assert found.of(child.inodes[0]).process == f.read().strip()
    assert set(found.holders) == set(child.inodes), "nothing else is kept"
    assert holders.scan().of(child.inodes[1]).pids == (child.pid,)


def test_only_the_named_process_is_read(child, monkeypatch):
    opened = []
    real = os.open
    monkeypatch.setattr(os, "open", lambda path, *a, **k: opened.append(path) or real(path, *a, **k))
    found = holders.scan(pids=[child.pid])
    assert opened == [f"/proc/{child.pid}/fd"]
    assert found.holds(child.pid, child.inodes[0]) is True
    assert found.holds(child.pid, 1) is False
    assert found.holds(os.getpid(), child.inodes[0]) is None, "not looked at"
    assert found.of(1) is None, "others may hold it"
    assert not found.everyone


def test_it_stops_when_one_holder_of_each_is_enough(child, monkeypatch):
    read = []
    real = holders._read_process
    monkeypatch.setattr(procfs, "all_pids", lambda: [child.pid, os.getpid()])
    monkeypatch.setattr(holders, "_read_process", lambda pid, *a: read.append(pid) or real(pid, *a))
    found = holders.scan(child.inodes, every_holder=False)
    assert read == [child.pid] and found.of(child.inodes[0]).pids == (child.pid,)
    assert found.of(1) is None and found.any_holder(child.inodes[0], "k", lambda pid: False) is None
    read.clear()
    assert not holders.scan([]).holders and not read


def test_all_holders_of_a_shared_socket():
    with socket.create_server(("127.0.0.1", 0)) as server:
        inode = os.fstat(server.fileno()).st_ino
        helper = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=[server.fileno()])
        try:
            until_exec = processes.Processes()
            found = holders.scan([inode])
            assert found.of(inode).pids == tuple(sorted([os.getpid(), helper.pid]))
            assert until_exec.uids(helper.pid) == {os.getuid()}
        finally:
            helper.stdin.close()
            helper.wait(10)
            helper.stdout.close()


def test_a_name_may_have_any_bytes():
    name = b"\x1b[31m\xff a\n)"
    with Child(os.fsdecode(name)) as odd:
        found = holders.scan(odd.inodes)
        text = found.of(odd.inodes[0]).process
        assert text.encode("utf-8", "surrogateescape") == name
        chosen = Filter.process(text)
        assert str(chosen).isprintable() and Filter(str(chosen)) == chosen
        assert chosen.test(row(odd.inodes[0]), None, Facts(owners=found)) is True


def test_a_process_that_is_gone_holds_nothing():
    found = holders.scan(pids=[2**22 - 1])
    assert found.holds(2**22 - 1, 7) is False


def row(inode, uid=4242):
    empty = bytes(16)
    return (empty, empty, 1, inode, 0, 0, 1, 2, 4, 1, 0, 0, 0, uid, 0, 0, 0, ROW_UID if inode else 0)


def scanned(held, unread=(), *, hidden=False, everyone=True, comms=()):
    found = holders.Owners(held, {5}, tuple(unread), hidden=hidden, everyone=everyone)
    for pid, comm in comms:
        found.processes.remember(pid, comm)
    return Facts(owners=found)


def test_what_may_not_be_read_is_unknown():
    names = [(5, "nginx"), (8, "sshd")]
    held, lost = row(100), row(101)
    everything = scanned({100: [5]}, comms=names)
    partly = scanned({100: [5]}, unread=[8], comms=names)
    assert Filter("comm nginx").test(held, None, partly) is True
    # The process that could not be read is no nginx; but nobody was seen to hold this one.
    assert Filter("comm nginx").test(row(100), None, partly) is True and Filter("comm redis").test(held, None, partly) is False
    assert Filter("comm nginx").test(lost, None, partly) is None and Filter("comm nginx").test(lost, None, everything) is None
    assert Filter("comm nosuch").test(lost, None, partly) is False, "no process has that name"
    assert Filter("comm sshd").test(held, None, partly) is None
    assert Filter("not comm sshd").test(held, None, partly) is None
    assert Filter("comm sshd").test(held, None, everything) is False
    assert Filter("pid 8").test(held, None, partly) is None and Filter("pid 6").test(held, None, partly) is False
    assert Filter("kernel").test(lost, None, partly) is None and Filter("kernel").test(lost, None, everything) is None
    assert Filter("not kernel").test(held, None, partly) is True and Filter("not kernel").test(lost, None, everything) is None
    assert Filter("not pid 6").test(held, None, everything) is True and Filter("not pid 5").test(lost, None, everything) is None
    assert Filter("kernel").test(held, None, partly) is False
    assert Filter("kernel").test(row(0), None, everything) is False
    elsewhere = scanned({100: [5]}, hidden=True, comms=names)
    assert Filter("kernel").test(lost, None, elsewhere) is None and Filter("comm sshd").test(lost, None, elsewhere) is None
    assert Filter("user 4242").test(lost, None, UNKNOWN) is True and Filter("user 7").test(lost, None, UNKNOWN) is None


@pytest.mark.skipif(os.getuid() != 0, reason="needs two users")
@pytest.mark.real_root
def test_a_users_scan_admits_what_it_cannot_see(run):
    with Child() as roots, Child("worker", "65534") as nobodys:
        out = run(
            f"""
import os
from tcpdrop.system import holders
os.setgroups([]); os.setgid(65534); os.setuid(65534)
found = holders.scan()
print({roots.pid} in found.unread, found.of({roots.inodes[0]}), found.holds({roots.pid}, {roots.inodes[0]}))
print(found.of({nobodys.inodes[0]}).pids == ({nobodys.pid},))
"""
        )
        assert out.split("\n")[:2] == ["True None None", "True"]
        assert Filter("user 65534").test(row(nobodys.inodes[0], 0), None, Facts(owners=holders.scan())) is True


def test_selecting_by_owner_looks_up_only_open_rows(child):
    facts = gather(frozenset())
    chosen = Filter(f"state established and pid {child.pid} and (lport {child.port} or rport {child.port})")
    plan = plan_for(chosen)
    table = owners_table(plan)
    numbers, undecided = decide(chosen, Batch(table, None), facts)
    assert {ROW.unpack_from(table[number])[INODE] for number in numbers} == set(child.inodes[1:]) and not undecided
    assert facts.owners.read == {child.pid}, "pid N reads one process"
    facts = gather(frozenset())
    decide(Filter(f"lport {child.port} and comm *"), Batch(table, None), facts)
    assert set(facts.owners.holders) == {child.inodes[2]}


def owners_table(plan):
    from tcpdrop import _tcpdrop

    return _tcpdrop.list_connections(plan.states, plan.program, plan.sport, plan.dport)


def test_units_and_cgroups():
    known = processes.Processes()
    known._cgroups.update(
        {1: "/system.slice/nginx.service", 2: "/user.slice/user-7.slice/user@7.service/app.slice/a.scope", 3: "/", 4: None}
    )
    assert [known.unit(pid) for pid in (1, 2, 3, 4)] == ["nginx.service", "a.scope", None, None]
    assert known.in_unit(1, "nginx.service") and known.in_unit(2, "user@7.service") and known.in_unit(2, "app.slice")
    assert known.in_unit(3, "nginx.service") is False and known.in_unit(4, "nginx.service") is None
    parse = procfs.parse_cgroup
    assert parse(b"0::/system.slice/x.service\n") == "/system.slice/x.service"
    assert parse(b"1:name=systemd:/system.slice/x.service\n0::/\n") == "/system.slice/x.service"
    assert parse(b"4:memory:/m\n0::/a:b\n") == "/a:b"
    assert processes.Processes().cgroup(1 << 22) is None, "nobody has that number"


def test_the_cgroup_of_a_socket_is_a_directory():
    facts = gather(Filter("cgroup /").needs())
    with Child() as c:
        chosen = Filter(f"cgroup / and state established and lport {c.port}")
        table = owners_table(plan_for(chosen, facts))
        if facts.cgroup_ids("/") is None:
            pytest.skip("no cgroup2 here")
        assert not plan_for(chosen, facts).program, "all are below it: nothing is certainly elsewhere"
        assert len(matching(chosen, table, facts)) == 1
        assert not matching(Filter("cgroup /no/such"), table, facts)
        assert not matching(Filter("not cgroup /no/such"), table, facts)


@pytest.fixture
def cgroup():
    """A cgroup with another below it; skips where none can be made."""
    place = next((place for place, _, _ in procfs.mounts_of("cgroup2") if os.access(place, os.W_OK)), None)
    if place is None or os.geteuid():
        pytest.skip("no cgroup2 here that can be written")
    above = f"{place}/tcpdrop-{os.getpid()}"
    try:
        os.makedirs(f"{above}/below")
    except OSError as error:
        pytest.skip(f"no cgroup can be made here: {error}")
    yield place, above
    for path in (f"{above}/below", above):
        if os.path.isdir(path):
            os.rmdir(path)


def move(pid, cgroup):
    with open(f"{cgroup}/cgroup.procs", "w", encoding="ascii") as file:
        file.write(str(pid))


def test_where_a_cgroup_was_that_has_ended_nothing_tells(cgroup):
    """A socket keeps the cgroup that it was made in, also when its process has moved and that is no more."""
    place, above = cgroup
    name = f"/{os.path.basename(above)}"

    def answers(text):
        chosen = Filter(f"state established and lport {c.port} and {text}")
        facts = gather(chosen.needs())
        rows, unsure = decide(chosen, Batch(owners_table(plan_for(chosen, facts)), None), facts)
        return len(rows), unsure

    move(os.getpid(), f"{above}/below")
    try:
        c = Child()
    finally:
        move(os.getpid(), place)
    with c:
        move(c.process.pid, place)
        assert (answers(f"cgroup {name}"), answers(f"not cgroup {name}")) == ((1, 0), (0, 0))
        os.rmdir(f"{above}/below")
        assert (answers(f"cgroup {name}"), answers(f"not cgroup {name}")) in {((0, 1), (0, 1)), ((0, 0), (0, 1))}
    with Child() as c:
        assert (answers(f"cgroup {name}"), answers(f"not cgroup {name}")) == ((0, 0), (1, 0))
