# SPDX-License-Identifier: BSD-2-Clause
"""A login that rides on another login of the same host, and a command that has detached itself: neither cuts the operator off."""

import os
import shlex
import socket
import subprocess
import sys

import pytest
from support.command import COMMAND, NEARLY_NOBODY, needs
from support.holder import Holder
from support.sshd import does, login, server  # noqa: F401 - fixtures
from support.wait import until

pytestmark = [pytest.mark.privileged, pytest.mark.only_on("linux", reason="logins are found by /proc")]

DROP = f"{COMMAND} drop --no-syslog --all --yes"


def within(server, command, *flags):  # noqa: F811
    """The command, over one more ssh from where it is typed."""
    words = [os.fspath(word) for word in server.argv(command)]
    return shlex.join([words[0], *flags, *words[1:]])


def told(command, out):
    """A shell's line that leaves in a file, once it is whole, what the command said and its status."""
    return f"{command} > {out}.part 2>&1; echo status $? >> {out}.part; mv {out}.part {out}"


@pytest.mark.parametrize("how", ["", "sudo -n ", "env -i "], ids=["as it is", "sudo", "no environment"])
def test_ssh_inside_ssh(server, login, holder, how):  # noqa: F811
    one, other, pair = login(), login(), holder.pair()
    status, said = does(one, within(server, how + DROP))
    assert status == 0, said
    assert one.alive(), said
    assert f"{one.server}: protected" in said
    assert pair.state() is None and other.end()[0] == 255


BOUND = """
import os, select, socket, sys
with socket.socket() as sock:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo")
    sock.connect(("127.0.0.1", int(sys.argv[1])))
    while True:
        for one in select.select([0, sock], [], [])[0]:
            data = sock.recv(65536) if one is sock else os.read(0, 65536)
            if not data:
                sys.exit()
            os.write(1, data) if one is sock else sock.sendall(data)
"""


def test_ssh_inside_ssh_whose_client_is_bound_to_a_device(server, login, holder, tmp_path):  # noqa: F811
    """As in a VRF: the kernel finds that end only with the device's number."""
    one, pair, relay = login(), holder.pair(), tmp_path / "relay.py"
    relay.write_text(BOUND)
    status, said = does(one, within(server, f"env -i {DROP}", "-o", f"ProxyCommand={sys.executable} -I {relay} {server.port}"))
    assert status == 0, said
    assert one.alive(), said
    assert f"{one.server}: protected" in said
    assert pair.state() is None


def test_three_deep_and_over_a_port_forward(server, login, holder):  # noqa: F811
    """A jump: the innermost connection is carried by the forwarding process of the login before it."""
    one, pair = login(), holder.pair()
    jump = " ".join(shlex.quote(os.fspath(word)) for word in server.argv("")[:-2])
    inner = within(server, within(server, DROP), "-o", f"ProxyCommand={jump} -W 127.0.0.1:{server.port} root@127.0.0.1")
    status, said = does(one, inner)
    assert status == 0, said
    assert one.alive(), said
    assert pair.state() is None


@pytest.mark.parametrize("detach", ["setsid -f", "setsid sh -c 'exec \"$@\" &' sh"], ids=["setsid -f", "a double fork"])
def test_who_has_become_root_and_detached_himself_is_not_cut(server, login, holder, tmp_path, detach):  # noqa: F811
    """As Ansible's async with become: PID 1 is the parent, no terminal, and SUDO_USER is all that is left."""
    one, pair, out = login(), holder.pair(), tmp_path / "out"
    script = tmp_path / "job"
    job = told(f"env -u SSH_CONNECTION SUDO_USER=alice SUDO_UID=1000 {DROP}", out)
    script.write_text(f"sleep 0.3; {job}\n")
    does(one, f"{detach} sh {script} < /dev/null > /dev/null")
    until(out.exists, "the detached command", 30)
    said = out.read_text()
    assert one.alive(), said
    assert "protected" in said and pair.state() is None, said


#: how a command comes to stand below PID 1 with nothing of its caller's environment; the programs themselves are
#: not here: what they leave is (a process named atd, a cgroup, a transient unit of systemd's)
LEFT = {
    "at": "cp $(readlink -f /bin/sh) {place}/atd && {place}/atd -c 'sh {job}; true'",
    "systemd-run": "sh {job}",
    "systemd-run --unit": "sh {job}",
    "systemd-run --user": "sh {job}",
    "a cgroup namespace": "unshare --cgroup sh {job}",
    "a daemon": "sh {job}",
}
CGROUPS = {
    "systemd-run": "/system.slice/run-u7.service",
    "systemd-run --unit": "/system.slice/nightly.service",
    "systemd-run --user": "/user.slice/user-1000.slice/user@1000.service/app.slice/run-u9.service",
    "a daemon": "/system.slice/daily.service",
}
#: in a mount namespace of its own: $1 becomes this process's cgroup, and nightly.service a transient unit
SEEN = """
mount --make-rprivate / && mount -t tmpfs none /run && mkdir -p /run/systemd/transient && : > /run/systemd/transient/nightly.service &&
mount --bind "$1" /proc/$$/cgroup && shift && exec "$@"
"""


@pytest.mark.parametrize("how", LEFT)
def test_what_was_started_for_somebody_does_not_cut_him(server, login, holder, tmp_path, how):  # noqa: F811
    """A daemon is the control: nobody stands behind that, and everything is dropped."""
    one, pair, out = login(), holder.pair(), tmp_path / "out"
    seen = ""
    if how in CGROUPS:
        (tmp_path / "cgroup").write_text(f"0::{CGROUPS[how]}\n")
        wrapper = ("unshare", "--mount", "sh", "-c", SEEN, "sh", str(tmp_path / "cgroup"))
        needs(*wrapper)
        seen = shlex.join(wrapper)
    (tmp_path / "job").write_text(told(f"{seen} {DROP}", out) + "\n")
    detached = shlex.quote(f"sleep 0.3; {LEFT[how].format(place=tmp_path, job=tmp_path / 'job')}")
    does(one, f"env -i PATH=$PATH setsid -f sh -c {detached} < /dev/null > /dev/null")
    until(out.exists, "the detached command", 30)
    said = out.read_text()
    assert pair.state() is None, said
    spared = how != "a daemon"
    assert one.alive() == spared, said
    assert (f"{one.server}: protected" in said) == ("cannot tell which connection carries your session" in said) == spared, said


# ---- a way in that no list knows


SERVICE = """
import ctypes, os, pty, socket, sys, time
name, go, script, audit, terminal = sys.argv[1:]
if audit:  # what pam_loginuid(8) does at a login
    try:
        with open("/proc/self/loginuid", "w") as file:
            file.write("0")
    except OSError as error:
        print(f"no audit here: {error}", flush=True)
        sys.exit()
service = os.fork()
if service == 0:  # it accepts, and is no ancestor of the shell that it carries
    ctypes.CDLL(None).prctl(15, name.encode(), 0, 0, 0)
    server = socket.create_server(("127.0.0.1", 0))
    print(server.getsockname()[1], flush=True)
    accepted = server.accept()[0]
    if name == "my-nc":
        server.close()  # as `nc -l` does
    time.sleep(60)
    os._exit(0)
if os.fork() == 0:
    os.setsid()
    for fd in (0, 1, 2):  # as a daemon does: pytest is no way in
        os.dup2(os.open(os.devnull, os.O_RDWR), fd)
    if os.fork():
        os._exit(0)
    while os.getppid() != 1:
        time.sleep(0.05)
    while not os.path.exists(go):
        time.sleep(0.05)
    if not terminal:
        os.execvp("sh", ["sh", "-c", script])
    pid, fd = pty.fork()
    if pid == 0:
        os.execvp("sh", ["sh", "-c", script])
    try:
        while os.read(fd, 4096):
            pass
    except OSError:
        pass
    os._exit(0)
os.wait()
sys.stdin.read()
os.kill(service, 9)
"""


class Service:
    """A service that accepts one connection, and beside it a shell that neither holds it nor descends from who does."""

    def __init__(self, name, go, script, *, audit=False, terminal=True):
        argv = [sys.executable, "-c", SERVICE, name, go, script, "1" if audit else "", "1" if terminal else ""]
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd="/")
        said = self.process.stdout.readline()
        if "no audit" in said:
            self.__exit__()
            pytest.skip(said.strip())
        self.port = int(said)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.process.stdin.close()
        self.process.wait(20)
        self.process.stdout.close()


@pytest.mark.parametrize("name", ["xrdp", "etserver", "Xvnc", "tailscaled", "my-own-remote", "my-nc"])
def test_a_shell_beside_a_service_that_accepted_its_way_in(holder, tmp_path, name):
    out = tmp_path / "out"
    client = holder.socket()
    port = tmp_path / "port"
    with Service(name, port, told(f"{COMMAND} drop --no-syslog --yes lport $(cat {port})", out)) as service:
        client.call("connect", ("127.0.0.1", service.port))
        (tmp_path / "port.part").write_text(str(service.port))
        (tmp_path / "port.part").rename(port)
        until(out.exists, "the command at its terminal", 30)
        said = out.read_text()
        assert "status 4" in said and "protected (" in said and "your own login cannot be told" in said, said
        if name.startswith("my-"):
            assert "no login service that is known" in said and "'login NAME' in /etc/tcpdrop.conf" in said, said
        assert client.errno("send", b"x") == 0
        client.close()


class Other:
    """One more login of the same service, whose client is a process of its own."""

    CODE = """
import ctypes, socket, sys
ctypes.CDLL(None).prctl(15, b"sshd", 0, 0, 0)
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
accepted = server.accept()[0]
sys.stdin.read()
"""

    def __init__(self):
        self.process = subprocess.Popen(
            [sys.executable, "-c", self.CODE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd="/"
        )
        self.port = int(self.process.stdout.readline())
        self.holder = Holder()
        self.client = self.holder.socket()
        self.client.call("connect", ("127.0.0.1", self.port))

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.holder.stop()
        self.process.stdin.close()
        self.process.wait(20)
        self.process.stdout.close()


def entered(holder, service, other, port, out):
    """Somebody comes in by the service, whose script is told both ports: the client, and what the script said."""
    client = holder.socket()
    client.call("connect", ("127.0.0.1", service.port))
    part = port.with_suffix(".part")
    part.write_text(f"{other.port},{service.port}")
    part.rename(port)
    until(out.exists, "the command", 30)
    return client, out.read_text()


@pytest.mark.parametrize(("terminal", "variable"), [(True, ""), (False, "TMUX=x"), (False, "STY=x")], ids=["terminal", "tmux", "screen"])
def test_a_terminal_that_outlives_its_login_may_be_anothers(holder, tmp_path, terminal, variable):
    """tmux, begun in one login that is still there and attached from another: the audit session is the first one's."""
    out, port = tmp_path / "out", tmp_path / "port"
    command = f"env -u SSH_CONNECTION -u TMUX -u STY {variable} {COMMAND} drop --no-syslog --yes lport $(cat {port}) < /dev/null"
    with Other() as other, Service("sshd", port, told(command, out), audit=True, terminal=terminal) as service:
        client, said = entered(holder, service, other, port, out)
        assert "status 4" in said and "your own login cannot be told" in said, said
        assert other.client.errno("send", b"x") == 0 and client.errno("send", b"x") == 0
        client.close()


def test_who_has_detached_himself_is_told_by_the_audit_session(holder, tmp_path):
    """No terminal, no variable: the login of the same audit session is spared, and no other."""
    out, port = tmp_path / "out", tmp_path / "port"
    script = told(f"env -i {COMMAND} drop --no-syslog --yes lport $(cat {port})", out)
    with Other() as other, Service("sshd", port, script, audit=True, terminal=False) as service:
        client, said = entered(holder, service, other, port, out)
        assert "status 0" in said and "protected (held by pid" in said, said
        assert client.errno("send", b"x") == 0 and other.client.errno("recv", 1) != 0
        client.close()


#: a job that asks a database, or that is asked by others as a build server is, and then drops something
JOBS = {
    "opened": "held = socket.create_connection(('127.0.0.1', int(sys.argv[1])))",
    "accepted": "mine = socket.create_server(('127.0.0.1', 0)); asks = socket.create_connection(mine.getsockname()); held = mine.accept()",
}
REMOTE = """
import os, pty, socket, sys
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
accepted = server.accept()[0]
pid, fd = pty.fork()
if pid == 0:
    accepted.close()
    os.execvpe("sh", ["sh", "-c", sys.argv[1]], {"PORT": str(server.getsockname()[1]), "PATH": os.environ["PATH"]})
try:
    while os.read(fd, 4096):
        pass
except OSError:
    pass
sys.stdin.read()
"""
JOB = "import socket, subprocess, sys; {}; sys.exit(subprocess.run(sys.argv[2:]).returncode)"


@pytest.mark.parametrize("kind", JOBS)
def test_a_job_that_has_a_connection_of_its_own_does_not_cut_who_began_it(holder, tmp_path, kind):
    """That is no login: the one of its audit session is looked for all the same."""
    out, port = tmp_path / "out", tmp_path / "port"
    with socket.create_server(("127.0.0.1", 0)) as database, Other() as other:
        job = f"env -i PATH=$PATH {sys.executable} -c {shlex.quote(JOB.format(JOBS[kind]))} {database.getsockname()[1]}"
        script = told(f"{job} {COMMAND} drop --no-syslog --yes lport $(cat {port})", out)
        with Service("sshd", port, script, audit=True, terminal=False) as service:
            client, said = entered(holder, service, other, port, out)
            assert "status 0" in said and "protected (held by pid" in said, said
            assert client.errno("send", b"x") == 0 and other.client.errno("recv", 1) != 0
            client.close()


@pytest.mark.parametrize("variable", ["", "TMUX=x"], ids=["at its terminal", "in tmux"])
def test_what_a_server_accepted_at_ones_terminal_is_no_login(holder, tmp_path, variable):
    """Started where one works, it is an ancestor of what it starts: the login behind the terminal is another."""
    out, port = tmp_path / "out", tmp_path / "port"
    job = f"env -u SSH_CONNECTION {variable} {sys.executable} -c {shlex.quote(JOB.format(JOBS['accepted']))}"
    script = told(f"{job} 0 {COMMAND} drop --no-syslog --yes lport $(cat {port})", out)
    with Other() as other, Service("sshd", port, script) as service:
        client, said = entered(holder, service, other, port, out)
        assert "status 4" in said and "your own login cannot be told" in said, said
        assert other.client.errno("send", b"x") == 0 and client.errno("send", b"x") == 0
        client.close()


def test_who_gave_us_our_terminal_is_how_we_came(holder, tmp_path):
    """A remote shell of another name, which accepts and starts a shell at a terminal: its connection is ours, and only that is spared."""
    out = tmp_path / "out"
    with (
        Other() as other,
        subprocess.Popen(
            [sys.executable, "-c", REMOTE, told(f"env -i {COMMAND} drop --no-syslog --yes lport {other.port},$PORT", out)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd="/",
        ) as remote,
    ):
        client = holder.socket()
        client.call("connect", ("127.0.0.1", int(remote.stdout.readline())))
        until(out.exists, "the command", 30)
        said = out.read_text()
        assert "status 0" in said and "protected (held by pid" in said and "cannot be told" not in said, said
        assert client.errno("send", b"x") == 0 and other.client.errno("recv", 1) != 0
        client.close()
        remote.kill()


#: in a PID namespace of its own, below a first process of that: its audit session shows there, or its session does not
APART = {"by the audit session": ("setsid ", True), "by the session": ("", False)}


@pytest.mark.parametrize("how", APART)
def test_a_login_outside_the_pid_namespace_cannot_be_seen(holder, tmp_path, how):
    """That /proc shows a first process is no word that it shows the login."""
    needs("unshare", "--fork", "--pid", "--mount-proc")
    out, port = tmp_path / "out", tmp_path / "port"
    session, audit = APART[how]
    command = shlex.quote(f'{COMMAND} drop --no-syslog --yes lport "$1"; exit $?')
    script = told(f"env -i PATH=$PATH unshare --fork --pid --mount-proc {session}sh -c {command} sh $(cat {port})", out)
    with Other() as other, Service("sshd", port, script, audit=audit, terminal=False) as service:
        client, said = entered(holder, service, other, port, out)
        assert "status 4" in said and "cannot tell which connection carries your session" in said, said
        assert client.errno("send", b"x") == 0 and other.client.errno("send", b"x") == 0
        client.close()


#: a process that is named as tmux names its own, until it is killed
SERVER = "import ctypes, time; ctypes.CDLL(None).prctl(15, b'tmux: server', 0, 0, 0); time.sleep(60)"


def test_a_multiplexer_of_ones_own_audit_session_may_be_anothers(holder, tmp_path):
    """Behind `su -` in tmux, detached: neither terminal nor variable, and the audit session is the one in which tmux began."""
    out, port = tmp_path / "out", tmp_path / "port"
    begin = f"{sys.executable} -c {shlex.quote(SERVER)} & began=$!; until grep -q tmux /proc/$began/comm; do sleep 0.1; done"
    command = told(f"env -i {COMMAND} drop --no-syslog --yes lport $(cat {port})", out)
    with Other() as other, Service("sshd", port, f"{begin}; {command}; kill $began", audit=True, terminal=False) as service:
        client, said = entered(holder, service, other, port, out)
        assert "status 4" in said and "cannot tell which connection carries your session" in said, said
        assert "your own login cannot be told" in said, said
        assert client.errno("send", b"x") == 0 and other.client.errno("send", b"x") == 0
        client.close()


def test_a_login_of_ones_own_audit_session_that_cannot_be_seen(holder, tmp_path):
    """hidepid=2: /proc shows a user his own processes, and sshd is root's."""
    needs("unshare", "--mount", "sh", "-c", "mount -t proc -o hidepid=2 proc /proc")
    out, port = tmp_path / "out", tmp_path / "port"
    job = shlex.quote(f'{COMMAND} drop --no-syslog --yes lport "$1"; echo status $?')
    apart = shlex.join(["exec", "setsid", "-f", *NEARLY_NOBODY, "sh", "-c"])
    hidden = shlex.quote(f'mount -t proc -o hidepid=2 proc /proc; {apart} {job} sh "$1"')
    script = f"env -u SSH_CONNECTION unshare --mount sh -c {hidden} sh $(cat {port}) > {out} 2>&1"
    with Service("sshd", port, script, audit=True, terminal=False) as service:
        client = holder.socket()
        client.call("connect", ("127.0.0.1", service.port))
        (tmp_path / "port.part").write_text(str(service.port))
        (tmp_path / "port.part").rename(port)
        until(lambda: out.exists() and "status" in out.read_text(), "the command", 30)
        said = out.read_text()
        assert "status 4" in said and "cannot tell which connection carries your session" in said, said
        assert client.errno("send", b"x") == 0
        client.close()
