# SPDX-License-Identifier: BSD-2-Clause
"""pid N where /proc/PID/fdinfo tells what is held: the files' layout, and the selection that rests on it."""

import os
from types import SimpleNamespace

import pytest
from support.command import line, run, words
from support.fdinfo import CHARACTER, DATAGRAM, LOCAL, PATHNAME, Proc, connection, raw_fdinfo, sockaddr

import tcpdrop as api
from tcpdrop.filters import Filter
from tcpdrop.model import rows
from tcpdrop.system import sunos_fdinfo

SUNOS = pytest.mark.only_on("sunos", reason="elsewhere descriptors name sockets by inode")
HERE, THERE = ("10.0.0.1", 22), ("10.0.0.2", 5000)
ENDS = (b"\x0a\0\0\1", 22, b"\x0a\0\0\2", 5000)


@pytest.fixture
def proc(tmp_path, monkeypatch):
    monkeypatch.setattr(sunos_fdinfo, "PROC", os.fspath(tmp_path))
    return Proc(tmp_path)


# ---- the layout


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (connection(4, HERE, THERE), (ENDS, True)),
        (connection(4, HERE, THERE, v6=True), (ENDS, True)),  # v4-mapped
        (
            connection(4, ("::1", 1), ("::1", 2)),
            ((bytes(15) + b"\1", 1, bytes(15) + b"\1", 2), True),
        ),
        (connection(4, HERE, THERE, kind=DATAGRAM), (None, False)),
        (connection(4, HERE, THERE, mode=CHARACTER), (ENDS, False)),  # TLI
        (raw_fdinfo(4, [(LOCAL, sockaddr(*HERE))]), (None, False)),  # a listener
        (raw_fdinfo(4, [(PATHNAME, b"/etc/passwd\0")], 0x8000), (None, False)),
        (raw_fdinfo(4), (None, False)),
    ],
    ids=["inet", "mapped", "inet6", "udp", "tli", "listener", "file", "nothing"],
)
def test_what_a_descriptor_is(raw, expected):
    assert sunos_fdinfo.connection_of(raw) == expected


@pytest.mark.parametrize(
    "raw",
    [b"", b"pos:\t0\nflags:\t02\n" * 3, connection(4, HERE, THERE)[:230], connection(4, HERE, THERE)[:196] + b"\3\0\0\0\1\0\0\0"],
    ids=["empty", "linux", "cut", "a record shorter than its head"],
)
def test_what_is_no_fdinfo_is_unreadable(raw):
    with pytest.raises(OSError, match="fdinfo"):
        sunos_fdinfo.connection_of(raw)


# ---- what a process has to do with a connection


def row(pid):
    found = [b"\0" * 16] * 2 + [0] * 16
    found[rows.LADDR], found[rows.LPORT], found[rows.RADDR], found[rows.RPORT] = ENDS[0] + bytes(12), 22, ENDS[2] + bytes(12), 5000
    found[8], found[rows.PID] = 4, pid
    return tuple(found)


def test_holder_creator_neither_and_unknown(proc):
    proc.add(7, {4: connection(4, HERE, THERE)})
    proc.add(8, {4: connection(4, HERE, ("10.0.0.2", 5001))})
    proc.add(9, {4: b"of another layout"})
    proc.add(10, {4: connection(4, HERE, THERE, mode=CHARACTER)})
    held = sunos_fdinfo.Held([7, 8, 9, 10, 11])
    assert [held.has(pid, row(100)) for pid in (7, 8, 9, 10, 11)] == [True, False, None, None, False]
    assert held.has(100, row(100)) is True
    assert held.has(8, row(0)) is None, "who made it is not told"


def test_an_unreadable_process_may_hold_anything(proc, monkeypatch):
    def no(path):
        raise PermissionError(13, "Permission denied", path)

    held_by = proc.add(7, {4: connection(4, HERE, THERE)})
    monkeypatch.setattr(sunos_fdinfo, "_exists", lambda: True)
    monkeypatch.setattr(os, "listdir", no)
    assert held_by.is_dir()
    assert sunos_fdinfo.Held([7]).has(7, row(100)) is None


def test_in_another_zone_the_same_ends_may_be_another_connection(proc, monkeypatch):
    proc.add(7, {4: connection(4, HERE, THERE)})
    zones = {os.getpid(): 0, 7: 3}
    monkeypatch.setattr(sunos_fdinfo, "psinfo", lambda pid: SimpleNamespace(zone=zones[pid]))
    assert sunos_fdinfo.Held([7]).has(7, row(100)) is None
    zones[7] = 0
    assert sunos_fdinfo.Held([7]).has(7, row(100)) is True


def test_without_fdinfo_the_creator_is_all_there_is(tmp_path, monkeypatch):
    """Solaris, illumos before 2020; and Linux, whose fdinfo is text."""
    for place in (os.fspath(tmp_path), "/proc"):
        monkeypatch.setattr(sunos_fdinfo, "PROC", place)
        held = sunos_fdinfo.Held([7, 100])
        assert [held.has(pid, row(100)) for pid in (7, 100)] == [False, True]


# ---- and the selection


@SUNOS
@pytest.mark.privileged
def test_pid_selects_what_a_process_holds(holder, proc):
    """Accepted by a child of who listens: the creator is the holder of the test, the child another process."""
    pair, other = holder.pair(), holder.pair()
    child = os.getpid()  # any process that made neither
    proc.add(child, {5: connection(5, *ends(pair))})
    ports = f"lport {pair.lport},{other.lport}"
    assert [c.local.port for c in api.connections(f"{ports} pid {child}")] == [pair.lport]
    assert {c.local.port for c in api.connections(f"{ports} pid {holder.pid}")} == {pair.lport, other.lport}
    assert [c.local.port for c in api.connections(f"{ports} not pid {child}")] == [other.lport]
    (found,) = api.connections(f"{ports} pid {child}")
    assert found.pids_kind == "creator"
    assert Filter(f"pid {child}").matches(found)
    assert not Filter(f"not pid {child}").matches(found)
    done = run(*proc.command("drop", "--pid", str(child), ports))
    assert (done.status, done.out) == (0, f"{line(pair)}: dropped\n")
    assert other.alive()


@SUNOS
@pytest.mark.privileged
def test_what_cannot_be_read_is_never_a_match_and_is_told(holder, proc):
    pair = holder.pair()
    proc.add(os.getpid(), {5: b"of another layout"})
    for word in ("pid", "not pid"):
        done = run(*proc.command("drop", f"lport {pair.lport} {word} {os.getpid()}"))
        assert (done.status, done.out) == (3, ""), done.err
    assert pair.alive()


@SUNOS
@pytest.mark.privileged
def test_a_rule_by_pid_protects_what_is_held_or_may_be(holder, proc):
    held, unsure = holder.pair(), holder.pair()
    proc.add(7, {5: connection(5, *ends(held))})
    for pair, status in ((held, 4), (unsure, 0)):
        done = run(*proc.command("drop", "--protect", "pid 7", f"lport {pair.lport}"))
        assert done.status == status, done.err
    proc.add(8, {5: b"of another layout"})
    done = run(*proc.command("--protect", "pid 8", *words(held)))
    assert (done.status, held.alive()) == (4, True)


def ends(pair):
    laddr, lport, raddr, rport = words(pair)
    return (laddr, int(lport)), (raddr, int(rport))
