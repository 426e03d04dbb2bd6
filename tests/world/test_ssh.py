# SPDX-License-Identifier: BSD-2-Clause
"""The main job on a real OpenSSH: logins are cut one by one or all at once, and the one it is typed over lives."""

import re
import shutil
import subprocess

import pytest
from support import procnet
from support.command import COMMAND, NEARLY_NOBODY, needs, run, tcpdrop
from support.own_pair import own_pair
from support.screen import Window
from support.wait import until

from tcpdrop.system import platform, procfs

pytestmark = [pytest.mark.privileged, pytest.mark.only_on("linux", "sunos", reason="drops")]
FELT = pytest.mark.only_on("linux", reason="the client of a login that is cut hears of it")


# ---- one named connection


@FELT
@pytest.mark.parametrize("end", ["server", "client"])
def test_one_login_is_cut_and_nothing_else(server, login, end):
    victim, other = login(), login()
    words = getattr(victim, end)
    assert tcpdrop(*words.split()) == (0, f"{words}: dropped\n", "")
    status, said = victim.end()
    assert status == 255, said
    assert [text for text in said.splitlines() if "known hosts" not in text], "the client ends without a word"
    assert other.alive()
    assert server.process.poll() is None
    assert len(procnet.listeners(server.port)) == 1
    assert login().alive()
    # The server's side of the victim goes as well: nobody is left behind it.
    status, out, err = tcpdrop(*words.split())
    assert (status, out) == (1, "")
    assert f"{words}: not found" in err
    assert other.alive()


SELF = {
    "as it is": "",
    "sudo": "env -i",
    "no variable": "env -u SSH_CONNECTION",
    "another group": "setsid -w",
}


@FELT
@pytest.mark.parametrize("mirror", [False, True], ids=["own", "mirror"])
@pytest.mark.parametrize("how", SELF)
def test_from_inside_a_login_its_own_connection_is_refused(server, login, how, mirror):
    one = login()
    words = one.client if mirror else one.server
    answer = one.does(f"{SELF[how]} {COMMAND} {words} 2>&1; echo status $?")
    assert answer.startswith(f"{words}: protected (held by pid ")
    assert answer.endswith("; --include-self)")
    assert "sshd" in answer
    assert one.process.stdout.readline() == b"status 4\n"
    assert one.alive()


@FELT
def test_from_inside_a_login_the_other_one_can_be_cut(login):
    one, other = login(), login()
    assert one.does(f"{COMMAND} {other.server}") == f"{other.server}: dropped"
    assert other.end()[0] == 255
    assert one.alive()


@FELT
def test_from_inside_with_include_self(server, login):
    one = login()
    one.process.stdin.write(f"exec {COMMAND} --include-self {one.server}\n".encode())
    one.process.stdin.flush()
    status, said = one.end()
    assert status == 255, said
    assert server.process.poll() is None
    assert login().alive()


@FELT
def test_a_login_that_runs_one_command(server):
    """No shell in between: sshd itself is the parent's parent."""
    script = f'set -- $SSH_CONNECTION; {COMMAND} "$3" "$4" "$1" "$2"; echo status $?'
    done = run(*server.argv(script))
    assert (done.status, done.out) == (0, "status 4\n")
    assert ": protected (held by pid " in done.err


@FELT
@pytest.mark.parametrize("how", ["", "env -i"], ids=["as it is", "no variable"])
def test_check_recognises_the_login(server, login, how):
    one = login()
    _, port, _, _ = one.client.split()
    assert one.does(f"{how} {COMMAND} check | grep ^session") == f"session          you are 127.0.0.1:{port} -> :{server.port}"


@FELT
def test_through_descriptors_the_own_login_is_refused_as_well(login):
    one, other = login(), login()
    answer = one.does(f"env -i {COMMAND} --method=descriptor {one.server} 2>&1; echo status $?")
    assert answer.startswith(f"{one.server}: protected (held by pid ")
    assert one.process.stdout.readline() == b"status 4\n"
    assert one.does(f"{COMMAND} --method=descriptor {other.server}") == f"{other.server}: dropped"
    assert other.end()[0] == 255
    assert one.alive()


@FELT
def test_check_without_a_login_says_so(server):
    """On a terminal whose login cannot be found every login service is spared, and check says that."""
    done = run("setsid", "-w", "script", "-qec", f"{COMMAND} check", "/dev/null")
    assert "\nsession          carrier unknown: every connection of login services is protected\r\n" in done.out
    assert server.process.poll() is None


# ---- drop --all and selections, from inside a login

HOW = {"as it is": "", "no environment": "env -i", "sudo": "sudo -n", "another session": "setsid -w env -i"}


def does(one, command):
    """Run it in the login; its output without the last line, and the status."""
    one.process.stdin.write(f"{command} 2>&1; echo status $?\n".encode())
    one.process.stdin.flush()
    lines = []
    while True:
        text = one.process.stdout.readline().decode()
        assert text, lines
        if text.startswith("status "):
            return int(text.split()[1]), "".join(lines)
        lines.append(text)


def both_ends(one):
    _, lport, _, rport = one.client.split()
    return {(w.lport, w.rport) for w in procnet.sockets() if {w.lport, w.rport} == {int(lport), int(rport)} and w.state == 1} == {
        (int(lport), int(rport)),
        (int(rport), int(lport)),
    }


@pytest.mark.parametrize("how", HOW)
def test_drop_all_from_inside_a_login(server, login, holder, how):
    if how == "sudo":
        needs("sudo", "-n")
    one, other, pair = login(), login(), holder.pair()
    status, said = does(one, f"{HOW[how]} {COMMAND} drop --all --yes")
    assert status == 0
    assert said.count(": protected (held by pid ") == 2, said
    for words in (one.client, one.server):
        assert f"{words}: protected" in said
    assert other.end()[0] == 255
    assert pair.state() is None
    assert one.alive()
    assert both_ends(one)
    assert server.process.poll() is None
    assert login().alive()


@pytest.mark.only_on("linux", reason="the other end hears of it")
def test_drop_by_the_servers_port_from_inside_a_login(server, login):
    """A ban on the port one came in by."""
    one, other = login(), login()
    status, said = does(one, f"env -i {COMMAND} drop --yes lport {server.port}")
    assert (status, said.count(": dropped")) == (0, 1), said
    assert other.end()[0] == 255
    assert one.alive()


def test_the_dry_run_from_inside_says_the_same(login):
    one, other = login(), login()
    status, said = does(one, f"{COMMAND} drop --all --yes -n")
    assert f"{one.server}: protected" in said
    assert f"{other.server}: would drop" in said
    assert one.alive()
    assert other.alive()
    assert status == 0


@pytest.mark.only_on("linux", reason="the other end hears of it")
def test_include_self_does_not_spare_it(server, login):
    one = login()
    one.process.stdin.write(f"exec {COMMAND} drop --include-self --yes lport {server.port}\n".encode())
    one.process.stdin.flush()
    assert one.end()[0] == 255
    assert server.process.poll() is None


def test_from_python_inside_a_login(login):
    one, other = login(), login()
    interpreter = COMMAND.with_name("python3")
    code = "import tcpdrop; r = tcpdrop.drop(all=True); print(sorted(r.counts))"
    status, said = does(one, f"env -i {interpreter} -I -c '{code}'")
    assert (status, said) == (0, "['dropped', 'protected']\n")
    assert other.end()[0] == 255
    assert one.alive()


def test_from_tmux_inside_a_login(server, login, tmp_path):
    """tmux's server is nobody's child: all logins of sshd are spared, and it is said why."""
    if shutil.which("tmux") is None:
        pytest.skip("no tmux here (apt-get install tmux)")
    one, other = login(), login()
    sock, out = tmp_path / "tmux", tmp_path / "out"
    command = f"{COMMAND} drop --all --yes > {out}.part 2>&1; echo status $? >> {out}.part; mv {out}.part {out}"
    start = f"env LC_ALL=C.UTF-8 TERM=xterm SHELL=/bin/sh tmux -S {sock} -f /dev/null new-session -d '{command}'"
    pair_before = both_ends(one)
    assert pair_before
    try:
        status, said = does(one, start)
        assert status == 0, said
        until(out.exists, "the command in tmux", 30)
        said = out.read_text()
        assert "cannot tell which connection carries your session" in said
        assert f"{one.server}: protected" in said
        assert one.alive()
        assert both_ends(one)
        assert other.alive()  # nobody can tell that it is not the operator's
    finally:
        subprocess.run(["tmux", "-S", str(sock), "kill-server"], stderr=subprocess.DEVNULL, check=False)


def test_from_tmux_other_services_are_dropped(login, holder, tmp_path):
    if shutil.which("tmux") is None:
        pytest.skip("no tmux here (apt-get install tmux)")
    one, pair = login(), holder.pair()
    sock, out = tmp_path / "tmux", tmp_path / "out"
    command = f"env -i {COMMAND} drop --all --yes > {out}.part 2>&1; mv {out}.part {out}"
    try:
        does(one, f"env LC_ALL=C.UTF-8 TERM=xterm SHELL=/bin/sh tmux -S {sock} -f /dev/null new-session -d '{command}'")
        until(out.exists, "the command in tmux", 30)
        assert pair.state() is None
        assert one.alive()
    finally:
        subprocess.run(["tmux", "-S", str(sock), "kill-server"], stderr=subprocess.DEVNULL, check=False)


def test_an_ancestry_that_cannot_be_read_spares_sshd(login, holder):
    """Behind a change of user nothing of root's can be read but names: sshd's port need not be 22.

    What else root holds may be a login as well, if not by its port, and lives; what is the user's own is dropped.
    """
    one, other, pair = login(), login(), holder.pair()
    with own_pair(*needs(*NEARLY_NOBODY)) as port:
        status, said = does(one, f"env -i {' '.join(NEARLY_NOBODY)} {COMMAND} drop --yes state established")
    assert "cannot tell which connection carries your session: all " in said
    assert f"{one.server}: protected (held by a process that cannot be seen, and your own login cannot be told" in said
    assert status == 0, said
    assert re.search(rf"^127\.0\.0\.1 {port} .*: dropped$", said, re.M), said
    assert pair.alive()
    assert one.alive()
    assert other.alive()
    assert both_ends(one)


# ---- on the whole screen


@FELT
def test_top_inside_a_login_cuts_the_others_and_shows_its_own_as_you(server, login):
    other = login()
    ssh, *rest = server.argv(f"exec {COMMAND} top --no-syslog --interval 200ms state established lport {server.port}")
    with Window(command=(shutil.which(ssh), "-tt", *rest)) as window:
        window.until("2 connections").until(lambda text: window.row_of(r" you\b"))
        window.press("a").until("1 marked; 1 of your own session not")
        window.press("d").until("Drop 1: ").press("y").until(": dropped").until("1 connection ")
        assert other.end()[0] == 255
        window.press(" ").until(re.compile(r"not marked: held by pid \d+ sshd").search)
        window.press("d").until("protected (held by pid ").press("\r").until("protected (held by pid ")
        window.press("?").until("dry run on and off").press("x").until("1 connection ")  # it lives
        assert window.press("q").end() == 0
        assert b"\x1b[?47l" in window.raw


@FELT
def test_top_ends_with_its_login(server, login):
    """The client is killed: no screen goes on without anybody at it."""
    ssh, *rest = server.argv(f"exec {COMMAND} top --no-syslog lport {server.port}")
    with Window(command=(shutil.which(ssh), "-tt", *rest)) as window:
        window.until("1 connection ")
        (pid,) = [pid for pid in procfs.all_pids() if f"lport {server.port}".encode() in _arguments(pid) and b"tcpdrop" in _arguments(pid)]
        window.process.kill()
        until(lambda: not platform.process_exists(pid), "top to end", timeout=20)


def _arguments(pid):
    """What a process that is no ssh was started with, words apart by blanks."""
    try:
        words = procfs.read(f"/proc/{pid}/cmdline").replace(b"\0", b" ")
    except OSError:
        return b""
    return b"" if b"ssh" in words.split(b" ")[0] else words
