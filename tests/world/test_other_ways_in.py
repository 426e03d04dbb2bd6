# SPDX-License-Identifier: BSD-2-Clause
"""An operator whose login no TCP socket above him shows: he came by a UNIX socket, a pipe or a terminal, and is not cut off."""

import os
import re
import shlex
import shutil
import subprocess
import sys

import pytest
from support import procnet
from support.command import COMMAND, needs
from support.holder import Holder
from support.servers import find, free_port, programs
from support.sshd import OWN_RUN, SshLogin, by, does, login, server  # noqa: F401 - fixtures
from support.wait import until

from tcpdrop.system import procfs

pytestmark = [pytest.mark.privileged, pytest.mark.only_on("linux", reason="logins are found by /proc")]

DROP = f"{COMMAND} drop --no-syslog --all --yes"
BARE = "env -i LC_ALL=C.UTF-8 TERM=xterm SHELL=/bin/sh"


@pytest.fixture
def elsewhere():
    """Another process that holds connections."""
    one = Holder()
    yield one
    one.stop()


def told(command, out):
    """A shell's line that leaves in a file, once it is whole, what the command said and its status."""
    return f"{command} > {out}.part 2>&1; echo status $? >> {out}.part; mv {out}.part {out}"


class Terminal:
    """A login with a terminal that runs a command, and stays."""

    def __init__(self, server, port, command):  # noqa: F811
        words = by(server, port).argv(f"{command}; exec cat")
        null = subprocess.DEVNULL
        self.process = subprocess.Popen([words[0], "-tt", *words[1:]], stdin=subprocess.PIPE, stdout=null, stderr=null)

    def alive(self):
        """Has its connection two ends yet?"""
        if self.process.poll() is not None:
            return False
        mine = [one for one in procnet.sockets() if one.inode in procfs.socket_inodes(self.process.pid) and one.state == 1]
        return len(mine) == 1 and procnet.state((mine[0].raddr, mine[0].rport, mine[0].laddr, mine[0].lport)) == "ESTABLISHED"

    def close(self):
        self.process.kill()
        self.process.wait(20)
        self.process.stdin.close()


def sshd_i(server):  # noqa: F811
    sshd = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    return f"{sshd} -i -f {server.place}/sshd_config"


def by_a_unix_socket(server, place, way):  # noqa: F811
    path, socat = place / "unix", find("socat")
    return [
        (*OWN_RUN, socat, f"UNIX-LISTEN:{path},fork", f"EXEC:{sshd_i(server)}"),
        (socat, f"TCP-LISTEN:{way},bind=127.0.0.1,fork,reuseaddr", f"UNIX-CONNECT:{path},retry=50,interval=0.1"),
    ]


def by_pipes(server, place, way):  # noqa: F811
    fifo = place / "fifo"
    os.mkfifo(fifo)
    return [(*OWN_RUN, "sh", "-c", f"{find('nc')} -l 127.0.0.1 {way} < {fifo} | {sshd_i(server)} > {fifo}")]


@pytest.mark.parametrize("terminal", [True, False], ids=["a terminal", "no terminal"])
@pytest.mark.parametrize("relay", [by_a_unix_socket, by_pipes], ids=["UNIX socket", "pipes"])
def test_an_sshd_that_has_no_connection_itself(server, login, holder, tmp_path, relay, terminal):  # noqa: F811
    """Others are logged in as usual: to spare those is not enough."""
    way, out = free_port(), tmp_path / "out"
    other, pair = login(), holder.pair()
    with programs(*relay(server, tmp_path, way), port=way):
        if terminal:
            one = Terminal(server, way, told(f"env -i {DROP}", out))
            until(out.exists, "the command", 30)
            said = out.read_text()
        else:
            one = SshLogin(by(server, way))
            said = does(one, f"env -i {DROP}")[1]
        try:
            assert one.alive(), said
            assert f"{way}: protected (held by pid" in said and pair.state() is None, said
            assert other.alive() == terminal, "at a terminal every login is spared"
        finally:
            one.close()


def test_what_carries_who_came_by_a_unix_socket(server, login, holder, tmp_path):  # noqa: F811
    """He came to the relay by a port that another login forwards: that is followed from there."""
    way, forwarded = free_port(), free_port()
    other, pair = login(), holder.pair()
    words = server.argv("cat")
    argv = [words[0], "-R", f"127.0.0.1:{forwarded}:127.0.0.1:{way}", *words[1:]]
    carrier = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(lambda: procnet.listeners(forwarded), "the forwarded port", 20)
        with programs(*by_a_unix_socket(server, tmp_path, way), port=way):
            one = SshLogin(by(server, forwarded))
            try:
                status, said = does(one, f"env -i {DROP}")
                assert one.alive() and status == 0, said
                assert pair.state() is None and other.end()[0] == 255, said
            finally:
                one.close()
    finally:
        carrier.terminate()
        carrier.wait(20)
        carrier.stdin.close()


# ---- what whoever has detached himself has kept


ASKS = "import socket, subprocess, sys, time; c = socket.create_connection(('127.0.0.1', int(sys.argv[1])))"
JOB = f"{ASKS}; sys.exit(subprocess.run(sys.argv[2:]).returncode)"


def test_a_job_with_a_connection_of_its_own_that_has_kept_its_standard_input(server, login, holder, tmp_path):  # noqa: F811
    """That it asks a database does not say how the operator came."""
    one, other, pair, database, out = login(), login(), holder.pair(), holder.listener(), tmp_path / "out"
    job = f"sleep 0.5; {told(f'{sys.executable} -c {shlex.quote(JOB)} {database.name()[1]} {DROP}', out)}"
    does(one, f"setsid -f env -i PATH=$PATH sh -c {shlex.quote(job)}")
    until(out.exists, "the command", 30)
    said = out.read_text()
    assert one.alive() and "status 0" in said, said
    assert pair.state() is None and other.end()[0] == 255, said


@pytest.mark.parametrize("terminal", [True, False], ids=["a terminal", "pipes"])
def test_a_command_that_keeps_nothing_of_its_login_but_its_output(server, login, holder, tmp_path, terminal):  # noqa: F811
    """Whoever reads what it says has come by that."""
    other, pair, out = login(), holder.pair(), tmp_path / "out"
    script = tmp_path / "job"
    script.write_text(f"sleep 0.5; {DROP} < /dev/null 2> {out}.part; mv {out}.part {out}; sleep 1\n")
    line = f"setsid -f env -i sh {script} < /dev/null"
    one = Terminal(server, server.port, line) if terminal else login()
    try:
        if not terminal:
            one.process.stdin.write(f"{line}\n".encode())
            one.process.stdin.flush()
        until(out.exists, "the command", 30)
        assert pair.state() is None and other.end()[0] == 255
        if terminal:
            assert one.alive(), out.read_text()
        else:
            said = iter(lambda: one.process.stdout.readline().decode(), "")
            one.process.stdin.write(b"echo the end\n")
            one.process.stdin.flush()
            assert "the end\n" in said, out.read_text()
    finally:
        one.close()


@pytest.mark.parametrize("words", ["drop --all --yes", "drop --yes rport {port}", "127.0.0.1 {way} 127.0.0.1 {port}"])
def test_a_command_that_inetd_starts_does_not_cut_who_asked(holder, elsewhere, words):
    """Its own standard streams are the connection: those it was given, and has not opened."""
    way, other = free_port(), elsewhere
    pair = other.pair()
    client = holder.socket()  # of a process that is none of the command's line, and holds no pair either
    client.call("bind", ("127.0.0.1", 0))
    port = client.name()[1]
    argv = [find("socat"), f"TCP-LISTEN:{way},bind=127.0.0.1,reuseaddr,fork"]
    argv += [f"EXEC:{COMMAND} --no-syslog {words.format(way=way, port=port)},nofork,stderr"]
    with programs(argv, port=way):
        client.call("connect", ("127.0.0.1", way))
        said = b"".join(iter(lambda: client.call("recv", 65536), b"")).decode()
        client.close()
    assert f"127.0.0.1 {way} 127.0.0.1 {port}: protected (held by pid" in said, said
    assert (pair.state() is None) == ("--all" in words), said


def test_who_shares_a_pipe_with_us_is_spared_and_not_whom_he_asks(holder, tmp_path):
    """As `mysql | tcpdrop drop --from -` of cron's: the server has other clients, which may be what is to be dropped."""
    server_, out = holder.listener(), tmp_path / "out"
    pair = holder.pair()
    ask = f"{sys.executable} -c {shlex.quote(f'{ASKS}; print(flush=True); time.sleep(20)')} {server_.name()[1]}"
    job = f"{ask} | {{ read x; {told(DROP, out)}; }}"
    line = subprocess.Popen(["setsid", "-f", "env", "-i", f"PATH={os.environ['PATH']}", "sh", "-c", job], stdin=subprocess.DEVNULL, cwd="/")
    line.wait(20)
    until(out.exists, "the command", 30)
    said = out.read_text()
    assert f"127.0.0.1 {server_.name()[1]}: protected (held by pid" in said, said
    assert pair.state() is None, said


#: what starts the shell could write to it, too, and keeps that
KEEPS = """
import os, resource, subprocess, sys
reads, writes = os.pipe()
def many():
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
    null = os.open(os.devnull, os.O_RDONLY)
    for number in range(100, 2100):
        os.dup2(null, number)
listen = ["nc", "-l", "127.0.0.1", sys.argv[1]]
also = dict(close_fds=False, preexec_fn=many) if "many" in sys.argv else {}
with open(sys.argv[2], "r+b", 0) as fifo:
    subprocess.Popen(listen, stdin=fifo, stdout=writes, **also)
nothing = subprocess.DEVNULL
subprocess.run(["sh"], stdin=reads, stdout=nothing, stderr=nothing, pass_fds=[writes] if "both" in sys.argv else [])
"""

#: a shell without a terminal that talks to whoever connects to nc, in one pipeline and apart from it
SHELLS = {
    "a pipeline": "cat {place}/in | sh 2>&1 | nc -l 127.0.0.1 {way} > {place}/in",
    "an ancestor has the pipe as well": "{python} -c '{keeps}' {way} {place}/out",
    "the shell has both ends": "{python} -c '{keeps}' {way} {place}/out both",
    "an ancestor has it, and nc many others": "{python} -c '{keeps}' {way} {place}/out many",
    "detached": "setsid -f sh -c 'exec sh < {place}/in > {place}/out 2>&1'; exec nc -l 127.0.0.1 {way} > {place}/in < {place}/out",
}


@pytest.mark.parametrize("given", ["", "< /dev/null"], ids=["its own", "nothing"])
@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_that_nc_feeds(holder, elsewhere, tmp_path, shell, given):
    """The command below it may have been given nothing: the shell has the pipe."""
    find("nc")
    way, said, other, fifos = free_port(), tmp_path / "said", elsewhere, [tmp_path / "in", tmp_path / "out"]
    pair, client = other.pair(), holder.socket()
    script = SHELLS[shell].format(place=tmp_path, way=way, python=sys.executable, keeps=KEEPS.replace("'", '"'))
    answer = f"echo alive > {fifos[1]}" if "keeps" in SHELLS[shell] else "echo alive"
    for fifo in fifos:
        os.mkfifo(fifo)
    with programs(("env", "-i", f"PATH={os.environ['PATH']}", "sh", "-c", script), port=way):
        client.call("connect", ("127.0.0.1", way))
        client.call("send", f"{COMMAND} check {given} > {tmp_path}/check; {told(f'{DROP} {given}', said)}\n{answer}\n".encode())
        until(said.exists, "the command", 30)
        told_way = re.search(r"^session +(.*)", (tmp_path / "check").read_text(), re.MULTILINE).group(1)
        assert re.match("you may have come by what (pid .* and )?pid [0-9]+ nc .*has, and that is protected", told_way), told_way
        assert f"127.0.0.1 {way} 127.0.0.1 {client.name()[1]}: protected (held by pid" in said.read_text(), said.read_text()
        assert client.call("recv", 100) == b"alive\n" and pair.state() is None
        client.close()


#: a daemon accepts, and asks another by a UNIX socket for a shell, as a kubelet does, or for its terminal, as machinectl(1)
DAEMONS = """
import array, os, pty, select, socket, sys
way, path, hands_over = int(sys.argv[1]), sys.argv[2], sys.argv[3] == "its terminal"
def relay(one, other):
    while True:
        for fd in select.select([one, other], [], [])[0]:
            os.write(other if fd == one else one, os.read(fd, 65536) or os._exit(0))
daemon = os.fork()
unix = socket.socket(socket.AF_UNIX)
if daemon:
    while not os.path.exists(path):
        select.select([], [], [], 0.05)
    with socket.create_server(("127.0.0.1", way)) as server:
        came = server.accept()[0]
    unix.connect(path)
    fds = socket.recv_fds(unix, 1, 1)[1] if hands_over else [unix.detach()]
    unix.close()
    relay(came.fileno(), fds[0])
if os.fork():
    os._exit(0)
os.setsid()
unix.bind(path + ".part")
unix.listen()
os.rename(path + ".part", path)
asked = unix.accept()[0]
pid, shows = pty.fork()
if pid == 0:
    os.execvp("sh", ["sh"])
if not hands_over:
    relay(asked.fileno(), shows)
socket.send_fds(asked, [b"x"], [shows])
for one in (asked.detach(), shows):
    os.close(one)
os.waitpid(pid, 0)
"""


@pytest.mark.parametrize("what", ["a shell", "its terminal"])
def test_a_daemon_that_asks_another_for(server, login, holder, elsewhere, tmp_path, what):  # noqa: F811
    """Neither has a name that is known, and somebody is logged in as usual: to spare him is not enough."""
    way, said, far = free_port(), tmp_path / "said", elsewhere
    other, pair, client = login(), holder.pair(), far.socket()
    with programs(("env", "-i", f"PATH={os.environ['PATH']}", sys.executable, "-c", DAEMONS, way, tmp_path / "unix", what), port=way):
        client.call("connect", ("127.0.0.1", way))
        client.call("send", f"{told(f'env -i {DROP} < /dev/null', said)}; exec sleep 20\n".encode())
        until(said.exists, "the command", 30)
        assert f"127.0.0.1 {way} 127.0.0.1 {client.name()[1]}: protected (held by pid" in said.read_text(), said.read_text()
        assert client.errno("send", b"x") == 0 and other.alive() and pair.state() is None


def test_who_feeds_us_from_outside_our_pid_namespace(server, login, tmp_path):  # noqa: F811
    """As `ssh host docker run -i`: the first process in there has no ancestor, and only its standard input leads on."""
    needs("unshare", "--pid", "--fork", "--mount-proc", "true")
    one, out = login(), tmp_path / "out"
    job = f"{told(f'env -i {DROP} lport {server.port}'.replace('--all ', ''), out)}; :"
    reads, writes = os.pipe()
    try:
        words = ("unshare", "--pid", "--fork", "--mount-proc", "setsid", "sh", "-c", job)
        subprocess.run(words, stdin=reads, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/", timeout=60, check=True)
    finally:
        os.close(reads)
        os.close(writes)
    said = out.read_text()
    assert one.alive() and "cannot tell which connection carries your session" in said, said


def test_who_writes_to_the_pipe_that_we_write_to_is_not_spared(holder, tmp_path):
    """As in `make check 2>&1 | tee log`: the program under test, its dropper and tee share a pipe, and nobody comes over that."""
    out, port = tmp_path / "out", free_port()
    other = holder.pair()
    serve = "import socket, sys, time; s = socket.create_server(('127.0.0.1', int(sys.argv[1])))"
    serve += "; c = socket.create_connection(s.getsockname()); a = s.accept(); time.sleep(20)"
    ready = f"until ss -Htn sport = :{port} | grep -q .; do sleep 0.1; done"
    job = f"{sys.executable} -c {shlex.quote(serve)} {port} & {ready}; {DROP.replace('--all', f'lport {port}')} < /dev/null; kill $!"
    line = f"env -i PATH={os.environ['PATH']} sh -c {shlex.quote(job)} 2>&1 | cat > {out}"
    subprocess.run(["setsid", "-w", "sh", "-c", line], stdin=subprocess.DEVNULL, cwd="/", timeout=60, check=True)
    assert f"127.0.0.1 {port} 127.0.0.1 " in out.read_text() and ": dropped" in out.read_text(), out.read_text()
    assert other.alive()


# ---- a server that was started in one login, and to which another is attached


def tmux(place):
    """How it is started without a detachment, how one attaches, what says that one has, how a script is run inside, and how it ends."""
    program = f"{BARE} {find('tmux')} -S {place}/tmux -f /dev/null"
    return f"{program} -D", f"{program} new-session cat", f"{program} list-clients", f"{program} new-window {{}}", f"{program} kill-server"


def screen(place):
    (place / "screen").mkdir(mode=0o700)
    program = f"{BARE} SCREENDIR={place}/screen HOME={place} {find('screen')}"
    listed = f"{program} -ls | grep Attached"
    return f"{program} -DmS inner cat", f"{program} -r inner", listed, f"{program} -S inner -X screen {{}}", f"{program} -S inner -X quit"


@pytest.mark.parametrize("kind", [tmux, screen])
def test_a_multiplexer_that_was_not_detached_from_the_login_in_which_it_began(server, login, holder, tmp_path, kind):  # noqa: F811
    """The login service above the command is the first login's; the second is at its terminal."""
    start, attach, attached, inside, end = kind(tmp_path)
    first, other, pair, out, job = login(), login(), holder.pair(), tmp_path / "out", tmp_path / "job"
    job.write_text(f"#!/bin/sh\n{told(f'env -i {DROP}', out)}\n")
    job.chmod(0o755)
    first.process.stdin.write(f"{start}\n".encode())
    first.process.stdin.flush()
    second = Terminal(server, server.port, f"until {attach}; do sleep 0.2; done")
    try:
        until(lambda: re.match(r"\(0, '.*\w", repr(does(other, attached))), "somebody to be attached", 30)
        does(other, inside.format(job))
        until(out.exists, "the command inside", 30)
        said = out.read_text()
        assert second.alive() and first.process.poll() is None, said
        assert "status 0" in said and pair.state() is None and other.end()[0] == 255, said
    finally:
        second.close()
        does(login(), end)
