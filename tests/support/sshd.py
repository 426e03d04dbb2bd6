# SPDX-License-Identifier: BSD-2-Clause
"""A real OpenSSH on loopback: its server, and logins over it."""

import copy
import os
import shutil
import socket
import subprocess

import pytest
from support import netns, procnet
from support.wait import until

from tcpdrop.model import addresses
from tcpdrop.system import procfs

CONFIG = """\
ListenAddress 127.0.0.1:{port}
HostKey {place}/host_key
AuthorizedKeysFile {keys}
PidFile none
PermitRootLogin yes
PubkeyAuthentication yes
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
StrictModes no
UseDNS no
MaxStartups 100
Subsystem sftp internal-sftp
"""

# sshd wants /run/sshd: it gets a /run of its own, and the host's stays as it is.
OWN_RUN = ("unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /run && mkdir -m 755 /run/sshd && exec "$@"', "sh")


def absent():
    """Why there is no real login here, or None."""
    sshd = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    tools = {"sshd": sshd, **{name: shutil.which(name) for name in ("ssh", "ssh-keygen", "unshare")}}
    missing = [name for name, path in tools.items() if path is None]
    if missing:
        return f"no {', '.join(missing)} here (apt-get install openssh-server)"
    if os.geteuid():
        return "sshd needs root"
    if netns.lone_root():
        return "sshd needs root outside a user namespace: it changes to a user of its own"
    return None


class Server:
    """An sshd on a high port of loopback; the keys are thrown away with `place`.

    sudoer: an ordinary user (support/sudoer.py) may log in as well, and become root.
    """

    def __init__(self, place, *, sudoer=None):
        self.place = place
        for name in ("host_key", "user_key"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", place / name], check=True)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        config = place / "sshd_config"
        keys = sudoer.may_log_in_with(place / "user_key.pub") if sudoer else place / "user_key.pub"
        config.write_text(CONFIG.format(port=self.port, place=place, keys=keys), encoding="utf-8")
        sshd = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
        with open(place / "sshd.log", "wb") as log:
            wrapper = sudoer.wrapper if sudoer else OWN_RUN
            self.process = subprocess.Popen([*wrapper, sshd, "-D", "-e", "-f", config], stdin=subprocess.DEVNULL, stderr=log)
        try:
            until(self._answers, "sshd to listen")
        except AssertionError:
            self.stop()
            raise

    def _answers(self):
        assert self.process.poll() is None, self.log()
        return bool(procnet.listeners(self.port))

    def log(self):
        return (self.place / "sshd.log").read_text(encoding="utf-8", errors="replace")

    def stop(self):
        self.process.terminate()
        self.process.wait(10)

    def argv(self, command):
        """A client that reads no configuration and no known hosts of this machine."""
        options = {
            "BatchMode": "yes",
            "IdentitiesOnly": "yes",
            "StrictHostKeyChecking": "no",
            "UserKnownHostsFile": "/dev/null",
            "GlobalKnownHostsFile": "/dev/null",
            "ControlPath": "none",
            "LogLevel": "INFO",
            "ConnectTimeout": "10",
        }
        flags = [text for name, value in options.items() for text in ("-o", f"{name}={value}")]
        return ["ssh", "-F", "none", "-i", self.place / "user_key", *flags, "-p", str(self.port), "root@127.0.0.1", command]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    why = absent()
    if why:
        pytest.skip(why)
    started = Server(tmp_path_factory.mktemp("ssh"))
    yield started
    started.stop()


class SshLogin:
    """A shell over ssh."""

    def __init__(self, server):
        self.process = subprocess.Popen(
            server.argv("exec sh"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=server.place
        )
        assert self.does("echo hello") == "hello", server.log()
        (mine,) = [s for s in procnet.sockets() if s.inode in procfs.socket_inodes(self.process.pid) and s.state == 1]
        #: the client's end; the server's is the mirror
        self.client = f"{addresses.unpack(mine.laddr)} {mine.lport} {addresses.unpack(mine.raddr)} {mine.rport}"
        self.server = f"{addresses.unpack(mine.raddr)} {mine.rport} {addresses.unpack(mine.laddr)} {mine.lport}"

    def does(self, command):
        """Run one more command in it; its first line of output, "" at the end."""
        self.process.stdin.write(command.encode() + b"\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().decode().rstrip("\n")

    def alive(self):
        return self.process.poll() is None and self.does("echo $((6 * 7))") == "42"

    def close(self):
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(10)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            try:
                stream.close()
            except BrokenPipeError:
                pass  # what could not be sent is lost with the login

    def end(self):
        """(status, stderr) of the client that lost its connection."""
        status = self.process.wait(20)
        return status, self.process.stderr.read().decode()


@pytest.fixture
def login(server):
    """login() -> one more shell."""
    made = []

    def one():
        made.append(SshLogin(server))
        return made[-1]

    yield one
    for each in made:
        each.close()


def does(one, command):
    """The status of a command in a login, and what it said.  AssertionError when the login was cut."""
    one.process.stdin.write(f"{command} 2>&1; echo status $?\n".encode())
    one.process.stdin.flush()
    said = []
    for line in iter(lambda: one.process.stdout.readline().decode(), ""):
        if line.startswith("status "):
            return int(line.split()[1]), "".join(said)
        said.append(line)
    raise AssertionError(f"the login was cut: {''.join(said)}")


def by(server, port):
    """The same server, by another port."""
    one = copy.copy(server)
    one.port = port
    return one
