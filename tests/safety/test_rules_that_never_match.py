# SPDX-License-Identifier: BSD-2-Clause
"""A rule that can never match is told, and so is a name in a selection that names nothing."""

import contextlib
import json
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from support import lan as lans
from support import private
from support.command import NEARLY_NOBODY, needs, run, tcpdrop, words
from support.holder import fresh_ports

import tcpdrop as package
from tcpdrop.errors import FilterError
from tcpdrop.filters import Filter, absent_names, matches_none
from tcpdrop.system.lookups import InterfaceNames
from tcpdrop.system.systemd_units import Unit, unit_name

pytestmark = [pytest.mark.privileged, pytest.mark.only_on("linux", reason="units, cgroups and interfaces of Linux")]
FILE = "/etc/tcpdrop.conf"


@pytest.fixture
def lan():
    why = lans.why_not()
    if why:
        pytest.skip(why)
    with contextlib.closing(lans.Lan()) as made:
        yield made


#: a rule, or a part of one -> what is said
ABSENT = {
    "dev nosuch": "there is no interface 'nosuch'",
    "dev 4711": "there is no interface '4711'",
    "unit nosuch": "there is no unit 'nosuch.service'",
    "unit nosuch@1.service": "there is no unit 'nosuch@1.service'",
    "unit a-b.socket": "there is no unit 'a-b.socket'",
    "not dev nosuch": "there is no interface 'nosuch'",
    "pid 4194303": "there is no process 4194303",
    "lport 1 or (unit nosuch and rport 2)": "there is no unit 'nosuch.service'",
    "dev nosuch or unit nosuch": "there is no interface 'nosuch'; there is no unit 'nosuch.service'",
}
#: by the parser already
NEVER = {
    "unit foo.timer": "'foo.timer' never matches: a timer has no processes; name the service, like foo.service",
    "unit multi-user.target": "a target has no processes",
    "unit getty@": "'getty@' never matches: a template has no processes; name one that is made of it, or all, getty@*.service",
    "unit getty@.service": "a template has no processes; name one that is made of it, or all, getty@*.service",
    "unit nginx.service/": "'nginx.service/' never matches: no unit has a / in its name",
    "unit getty@tty1.service/": "no unit has a / in its name",
    "user nosuchuser": "there is no user 'nosuchuser'",
}


#: what excludes itself, whatever is unknown: a state, a family, ports and addresses are told of each connection
EXCLUDED = (
    "lport 80 and lport 443",
    "lport 80 lport 443 comm nginx",
    "remote 10.0.0.1 and remote 10.0.0.2",
    "remote 10.0.0.0/8 and not remote 10.0.0.0/7",
    "remote 10.0.0.1:80 and rport 81",
    "host 10.0.0.1 and remote 10.0.0.2 and local 10.0.0.3",
    "port 80 and lport 1 and rport 2",
    "(lport 80 or lport 443) and lport 22",
    "family inet and remote ::1",
    "family inet6 and remote 10.0.0.1",
    "local 0.0.0.0",
    "lport gt 65535",
    "not lport 1-65535",
    "state established and state close-wait",
    "not (lport ge 1 or comm a)",
)
NEVER.update(dict.fromkeys(EXCLUDED, "no connection can ever match this"))

#: what may hold of some, or may be unknown of some
MAY_MATCH = (
    "lport 80 and rport 443",
    "port 80 and port 443",
    "host 10.0.0.1 and host 10.0.0.2",
    "remote 10.0.0.0/8 and remote 10.1.0.0/16",
    "remote 10.0.0.1,::1 and not remote 10.0.0.1",
    "state established and not state close-wait",
    "not (lport 80 or lport 443)",
    "comm a and not comm a",
    "user 0 and not user 0",
    "in and out",
    "loopback",
    "kernel",
)


@pytest.mark.parametrize("rule", MAY_MATCH)
def test_a_rule_that_may_match_something_is_none_of_these(rule):
    assert not matches_none(Filter(rule))


@pytest.mark.parametrize(("rule", "said"), [*ABSENT.items(), *NEVER.items()])
def test_a_rule_that_can_never_match(holder, tmp_path, rule, said):
    pair = holder.pair()
    for form in (["drop", f"lport {pair.lport}"], ["drop", "-n", f"lport {pair.lport}"], words(pair)):
        done = tcpdrop(*form, "--protect", rule)
        assert (done.status, done.out) == (2, ""), done
        assert "--protect" in done.err and said in done.err
    with pytest.raises(FilterError, match="no"):
        package.drop(f"lport {pair.lport}", protect=rule)
    wrapper = private.etc(tmp_path, f"# mine\nprotect {rule}\n")
    for form in (["drop", f"lport {pair.lport}"], words(pair), ["drop", "--include-self", "--yes", f"lport {pair.lport}"]):
        done = tcpdrop(*form, wrapper=wrapper)
        assert (done.status, done.out) == (4, ""), done
        assert f"{FILE} line 2: " in done.err and said in done.err
    done = tcpdrop("check", wrapper=wrapper)
    assert done.status == 3
    assert f"problem          {FILE} line 2: " in done.out and said in done.out
    assert "works here       nothing" in done.out
    found = json.loads(tcpdrop("check", "--json", wrapper=wrapper).out)
    assert (found["ok"], found["rules"], found["fix"], found["command"]) == (False, False, f"mend {FILE}", "")
    assert pair.alive()


@pytest.mark.parametrize("text", ["protect rport nosuchport!\n", "allow rport 22\n", "protect\n", b"\xff\n"])
def test_check_reports_a_file_that_refuses_every_drop(tmp_path, text):
    done = tcpdrop("check", wrapper=private.etc(tmp_path, text))
    assert done.status == 3
    assert f"problem          {FILE} line 1: " in done.out
    assert tcpdrop("check", wrapper=private.etc(tmp_path, "protect rport 22\n")).status == tcpdrop("check").status
    done = tcpdrop("check", wrapper=private.etc(tmp_path, "", mode=0o666))
    assert (done.status, "can be written by others than root" in done.out) == (3, True)


#: what may come any time, or is there
PRESENT = [
    "pid 1",
    "dev lo",
    "dev 1",
    "unit nosuch*",
    "unit session-99999.scope",
    "unit user-4711.slice",
    "unit -.slice",
    "cgroup /",
    "user 4711",
]


@pytest.mark.parametrize("rule", PRESENT)
def test_a_rule_that_may_match(holder, rule):
    pair = holder.pair()
    done = tcpdrop("drop", "-n", f"lport {pair.lport}", "--protect", f"{rule} and lport 1")
    assert done.status == 0, done.err
    assert pair.alive()


def test_a_process_is_denied_by_the_kernel_alone(holder):
    """That /proc does not show it is not enough: hidepid, or the processes of another PID namespace."""
    pair = holder.pair()
    rule = ("drop", "-n", f"lport {pair.lport}", "--include-self", "--protect")
    hidden = ("unshare", "--mount", "sh", "-c", 'mount -t proc -o hidepid=2 proc /proc && exec "$@"', "sh", *NEARLY_NOBODY)
    needs(*hidden)
    assert "there is no process" not in tcpdrop(*rule, f"pid {holder.pid} and lport 1", wrapper=hidden).err
    assert "there is no process 4194303" in tcpdrop(*rule, "pid 4194303 and lport 1", wrapper=hidden).err
    outer = needs("unshare", "--fork", "--pid")  # whose /proc has the numbers of ours
    for pid in (holder.pid, 4194303):
        assert "there is no process" not in tcpdrop(*rule, f"pid {pid} and lport 1", wrapper=outer).err
    assert pair.alive()


def test_a_thread_is_a_process_that_is_there():
    with ThreadPoolExecutor(1) as pool:
        tid = pool.submit(threading.get_native_id).result()
        assert tid != os.getpid() and not absent_names(Filter(f"pid {tid}"), InterfaceNames(lambda: (None,)))
    assert absent_names(Filter(f"pid {os.getpid()},4194303"), InterfaceNames(lambda: (None,))) == ["there is no process 4194303"]


@pytest.mark.parametrize(("text", "said"), [one for one in ABSENT.items() if "(" not in one[0]])
def test_a_selection_says_what_is_not_there(holder, text, said):
    pair = holder.pair()
    for verb in ("list", "drop"):
        done = tcpdrop(verb, f"lport {pair.lport} and ({text})")
        assert done.status in (1, 3)
        assert done.out == ""
        assert said in done.err
        assert "no process holds" not in done.err
    assert pair.alive()


def test_a_device_of_another_namespace_is_there(lan):
    """Where --netns leads it need not be one of ours."""
    ours, _, (_, port, _, _) = lan.connect()
    there = ("--netns", str(lan.near.pid))
    for rule, status in (("dev va and lport 1", 0), ("dev lo and lport 1", 0), (f"dev va or lport {port}", 4), ("dev nosuch", 2)):
        done = tcpdrop("drop", "-n", *there, f"lport {port}", "--protect", rule)
        assert done.status == status, (rule, done)
    assert tcpdrop("drop", "-n", f"lport {port}", "--protect", "dev va").status == 2
    assert "there is no interface" not in tcpdrop("list", *there, f"lport {port} dev va").err
    assert "there is no interface 'va'" in tcpdrop("list", f"lport {port} dev va").err
    assert ours.errno("send", b"x") == 0


def test_many_names_are_one_question():
    """Interfaces once for all names in a filter, and for all rules of a file."""
    asked = []

    def scopes():
        asked.append(None)
        return (None,)

    interfaces = InterfaceNames(scopes)
    assert absent_names(Filter(" or ".join(f"remote fe80::{number:x}%lo" for number in range(1, 500))), interfaces) == []
    assert absent_names(Filter("dev lo"), interfaces) == [] and len(asked) == 1
    said = absent_names(Filter("dev nosuch or dev nowhere"), interfaces)
    assert said == ["there is no interface 'nosuch'", "there is no interface 'nowhere'"]


# ---- the names of units


@pytest.fixture
def units(tmp_path):
    """A wrapper with these directories of units, and a process in the cgroup of ssh.service as /proc shows it."""
    place = tmp_path / "etc"
    wrapper = private.etc(tmp_path)
    system = place / "systemd" / "system"
    system.mkdir(parents=True)
    (system / "ssh.service").write_text("")
    (system / "sshd.service").symlink_to("/etc/systemd/system/ssh.service")
    (system / "remote.service").symlink_to("sshd.service")
    (system / "worker@.service").write_text("")
    (system / "arbeiter@.service").symlink_to("worker@.service")
    (system / "masked.service").symlink_to("/dev/null")
    (system / "a\\x2db.service").write_text("")
    (system / "日本.service").write_text("")
    return wrapper


NAMES = """
import sys
from tcpdrop.system.systemd_units import Unit, unit_name
for name in sys.argv[2:]:
    unit = Unit(unit_name(name))
    print(unit.may_exist, unit.holds(sys.argv[1]))
"""


def asked(wrapper, path, *names):
    done = run(*wrapper, sys.executable, "-X", "utf8", "-c", NAMES, path, *names)
    assert done.status == 0, done.err
    return [tuple(word == "True" for word in text.split()) for text in done.out.splitlines()]


def test_an_alias_names_its_unit(units):
    ssh = "/system.slice/ssh.service"
    assert asked(units, ssh, "ssh", "sshd", "remote", "sshd.service", "ssh*", "sshd*", "*") == [(True, True)] * 7
    assert asked(units, ssh, "masked", "worker@1", "ssh?", "nosuch*") == [(True, False), (True, False), (True, True), (True, False)]
    assert asked(units, ssh, "nosuch", "nosuch.socket") == [(False, False)] * 2
    assert asked(units, "/system.slice/_ssh.service/x", "sshd", "s?h") == [(True, True)] * 2


def test_a_template_a_dash_and_other_scripts(units):
    work = "/system.slice/system-worker.slice/worker@7.service"
    assert asked(units, work, "worker@7", "arbeiter@7", "worker@*", "arbeiter@8") == [(True, True)] * 3 + [(True, False)]
    assert asked(units, work, "arbeiter@*", "arb*@?.service", "arbeiter@8*") == [(True, True)] * 2 + [(True, False)]
    assert asked(units, "/system.slice/a\\x2db.service", "a-b", "a\\x2db") == [(True, True)] * 2
    assert asked(units, "/system.slice/日本.service", "日本", "日*") == [(True, True)] * 2


def test_names_as_systemctl_reads_them():
    given = ("a", "a.b", "a.slice", "a*", "a@1")
    assert [unit_name(text) for text in given] == ["a.service", "a.b.service", "a.slice", "a*", "a@1.service"]
    assert Unit("-.slice").holds("/") and Unit("-.slice").may_exist
    assert str(Filter("unit a*")) == "unit a*" and Filter(str(Filter("unit 'a*'"))) == Filter("unit a*")


# ---- rules that change while a run goes on

WATCH = """
import os, sys, tcpdrop
port, change = int(sys.argv[1]), sys.argv[2]
looks = tcpdrop.keep_dropping(f"lport {port}", duration=20, interval=0.05)
print(next(looks).outcome, flush=True)
if change == "rule":
    open("/etc/tcpdrop.conf", "w").write(f"protect lport {port}\\n")
elif change == "mode":
    os.chmod("/etc/tcpdrop.conf", 0o666)
elif change == "new":
    os.umask(0o022)  # an ordinary user's may leave it to his group
    open("/etc/new", "w").write(f"protect lport {port}\\n")
    os.rename("/etc/new", "/etc/tcpdrop.conf")
print("changed", flush=True)
sys.stdin.readline()
try:
    print(next(looks).outcome, flush=True)
except tcpdrop.Refused as error:
    print(error, flush=True)
"""


CHANGES = [("# none\n", "rule", "protected"), (None, "new", "protected"), ("", "mode", "0666")]


@pytest.mark.parametrize(("before", "change", "after"), CHANGES)
def test_a_file_that_changes_in_the_middle_of_a_watch(holder, tmp_path, before, change, after):
    ports = fresh_ports()
    holder.pair(**ports)
    argv = [*private.etc(tmp_path, before), sys.executable, "-c", WATCH, str(ports["port"]), change]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd="/") as watch:
        try:
            assert [watch.stdout.readline(), watch.stdout.readline()] == ["dropped\n", "changed\n"]
            again = holder.pair(port=ports["port"])
            watch.stdin.write("\n")
            watch.stdin.flush()
            assert after in watch.stdout.readline()
        finally:
            watch.kill()
    assert again.alive()
