# SPDX-License-Identifier: BSD-2-Clause
"""/etc/tcpdrop.conf.d/*.conf: rules that packages and people add beside the file, under the same trust."""

import json
import os
import shutil
import subprocess
import sys
from operator import itemgetter

import pytest
from support import private
from support.command import COMMAND, NO_CAPABILITIES, line, needs, run, tcpdrop, words
from support.holder import fresh_ports
from support.screen import Window

from tcpdrop import Filter
from tcpdrop.engine.run import Run
from tcpdrop.filters.selection import select
from tcpdrop.model.rows import LPORT, ROW, RPORT
from tcpdrop.model.table import Rows
from tcpdrop.safety import guard, logins, rules
from tcpdrop.safety.guard import Guard
from tcpdrop.safety.login_services import is_login_service
from tcpdrop.system import kernel

pytestmark = [pytest.mark.privileged, pytest.mark.only_on("linux", "sunos", reason="drops")]

PLACE = "/etc/tcpdrop.conf.d"

IN_PYTHON = """
import sys
import tcpdrop
local, remote = (sys.argv[1], int(sys.argv[2])), (sys.argv[3], int(sys.argv[4]))
for call in (lambda: tcpdrop.drop_one(local, remote), lambda: tcpdrop.drop(f"lport {local[1]} rport {remote[1]}")):
    try:
        print(call())
    except tcpdrop.Refused as error:
        print(type(error).__name__, error)
"""


def forms(pair):
    return (words(pair), words(pair, swapped=True), ["drop", f"lport {pair.lport}"], ["drop", "--include-self", f"rport {pair.lport}"])


def test_a_drop_in_binds_the_command_line_and_python(holder, tmp_path):
    pair, other = holder.pair(), holder.pair()
    wrapper = private.etc(tmp_path, drop_ins={"nfs.conf": f"# NFS\nprotect lport {pair.lport}\n"})
    by = f"protected (by {PLACE}/nfs.conf: lport {pair.lport})"
    for form in forms(pair):
        done = tcpdrop(*form, wrapper=wrapper)
        assert (done.status, done.out) == (4, ""), (form, done)
        assert by in done.err
    done = private.python(wrapper, IN_PYTHON, *words(pair))
    assert done.out == f"Protected {line(pair)}: {by}\n<Report: 1 protected>\n", done
    assert pair.alive()
    assert tcpdrop(*words(other), wrapper=wrapper).status == 0


@pytest.mark.only_on("linux", reason="live rows")
def test_a_drop_in_binds_top(holder, tmp_path):
    pair = holder.pair()
    wrapper = private.etc(tmp_path, drop_ins={"nfs.conf": f"protect lport {pair.lport}\n"})
    wanted = ("top", "--no-syslog", "--interval", "200ms", f"lport {pair.lport}")
    with Window(*wanted, command=(shutil.which(wrapper[0]), *wrapper[1:], COMMAND)) as window:
        window.until("1 connection ").press("d").until("protected")
        assert window.press("q").end() == 0
    assert pair.alive()


def test_all_files_add_up_and_the_first_in_order_is_named(holder, tmp_path):
    """The file first, then the drop-ins by the bytes of their names, whatever the order in which they were made."""
    pairs = [holder.pair() for _ in range(3)]
    every = f"lport {','.join(str(pair.lport) for pair in pairs)}"
    drop_ins = {"9.conf": f"protect {every}\n", "10.conf": f"protect lport {pairs[1].lport}\n", "Z.conf": f"protect {every}\n"}
    wrapper = private.etc(tmp_path, f"protect lport {pairs[0].lport}\n", drop_ins=drop_ins)
    done = tcpdrop("drop", "--yes", every, wrapper=wrapper)
    assert (done.status, done.out) == (4, "")
    for pair, by in zip(pairs, ("/etc/tcpdrop.conf: ", f"{PLACE}/10.conf: ", f"{PLACE}/9.conf: ")):
        assert f"{line(pair)}: protected (by {by}" in done.err, done
    assert all(pair.alive() for pair in pairs)


#: what editors and package managers leave there, and a directory's own page
LEFT = {
    ".#nfs.conf": "not a rule",
    ".nfs.conf.swp": "x",
    "nfs.conf~": "x",
    "nfs.conf.dpkg-old": "x",
    "nfs.rules": "protect loopback\n",
    "README": "x",
}


def test_other_names_are_left_out_and_check_says_so(holder, tmp_path):
    pair = holder.pair()
    wrapper = private.etc(tmp_path, drop_ins=LEFT)
    done = tcpdrop("check", wrapper=wrapper)
    for name in LEFT:
        said = f"take care        {PLACE}/{name} is not read: its name does not end in .conf\n"
        assert (said in done.out) is not name.startswith("."), done.out
    assert tcpdrop(*words(pair), wrapper=wrapper).status == 0


# ---- trust


def write(name="a.conf", text="", **how):
    def spoil(place):
        file = place / name
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        os.chmod(file, how.get("mode", 0o644))
        os.chown(file, how.get("owner", 0), how.get("owner", 0))

    return spoil


def instead(make):
    def spoil(place):
        place.rmdir()
        make(place)

    return spoil


#: what is spoilt, and what is said behind /etc/tcpdrop.conf.d
UNTRUSTED = {
    "the directory of another user": (lambda place: os.chown(place, 65534, 65534), " belongs to uid 65534, not to root"),
    "the group may write to it": (lambda place: place.chmod(0o775), " can be written by others than root (mode 0775)"),
    "the world may, sticky": (lambda place: place.chmod(0o1777), " can be written by others than root (mode 1777)"),
    "a file in its place": (instead(lambda place: place.write_text("")), " is not a directory"),
    "a link to nowhere in its place": (instead(lambda place: place.symlink_to("/nowhere/at/all")), " leads nowhere"),
    "a file of another user": (write(owner=65534), "/a.conf belongs to uid 65534, not to root"),
    "the group may write to a file": (write(mode=0o664), "/a.conf can be written by others than root (mode 0664)"),
    "the world may write to a file": (write(mode=0o646), "/a.conf can be written by others than root (mode 0646)"),
    "a directory among them": (lambda place: (place / "a.conf").mkdir(), "/a.conf is not a regular file"),
    "a pipe among them": (lambda place: os.mkfifo(place / "a.conf"), "/a.conf is not a regular file"),
    "a link to nowhere among them": (lambda place: (place / "a.conf").symlink_to("/nowhere"), "/a.conf leads nowhere"),
    "another verb": (write(text="\nallow rport 22\n"), "/a.conf line 2: a line is 'protect FILTER' or a comment"),
    "a broken filter": (write(text="protect rport nosuchport!\n"), "/a.conf line 1: "),
    "not text": (write(text=b"\xff\n"), "/a.conf line 1: "),
    "a name that no terminal should see": (write(name="\x1b[31m.conf", text="x\n"), "/\\x1b[31m.conf line 1: "),
}
NEEDS_USERS = {"the directory of another user", "a file of another user"}


@pytest.mark.parametrize("how", [pytest.param(how, marks=pytest.mark.real_root) if how in NEEDS_USERS else how for how in UNTRUSTED])
def test_a_drop_in_that_cannot_be_trusted_stops_everything(holder, tmp_path, how):
    spoil, why = UNTRUSTED[how]
    pair = holder.pair()
    wrapper = private.etc(tmp_path, "protect lport 1\n", drop_ins={})
    spoil(tmp_path / "etc" / "tcpdrop.conf.d")
    refused(pair, wrapper, why)
    done = tcpdrop("check", wrapper=wrapper)
    assert done.status == 3
    assert f"problem          {PLACE}{why}" in done.out
    assert "rule             /etc/tcpdrop.conf line 1: protect lport 1\n" in done.out  # that one is followed
    found = json.loads(tcpdrop("check", "--json", wrapper=wrapper).out)
    assert (found["ok"], found["rules"]) == (False, False)
    assert found["fix"] == f"mend {PLACE}{why.split(' ')[0]}"


@pytest.mark.parametrize("which", ["", "a.conf"])
def test_a_drop_in_that_cannot_be_read_stops_everything(holder, tmp_path, which):
    """Root without capabilities, and mode 0: the kernel says no."""
    pair = holder.pair()
    private.etc(tmp_path, drop_ins={"a.conf": ""})
    (tmp_path / "etc" / "tcpdrop.conf.d" / which).chmod(0)
    wrapper = (*private.etc(tmp_path), *needs(*NO_CAPABILITIES))
    refused(pair, wrapper, f"{'/' if which else ''}{which} cannot be read: Permission denied")


def refused(pair, wrapper, why):
    for form in (*forms(pair), ["127.0.0.1", "1", "127.0.0.1", "1"], ["drop", "-n", "lport 1"], ["drop", "--from", "-"]):
        done = tcpdrop(*form, wrapper=wrapper)
        assert (done.status, done.out) == (4, ""), (form, done)
        assert done.err.replace("tcpdrop: ", "", 1).startswith(f"{PLACE}{why}"), (form, done)
        assert done.err.endswith(": nothing is dropped until it is mended\n")
        assert "\x1b" not in done.err
    done = private.python(wrapper, IN_PYTHON, *words(pair))
    assert [text.split(" ")[0] for text in done.out.splitlines()] == ["Refused"] * 2, done
    assert pair.alive()


def test_check_names_each_file_and_each_line(tmp_path):
    """Those that are followed and those that are not, all of them at once."""
    drop_ins = {"10-nfs.conf": "protect rport 2049\n\nlogin my-shell  # ours\n", "20-bad.conf": "x\ny\n", "30-bad.conf": "protect\n"}
    wrapper = private.etc(tmp_path, "# mine\nprotect   lport 22\n", drop_ins=drop_ins)
    found = json.loads(tcpdrop("check", "--json", wrapper=wrapper).out)
    assert found["rule_lines"] == [
        "/etc/tcpdrop.conf line 2: protect lport 22",
        f"{PLACE}/10-nfs.conf line 1: protect rport 2049",
        f"{PLACE}/10-nfs.conf line 3: login my-shell",
    ]
    wrong = [text.split(":")[0] for text in found["problems"] if text.startswith(PLACE)]
    assert wrong == [f"{PLACE}/20-bad.conf line 1", f"{PLACE}/20-bad.conf line 2", f"{PLACE}/30-bad.conf line 1"]
    assert found["fix"] == f"mend {PLACE}/20-bad.conf and {PLACE}/30-bad.conf"


# ---- a run that goes on

WATCH = """
import os, shutil, sys, tcpdrop
port, change = int(sys.argv[1]), sys.argv[2]
os.umask(0o022)
place, rule = "/etc/tcpdrop.conf.d", f"protect lport {port}\\n"
def put(name, text):
    with open(f"{place}/new", "w") as file:
        file.write(text)
    os.rename(f"{place}/new", f"{place}/{name}")
changes = {
    "added": lambda: put("b.conf", rule),
    "first": lambda: (os.mkdir(place), put("b.conf", rule)),
    "changed": lambda: open(f"{place}/a.conf", "w").write(rule),
    "removed": lambda: os.unlink(f"{place}/a.conf"),
    "renamed away": lambda: os.rename(f"{place}/a.conf", f"{place}/a.off"),
    "gone": lambda: shutil.rmtree(place),
    "directory": lambda: os.chmod(place, 0o777),
    "file": lambda: os.chmod(f"{place}/a.conf", 0o666),
}
looks = tcpdrop.keep_dropping(f"lport {port}", duration=20, interval=0.05)
print(next(looks).outcome, flush=True)
changes[change]()
print("changed", flush=True)
sys.stdin.readline()
try:
    print(next(looks).outcome, flush=True)
except tcpdrop.Refused as error:
    print(error, flush=True)
"""
NONE, ALL = {"a.conf": "# none\n"}, {"a.conf": "protect lport {port}\n"}
CHANGES = [
    ({}, "added", "protected"),
    (None, "first", "protected"),
    (NONE, "changed", "protected"),
    (ALL, "removed", "dropped"),
    (ALL, "renamed away", "dropped"),
    (ALL, "gone", "dropped"),
    (NONE, "directory", f"{PLACE} can be written by others than root (mode 0777)"),
    (NONE, "file", f"{PLACE}/a.conf can be written by others than root (mode 0666)"),
]


@pytest.mark.only_on("linux", reason="the same files everywhere")
@pytest.mark.parametrize(("before", "change", "after"), CHANGES, ids=[change for _, change, _ in CHANGES])
def test_drop_ins_that_change_in_the_middle_of_a_watch(holder, tmp_path, before, change, after):
    ports = fresh_ports()
    victim = holder.pair(**ports)
    # What is to protect must not spare the first one: so it protects the end that comes later.
    drop_ins = before and {name: text.format(port=ports["port"]) for name, text in before.items()}
    wrapper = private.etc(tmp_path, drop_ins=drop_ins)
    argv = [*wrapper, sys.executable, "-c", WATCH, str(ports["port"]), change]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd="/") as watch:
        try:
            first = "protected\n" if after == "dropped" else "dropped\n"
            assert [watch.stdout.readline(), watch.stdout.readline()] == [first, "changed\n"]
            again = victim if after == "dropped" else holder.pair(port=ports["port"])
            watch.stdin.write("\n")
            watch.stdin.flush()
            assert watch.stdout.readline().startswith(after)
        finally:
            watch.kill()
    assert (again.state() is None) is (after == "dropped")


def test_an_unchanged_directory_is_not_read_again(tmp_path, monkeypatch):
    """What is looked at before each look of a run is who the files are, not what they say."""
    file = tmp_path / "tcpdrop.conf"
    (tmp_path / "tcpdrop.conf.d").mkdir()
    (tmp_path / "tcpdrop.conf.d" / "a.conf").write_text("protect lport 1\n")
    monkeypatch.setattr(rules, "PATH", str(file))
    monkeypatch.setattr(rules, "_distrust", lambda status, directory: "")
    host = rules.Rules([])
    ((_, rule),) = host
    host.look_again()
    assert [one for _, one in host] == [rule] and next(iter(host))[1] is rule
    (tmp_path / "tcpdrop.conf.d" / "b.conf").write_text("protect lport 2\n")
    host.look_again()
    assert [name for name, _ in host] == [f"{file}.d/a.conf: lport 1", f"{file}.d/b.conf: lport 2"]


# ---- login NAME


@pytest.mark.only_on("linux", reason="who holds what")
def test_a_login_line_of_a_drop_in_names_a_service(holder, tmp_path):
    """In a terminal and with no carrier to be found, what a service of that name holds is spared."""
    name = run("cat", f"/proc/{holder.pid}/comm").out.strip()
    pair = holder.pair()
    wrapper = private.etc(tmp_path, drop_ins={"shell.conf": f"login {name}\n"})
    done = tcpdrop("drop", f"lport {pair.lport} rport {pair.rport}", wrapper=wrapper, env={"SUDO_USER": "alice"})
    assert done.status == 4, done
    assert f"held by {name}, and your own login cannot be told" in done.err
    assert pair.alive()
    without = tcpdrop("drop", "-n", f"lport {pair.lport} rport {pair.rport}", env={"SUDO_USER": "alice"})
    assert f"held by {name}, and" not in without.err


@pytest.fixture
def host_file(tmp_path, monkeypatch):
    """write(text): this is /etc/tcpdrop.conf now; None: there is none."""
    monkeypatch.setattr(rules, "PATH", str(tmp_path / "tcpdrop.conf"))

    def write(text):
        file = tmp_path / "tcpdrop.conf"
        if text is None:
            file.unlink()
        else:
            file.write_text(text, encoding="utf-8")
            file.chmod(0o644)

    return write


@pytest.mark.parametrize("then", ["login other\n", "# nothing\n", None], ids=["another", "no line", "no file"])
def test_a_login_line_that_is_gone_names_nobody(host_file, then):
    """The files are read anew as a whole, by a run that goes on and by the next one."""
    for again in (lambda host: host.look_again(), lambda host: rules.Rules([])):
        host_file("login my-shell\n")
        host = rules.Rules([])
        assert is_login_service("my-shell")
        host_file(then)
        again(host)
        assert not is_login_service("my-shell")
        assert is_login_service("other") is (then is not None and "other" in then)


@pytest.mark.only_on("linux", reason="who holds what")
@pytest.mark.parametrize("above", [[], [1]], ids=["below a shell", "below the first process"])
def test_what_a_login_line_spared_is_dropped_once_the_line_is_gone(holder, host_file, monkeypatch, above):
    """What we have started ourselves carries no operator, whoever stands above us."""
    if above:
        monkeypatch.setattr(guard, "ancestors", lambda: iter(above))
    monkeypatch.setattr(logins, "may_be_ours", lambda session: True)
    pair = holder.pair()
    host_file(f"login {run('cat', f'/proc/{holder.pid}/comm').out.strip()}\n")
    watch = Run(Guard(rules=rules.Rules([])))
    for expected in ({"protected": 1}, {"protected": 1, "dropped": 1}):
        watch.guard.look_again()
        watch.round(select(Filter(f"lport {pair.lport}"), droppable=True))
        assert watch.report.counts == expected
        host_file("# nothing\n")
    assert pair.state() is None


@pytest.mark.only_on("linux", reason="who holds what")
def test_a_login_that_the_dump_missed_is_spared(holder, host_file, monkeypatch):
    """A dump is no snapshot."""
    monkeypatch.setattr(logins, "may_be_ours", lambda session: True)
    pair = holder.pair()
    host_file(f"login {run('cat', f'/proc/{holder.pid}/comm').out.strip()}\n")
    chosen = select(Filter(f"lport {pair.lport}"), droppable=True)
    watch = Run(Guard(rules=rules.Rules([])))
    dump = kernel.list_connections

    def blind(states, *args, **kwargs):
        return Rows([raw for raw in dump(states, *args, **kwargs) if pair.lport not in itemgetter(LPORT, RPORT)(ROW.unpack_from(raw))])

    monkeypatch.setattr(kernel, "list_connections", blind)
    watch.round(chosen)
    assert watch.report.counts == {"protected": 1}
    assert pair.alive()
