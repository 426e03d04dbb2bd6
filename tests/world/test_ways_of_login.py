# SPDX-License-Identifier: BSD-2-Clause
"""However an operator comes in, and however little /proc shows him, his own session is not cut without a word."""

import os
import shlex
import shutil
import subprocess
import sys
import tempfile

import pytest
from support import procnet
from support.command import COMMAND, NEARLY_NOBODY, needs, run
from support.servers import find, free_port
from support.sshd import OWN_RUN, SshLogin, by, does, login, server  # noqa: F401 - fixtures
from support.wait import until

from tcpdrop.system import procfs

pytestmark = [pytest.mark.privileged, pytest.mark.only_on("linux", reason="logins are found by /proc")]

DROP = f"{COMMAND} drop --no-syslog --all --yes"

#: what systemd does for sshd.socket with Accept=yes, and inetd: each connection is its own sshd's standard input
ACTIVATED = """
import os, socket, subprocess, sys
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    sock, _ = server.accept()
    subprocess.Popen(sys.argv[2:], stdin=sock, stdout=sock)
    sock.close()
"""


@pytest.mark.parametrize("how", ["", "env -i ", "setsid -w env -i "], ids=["as it is", "no environment", "another session"])
def test_an_sshd_that_a_socket_starts(server, login, holder, how):  # noqa: F811
    port = free_port()
    sshd = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    argv = [*OWN_RUN, sys.executable, "-c", ACTIVATED, port, sshd, "-i", "-f", server.place / "sshd_config"]
    listener = subprocess.Popen(list(map(str, argv)), stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/")
    try:
        until(lambda: procnet.listeners(port), "the socket", 20)
        one, other, pair = SshLogin(by(server, port)), login(), holder.pair()
        try:
            status, said = does(one, how + DROP)
            assert one.alive() and status == 0, said
            assert f"{one.server}: protected (held by pid" in said, said
            assert pair.state() is None and other.end()[0] == 255
        finally:
            one.close()
    finally:
        listener.kill()
        listener.wait(20)


#: what a command goes through on its way from a login, as a shell has it
THROUGH = {
    "su": ("su", "su - root -c {quoted}"),
    "runuser": ("runuser", "runuser -u root -- {plain}"),
    "script": ("script", "script -qec {quoted} /dev/null"),
    "chroot": ("chroot", "chroot / {plain}"),
    "another PID namespace": ("unshare", "unshare --pid --fork --mount-proc {plain}"),
    "another network namespace": ("unshare", "unshare --net {plain} --netns=$$"),
    "another cgroup namespace": ("unshare", "unshare --cgroup --mount {plain}"),
}


@pytest.mark.real_root
@pytest.mark.parametrize("through", THROUGH)
def test_what_a_command_goes_through(server, login, through):  # noqa: F811
    program, text = THROUGH[through]
    if shutil.which(program) is None:
        pytest.skip(f"no {program} here")
    one = login()
    status, said = does(one, 'env -i PATH="$PATH" ' + text.format(plain=DROP, quoted=shlex.quote(DROP)))
    assert one.alive() and status in (0, 4), said
    assert f"{one.server}: protected" in said and f"{one.client}: protected" in said, said


@pytest.mark.real_root
def test_a_session_of_its_own_in_another_pid_namespace(server, login, holder):  # noqa: F811
    """The namespace's first process is still in the login's session, as a container's is in its own."""
    one, pair = login(), holder.pair()
    status, said = does(one, f"env -i PATH=$PATH unshare --pid --fork --mount-proc sh -c 'setsid -w {DROP} < /dev/null; exit $?'")
    assert status == 4 and pair.alive() and "no process holds it" not in said, said
    command = f"{COMMAND} drop --no-syslog --yes lport {server.port} < /dev/null > /dev/null"
    status, said = does(one, f"env -i PATH=$PATH unshare --pid --fork --mount-proc sh -c {shlex.quote(f'setsid -w {command}; exit $?')}")
    assert one.alive() and status == 4 and "your own login cannot be told" in said, said


@pytest.mark.real_root
def test_what_no_process_of_a_pid_namespace_holds_need_not_be_the_kernels(holder):
    """Nobody can say so who does not see them all; a container's first process leads a session."""
    needs("unshare", "--pid", "--fork", "--mount-proc", "true")
    pair = holder.pair()
    script = f"{DROP}; exit $?"
    done = run("unshare", "--pid", "--fork", "--mount-proc", "setsid", "sh", "-c", f"exec < /dev/null; {script}")
    assert done.status == 4 and pair.alive(), done
    assert "(no process that can be seen holds it: it may be the kernel's own" in done.err, done


def test_a_command_that_keeps_nothing_of_its_login_but_its_standard_input(server, login, holder, tmp_path):  # noqa: F811
    """Detached, with an empty environment, and without PAM's audit session: sshd has the other end of that."""
    out, one, other, pair = tmp_path / "out", login(), login(), holder.pair()
    does(
        one,
        f"setsid -f env -i sh -c {shlex.quote(f'sleep 0.5; {DROP} > {out}.part 2>&1; echo status $? >> {out}.part; mv {out}.part {out}')}",
    )
    until(out.exists, "the command", 30)
    said = out.read_text()
    assert one.alive() and "status 0" in said, said
    assert f"{one.server}: protected (held by pid" in said, said
    assert pair.state() is None and other.end()[0] == 255, said


PROC = 'mount --make-rprivate / && mount -t proc -o {options} proc /proc && shift && exec "$@"'


@pytest.mark.real_root
@pytest.mark.parametrize("user", [(), NEARLY_NOBODY], ids=["root", "another user"])
@pytest.mark.parametrize("options", ["hidepid=2", "subset=pid", "hidepid=2,subset=pid"])
def test_a_proc_that_shows_little(server, login, holder, options, user):  # noqa: F811
    """Found, or unknown and protected; and a rule protects what it may mean."""
    script = PROC.format(options=options)
    needs("unshare", "--mount", "sh", "-c", script, "sh", "x")
    one, pair = login(), holder.pair()
    name = procfs.command_of(holder.pid)
    words = ("env", "-i", "unshare", "--mount", "sh", "-c", script, "sh", "x", *user)
    status, said = does(
        one, shlex.join((*words, *map(str, (COMMAND, "drop", "--no-syslog", "--all", "--yes", "--protect", f"comm {name}"))))
    )
    assert one.alive() and status in (0, 4), said
    assert f"{one.server}: protected" in said and f"{one.server}: dropped" not in said, said
    assert pair.alive(), said
    status, said = does(one, shlex.join((*words, str(COMMAND), "drop", "--no-syslog", "--yes", f"lport {server.port}")))
    assert one.alive() and status in (0, 4), said
    status, said = does(one, shlex.join((*words, str(COMMAND), "drop", "--no-syslog", "--yes", f"lport {pair.lport} and not comm {name}")))
    assert pair.alive() and ": dropped" not in said, said


def test_a_login_inside_screen_that_was_begun_in_another(server, login, holder, tmp_path):  # noqa: F811
    """screen's own process opens the terminal of whoever is attached."""
    screen = find("screen")
    environment = f"env -i LC_ALL=C.UTF-8 TERM=xterm SHELL=/bin/sh SCREENDIR={tmp_path}/screen HOME={tmp_path}"
    out = tmp_path / "out"
    (tmp_path / "screen").mkdir(mode=0o700)
    one, other, pair = login(), login(), holder.pair()
    assert does(one, f"{environment} {screen} -dmS inner cat")[0] == 0
    words = server.argv(f"{environment} {screen} -r inner")
    attached = subprocess.Popen([words[0], "-tt", *words[1:]], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(lambda: "(Attached)" in does(one, f"{environment} {screen} -ls")[1], "somebody to be attached", 20)
        inner = shlex.join(map(str, server.argv(f"{DROP} > {out}.part 2>&1; echo status $? >> {out}.part; mv {out}.part {out}")))
        (tmp_path / "job").write_text(f"exec {inner}\n")
        does(one, f"{environment} {screen} -S inner -X screen sh {tmp_path}/job")
        until(out.exists, "the command inside", 30)
        said = out.read_text()
        assert "status 0" in said, said
        (mine,) = [end for end in procnet.sockets() if end.inode in procfs.socket_inodes(attached.pid) and end.state == 1]
        assert f" {mine.lport}: protected" in said, said
        assert attached.poll() is None and pair.state() is None and other.end()[0] == 255, said
    finally:
        does(login(), f"{environment} {screen} -S inner -X quit")
        attached.kill()
        attached.wait(20)
        attached.stdin.close()


@pytest.mark.real_root
def test_what_a_setuid_program_holds_is_protected_from_its_own_user(holder):
    """Its user started it and may not look into it: that it holds the socket is unknown to him, and its name is known."""
    wrapper = needs(*NEARLY_NOBODY)
    listening = holder.listener()
    port = listening.name()[1]
    with tempfile.TemporaryDirectory(prefix="tcpdrop-") as place:
        os.chmod(place, 0o755)
        program = shutil.copy(find("nc"), os.path.join(place, "setuid-nc"))
        os.chmod(program, 0o4755)
        started = subprocess.Popen([*wrapper, program, "127.0.0.1", str(port)], stdin=subprocess.PIPE, cwd="/")
        accepted = listening.accept()
        try:
            assert procfs.uids_of(started.pid) == {0, 65534}
            drop = (COMMAND, "drop", "--no-syslog", "--yes", "--include-self", "rport", str(port))
            for text in ("--protect", "comm setuid-nc"), ("--protect", f"pid {started.pid}"), ("and", "not", "comm", "setuid-nc"):
                for who in (wrapper, ()):
                    done = run(*who, *drop, *text)
                    assert done.status in (1, 3, 4) and ": dropped" not in done.out, done
                    assert accepted.call("send", b"x") == 1
            done = run(*wrapper, *drop, "and", "not", "comm", "nginx")
            assert done.status == 0 and accepted.errno("send", b"x"), "what it certainly is not leaves it to be dropped"
        finally:
            started.kill()
            started.wait(20)
            started.stdin.close()
