# SPDX-License-Identifier: BSD-2-Clause
"""A failure in one network namespace is that namespace's: the others are listed and dropped, and none is left out in silence."""

import errno
import json
import os
import subprocess
import sys

import pytest
from support.command import line
from support.holder import Holder
from support.wait import until

import tcpdrop
from tcpdrop import cli
from tcpdrop.engine.run import Run
from tcpdrop.filters import selection
from tcpdrop.safety.guard import Guard
from tcpdrop.system import kernel, netns

pytestmark = [pytest.mark.privileged, pytest.mark.only_on("linux", reason="network namespaces")]


@pytest.fixture
def names(monkeypatch, tmp_path):
    """Where namespaces have names in this test."""
    place = tmp_path / "netns"
    place.mkdir()
    monkeypatch.setattr(netns, "NAMES", str(place))
    monkeypatch.setattr(netns, "_is_hidden", lambda path: False)  # in a container that may be its first process
    pids = []
    # "All" are these: nothing in anybody else's is dropped by a test.
    monkeypatch.setattr(
        netns, "_paths", lambda: [*(f"{place}/{name}" for name in os.listdir(place)), *(f"/proc/{pid}/ns/net" for pid in pids)]
    )
    return place, pids


@pytest.fixture
def two(names):
    """Two namespaces, each with a connection, as 'one' and 'two'."""
    place, pids = names
    with Holder(netns=True) as first, Holder(netns=True) as second:
        for name, there in (("one", first), ("two", second)):
            (place / name).symlink_to(f"/proc/{there.pid}/ns/net")
            pids.append(there.pid)
        yield first.pair(), second.pair(), second


def ports(*pairs):
    return "lport " + ",".join(str(pair.lport) for pair in pairs)


def command(capsys, *arguments):
    status = cli.main(list(arguments))
    done = capsys.readouterr()
    return status, done.out, done.err


def closed(monkeypatch, second, call="list_connections"):
    """The kernel lets nobody into this namespace."""
    inode, real = os.stat(f"/proc/{second.pid}/ns/net").st_ino, getattr(kernel, call)

    def refuse(*arguments, scope=None, **options):
        if scope is not None and os.fstat(scope).st_ino == inode:
            raise tcpdrop.NotPermitted("cannot enter the network namespace: not permitted", errno=errno.EPERM, step="setns")
        return real(*arguments, scope=scope, **options)

    monkeypatch.setattr(kernel, call, refuse)


def test_a_stale_file_is_named_and_nothing_fails(two, names, capsys):
    one, other, _ = two
    (names[0] / "stale").touch()
    status, out, err = command(capsys, "list", "-c", "--netns", "all", ports(one, other))
    assert (status, out) == (0, "2\n")
    assert f"tcpdrop: 'stale' is no network namespace: its file in {names[0]} is stale\n" == err
    status, out, err = command(capsys, "drop", "--no-syslog", "-q", "--netns", "all", ports(one, other))
    assert (status, one.state(), other.state()) == (0, None, None)
    assert "'stale' is no network namespace" in err


def test_a_namespace_of_another_kind_is_none_of_the_network(names, capsys):
    """All kinds are files of one device: `mount --bind /proc/self/ns/uts /run/netns/x` is stale like any other file."""
    (names[0] / "uts").symlink_to("/proc/self/ns/uts")
    status, _, err = command(capsys, "list", "-q", "--netns", "all", "--allow-none")
    assert (status, err.splitlines()[0]) == (0, f"tcpdrop: 'uts' is no network namespace: its file in {names[0]} is stale")
    for one in ("uts", "/proc/self/ns/mnt"):  # who names it is told
        assert command(capsys, "list", "--netns", one) == (3, "", f"tcpdrop: '{one}' is no network namespace, or none any more\n")


def test_a_pipe_is_not_waited_for(names, capsys):
    """In a drop no signal would have ended the wait."""
    os.mkfifo(names[0] / "pipe")
    for verb in ("list", "drop"):
        said = "tcpdrop: 'pipe' is no network namespace, or none any more\n"
        assert command(capsys, verb, "--netns", "pipe", "lport 1") == (3, "", said)


@pytest.mark.timeout(20)
def test_a_pipe_among_all_is_not_waited_for(two, names, capsys):
    one, other, _ = two
    os.mkfifo(names[0] / "pipe")
    status, _, err = command(capsys, "drop", "--no-syslog", "-q", "--netns", "all", ports(one, other))
    assert (status, one.state(), other.state()) == (0, None, None)
    assert f"tcpdrop: 'pipe' is no network namespace: its file in {names[0]} is stale\n" in err


MEANS_ANOTHER = ["4711", "all", "-", "#c", "net:[5]", " a", "a\nb", "\x1b[31mred", "rtl\u202ex"]
READ_BACK = ["a b", "-x", "it's", "$(id)", "container:ab", "n" * 200, os.fsdecode(b"lat\xe9")]


@pytest.mark.parametrize("name", MEANS_ANOTHER + READ_BACK, ids=ascii)
def test_a_name_that_is_not_read_back_is_shown_by_its_number(two, names, capsys, tmp_path, name):
    """It would be another namespace in what reads it, and a name with an escape sequence one on the terminal."""
    one, other, _ = two
    (names[0] / "two").rename(names[0] / name)
    file = tmp_path / "rows"
    columns = (["-o", "local,remote,netns"], ["-o", "netns,local,remote"], ["--json"], ["--jsonl"], [])
    for listing in (*(["list", *how] for how in columns), ["drop", "-n", "--yes"], ["drop", "-l", "--yes"]):
        out = command(capsys, *listing, "--netns", "all", ports(one, other))[1]
        assert out.replace("\n", "").isprintable()
        file.write_text(out)
        status, out, err = command(capsys, "drop", "-n", "--json", "--from", str(file))
        assert (status, json.loads(out)["summary"]["counts"]) == (0, {"would_drop": 2}), (listing, err)
        assert len({one["netns"] for one in json.loads(out)["connections"]}) == 2


def test_a_stale_file_that_is_asked_for(names, capsys):
    (names[0] / "stale").touch()
    status, out, err = command(capsys, "list", "--netns", "stale")
    assert (status, out, err) == (3, "", "tcpdrop: 'stale' is no network namespace, or none any more\n")


def test_one_that_may_not_be_entered_is_named(two, capsys, monkeypatch):
    one, other, second = two
    closed(monkeypatch, second)
    status, out, err = command(capsys, "list", "-c", "--netns", "all", ports(one, other))
    assert (status, out) == (3, "1\n")
    assert err == "tcpdrop: network namespace 'two': cannot enter the network namespace: not permitted\n"
    status, out, err = command(capsys, "drop", "--no-syslog", "--json", "--netns", "all", ports(one, other))
    assert (status, one.state(), other.state()) == (3, None, "ESTABLISHED")
    summary = json.loads(out)["summary"]
    assert summary["counts"] == {"dropped": 1}
    assert summary["unread"] == ["network namespace 'two': cannot enter the network namespace: not permitted"]


def test_python_is_told_too(two, monkeypatch):
    one, other, second = two
    closed(monkeypatch, second)
    found = tcpdrop.connections(ports(one, other), netns="all")
    report = tcpdrop.drop(ports(one, other), netns="all")
    assert [str(error) for error in found.unread] == [str(error) for error in report.unread]
    assert (len(found), len(found.unread), report.counts) == (1, 1, {"dropped": 1})


def test_one_that_ended_is_not_there(two):
    one, other, second = two
    spaces = netns.namespaces("all")
    second.stop()
    found = selection.select(tcpdrop.Filter(ports(one, other)), where=spaces)
    assert (len(found), [error for error in found.unread if error.outcome != "gone"]) == (1, [])


def test_a_name_that_is_taken_away_between_two_looks(two, names, capsys, monkeypatch):
    """`ip netns del` unmounts the file, and then removes it: what was found by it is not there, and that is no failure."""
    one, other, second = two
    real = netns.namespaces

    def found(where):
        spaces = real(where)
        second.stop()
        (names[0] / "two").unlink()
        (names[0] / "two").touch()
        return spaces

    monkeypatch.setattr(netns, "namespaces", found)
    status, out, err = command(capsys, "list", "-c", "--netns", "all", ports(one, other))
    assert (status, out) == (0, "1\n"), err
    assert err == f"tcpdrop: 'two' is no network namespace: its file in {names[0]} is stale\n"


def test_a_process_that_ended_is_no_want_of_rights(monkeypatch):
    """The kernel says EACCES of a process that ends while its namespace is looked up."""
    ended = subprocess.Popen(["true"])
    ended.wait()
    real = os.open

    def refused(path, *arguments, **options):
        if path == f"/proc/{ended.pid}/ns/net":
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(path, *arguments, **options)

    monkeypatch.setattr(os, "open", refused)
    with pytest.raises(tcpdrop.Error) as raised:
        netns.Namespace(ended.pid).scope  # noqa: B018 - opens it
    assert netns.has_ended(raised.value)


@pytest.mark.parametrize("how", ["python", "json", "text", "number"])
def test_rows_of_one_that_ended_are_gone_and_the_others_dropped(two, names, capsys, tmp_path, how):
    one, other, second = two
    if how == "number":  # as they are shown where they have no names
        for name in ("one", "two"):
            (names[0] / name).unlink()
    found = tcpdrop.connections(ports(one, other), netns="all")
    file = tmp_path / "rows"
    arguments = ("--json",) if how != "text" else ()
    file.write_text(command(capsys, "list", "--netns", "all", *arguments, ports(one, other))[1])
    second.stop()
    if how != "number":
        (names[0] / "two").unlink()
    if how == "python":
        counts = tcpdrop.drop(found).counts
    else:
        status, out, err = command(capsys, "drop", "--no-syslog", "--json", "--from", str(file))
        counts = json.loads(out)["summary"]["counts"]
    assert (counts, one.state()) == ({"dropped": 1, "gone": 1}, None)
    if how != "python":
        assert status == 0
        assert f"tcpdrop: {other.lport}" not in err


@pytest.mark.parametrize("form", ["json", "text"])
def test_a_name_that_is_no_more_says_nothing_of_the_connections(two, names, capsys, tmp_path, form):
    """`ip netns del` takes the name alone: what lives on is not gone, and where it is stands there."""
    one, other, second = two
    file = tmp_path / "rows"
    arguments = ("--json",) if form == "json" else ()
    file.write_text(command(capsys, "list", "--netns", "all", *arguments, ports(one, other))[1])
    (names[0] / "two").unlink()
    label = os.readlink(f"/proc/{second.pid}/ns/net")
    status, out, err = command(capsys, "drop", "--no-syslog", "--json", "--from", str(file))
    assert (status, json.loads(out)["summary"]["counts"]) == (3, {"dropped": 1, "failed": 1})
    what = "it lives on" if form == "json" else "there is one with these ends"
    assert f"{line(other)}: no network namespace 'two' ({what} in {label}: --netns '{label}')\n" in err
    assert (one.state(), other.state()) == (None, "ESTABLISHED")
    status, out, err = command(capsys, "drop", "--no-syslog", "-y", "--netns", label, ports(other))
    assert (status, other.state()) == (0, None)


def test_where_not_every_namespace_can_be_seen_nothing_is_gone_for_certain(two, names, capsys, tmp_path, monkeypatch):
    one, other, second = two
    file = tmp_path / "rows"
    file.write_text(command(capsys, "list", "--netns", "all", "--json", ports(one, other))[1])
    second.stop()
    (names[0] / "two").unlink()
    hidden = tcpdrop.NotPermitted("which network namespace 1 process is in may not be seen", errno=errno.EACCES, step=netns.HIDDEN)
    monkeypatch.setattr(netns, "unseen", lambda: [hidden])
    status, out, err = command(capsys, "drop", "--no-syslog", "--json", "--from", str(file))
    assert (status, json.loads(out)["summary"]["counts"]) == (3, {"dropped": 1, "failed": 1})
    assert "(whether it lives on cannot be told: which network namespace 1 process is in may not be seen)" in err


@pytest.mark.parametrize("form", ["json", "text"])
def test_a_file_of_which_nothing_is_left(two, names, capsys, tmp_path, form):
    """Its only namespace has ended: all of it is gone, status 1, and the dry run says the same."""
    _, other, second = two
    file = tmp_path / "rows"
    file.write_text(command(capsys, "list", "--netns", "all", *(("--json",) if form == "json" else ()), ports(other))[1])
    second.stop()
    (names[0] / "two").unlink()
    for dry in ((), ("-n",)):
        status, out, _ = command(capsys, "drop", *dry, "--no-syslog", "--json", "--from", str(file))
        assert (status, json.loads(out)["summary"]["counts"]) == (1, {"gone": 1})


def test_a_right_that_is_missing_in_one(two, monkeypatch):
    one, other, second = two
    real, inode = Run._inability, os.stat(f"/proc/{second.pid}/ns/net").st_ino

    def lacking(self, batch):
        if batch.scope is not None and os.fstat(batch.scope).st_ino == inode:
            raise tcpdrop.NotPermitted("not permitted", errno=errno.EPERM)
        return real(self, batch)

    monkeypatch.setattr(Run, "_inability", lacking)
    report = tcpdrop.drop(ports(one, other), netns="all")
    assert (report.counts, one.state(), other.state()) == ({"dropped": 1, "not_permitted": 1}, None, "ESTABLISHED")
    with pytest.raises(tcpdrop.NotPermitted):  # missing for every one of them
        tcpdrop.drop(ports(other), netns="all")


def test_a_rule_that_cannot_be_asked_in_one_spares_what_is_there(two, monkeypatch):
    one, other, second = two
    real, inode = Guard._apply_rules, os.stat(f"/proc/{second.pid}/ns/net").st_ino

    def apply(self, batch, spared):
        if batch.scope is not None and os.fstat(batch.scope).st_ino == inode:
            raise tcpdrop.Error("recv: No buffer space available", errno=errno.ENOBUFS)
        return real(self, batch, spared)

    monkeypatch.setattr(Guard, "_apply_rules", apply)
    report = tcpdrop.drop(ports(one, other), netns="all", protect="lport 1")
    assert (report.counts, one.state(), other.state()) == ({"dropped": 1, "failed": 1}, None, "ESTABLISHED")


IN_A_THREAD = """
import ctypes, os, threading
def inside():
    assert ctypes.CDLL(None).unshare(0x40000000) == 0
    print(os.stat("/proc/thread-self/ns/net").st_ino, flush=True)
    input()
thread = threading.Thread(target=inside)
thread.start()
thread.join()
"""
#: a mount namespace where a mount keeps a network namespace that no process is in
BY_A_MOUNT = """
import os, subprocess
os.makedirs(f"{place}/a place", exist_ok=True)
subprocess.run(["mount", "-t", "tmpfs", "none", f"{place}/a place"], check=True)
open(f"{place}/a place/kept", "w").close()
subprocess.run(["unshare", "--net", "mount", "--bind", "/proc/self/ns/net", f"{place}/a place/kept"], check=True)
print(os.stat(f"{place}/a place/kept").st_ino, flush=True)
input()
"""


@pytest.mark.parametrize("kept", ["by a thread", "by a mount elsewhere"])
def test_one_without_a_process_is_found(kept, tmp_path):
    code = IN_A_THREAD if kept == "by a thread" else f"place = {str(tmp_path)!r}\n" + BY_A_MOUNT
    private = () if kept == "by a thread" else ("unshare", "--mount", "--propagation", "private")
    process = subprocess.Popen([*private, sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with process:
        inode = int(process.stdout.readline())
        found = [one for one in netns.namespaces("all") if netns._inode(one.path or netns._OWN) == inode]
        assert len(found) == 1
        assert not tcpdrop.connections(netns=f"net:[{inode}]")
        process.communicate("\n")
    until(lambda: all(netns._inode(one.path or netns._OWN) != inode for one in netns.namespaces("all")))


def test_without_proc_there_is_a_reason(monkeypatch, capsys):
    monkeypatch.setattr(netns, "_OWN", "/nowhere/self/ns/net")
    status, out, err = command(capsys, "list", "--netns", "all")
    assert (status, out) == (3, "")
    assert err == "tcpdrop: network namespaces cannot be told apart: /proc is not there, or not to be read\n"


def test_processes_that_may_not_be_looked_at_are_no_silent_gap(monkeypatch, capsys):
    with Holder(netns=True) as hidden:
        real = os.stat

        def stat(path, *arguments, **options):
            if path == f"/proc/{hidden.pid}/ns/net":
                raise PermissionError(errno.EACCES, "Permission denied")
            return real(path, *arguments, **options)

        monkeypatch.setattr(os, "stat", stat)
        assert netns._is_hidden(f"/proc/{hidden.pid}/ns/net")
        assert not netns._is_hidden("/proc/99999999/ns/net")
        nothing = command(capsys, "list", "-q", "--netns", "all", "lport 1 and rport 1")
        pair = hidden.pair()
        with Holder() as here:
            something = command(capsys, "list", "-q", "--netns", "all", ports(here.pair(), pair))
    word = "may not be seen (needs CAP_SYS_PTRACE or the process's own user; run as root)\n"
    assert (nothing[0], something[0], something[2].endswith(word)) == (3, 0, True)
    assert "tcpdrop: which network namespace " in nothing[2]
