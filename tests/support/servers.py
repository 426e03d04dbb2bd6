# SPDX-License-Identifier: BSD-2-Clause
"""Real servers on loopback, and clients of theirs: Redis, nginx, PostgreSQL."""

import contextlib
import os
import pwd
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
from pathlib import Path

import pytest
from support import netns, procnet
from support.wait import until

#: where the clients come from that ask whether a server is ready
OTHER = "127.7.0.2"


def find(name, *places):
    """The program, or a skip that says what to install."""
    path = shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin", *places]))
    if path is None:
        pytest.skip(f"no {name} here (README.md names the packages)")
    return path


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


class Client:
    """One connection to a server from an address of the client's own."""

    def __init__(self, source, port):
        self.socket = socket.socket()
        self.socket.settimeout(20)
        self.socket.bind((source, 0))
        self.socket.connect(("127.0.0.1", port))
        self.port = self.socket.getsockname()[1]

    def close(self):
        self.socket.close()

    def read(self, number):
        data = b""
        while len(data) < number:
            more = self.socket.recv(number - len(data))
            if not more:
                raise ConnectionResetError("end of file")
            data += more
        return data


class Redis(Client):
    def ask(self):
        self.socket.sendall(b"PING\r\n")
        return self.read(7) == b"+PONG\r\n"


class Http(Client):
    def ask(self):
        self.socket.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        answer = b""
        while not answer.endswith(b"hello"):
            answer += self.read(1)
        return answer.startswith(b"HTTP/1.1 200 ")


class Postgres(Client):
    """The wire protocol, version 3, as far as SELECT 42."""

    def __init__(self, source, port):
        super().__init__(source, port)
        body = struct.pack("!i", 196608) + b"user\0tester\0database\0postgres\0\0"
        self.socket.sendall(struct.pack("!i", len(body) + 4) + body)
        try:
            self.until_ready()
        except OSError:
            self.close()
            raise

    def until_ready(self):
        rows = []
        while True:
            kind, size = struct.unpack("!ci", self.read(5))
            body = self.read(size - 4)
            if kind == b"E":
                raise ConnectionError(body.decode("utf-8", "replace"))
            if kind == b"D":
                rows.append(body)
            if kind == b"Z":
                return rows

    def ask(self):
        query = b"SELECT 6 * 7\0"
        self.socket.sendall(b"Q" + struct.pack("!i", len(query) + 4) + query)
        (row,) = self.until_ready()
        return row.endswith(b"42")


class Pool:
    """What applications have: connections kept open, and a new one for each that breaks."""

    def __init__(self, kind, source, port, size):
        self.make = lambda: kind(source, port)
        self.idle = [self.make() for _ in range(size)]
        self.broken = 0

    def ask(self):
        client = self.idle.pop(0)
        try:
            answer = client.ask()
        except OSError:
            self.broken += 1
            client.close()
            client = self.make()
            answer = client.ask()
        self.idle.append(client)
        return answer

    def close(self):
        for client in self.idle:
            client.close()


@contextlib.contextmanager
def programs(*commands, port):
    """These programs, apart from each other, once the port listens; with what they have started in their own sessions they end."""
    how = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
    began = []
    try:
        began.extend(subprocess.Popen(list(map(str, command)), cwd="/", start_new_session=True, **how) for command in commands)
        until(lambda: procnet.listeners(port), f"{commands[-1][0]} to listen", 20)
        yield
    finally:
        for process in began:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
        for process in began:
            process.wait(20)


@contextlib.contextmanager
def running(argv, port, **how):
    process = subprocess.Popen([str(arg) for arg in argv], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, **how)
    try:
        until(lambda: process.poll() is not None or procnet.listeners(port), f"{argv[0]} to listen", 30)
        assert process.poll() is None, f"{argv[0]} ended with {process.returncode}"
        yield process
    finally:
        process.terminate()
        process.wait(20)


@contextlib.contextmanager
def redis(place):
    port = free_port()
    argv = [find("redis-server"), "--port", port, "--bind", "127.0.0.1", "--dir", place, "--save", "", "--daemonize", "no"]
    with running([*argv, "--protected-mode", "no"], port, stderr=subprocess.DEVNULL) as process:
        yield Redis, port, process


@contextlib.contextmanager
def nginx(place):
    port = free_port()
    config = place / "nginx.conf"
    config.write_text(
        f"""daemon off; pid {place}/pid; error_log {place}/error.log; worker_processes 1; user root;
events {{ worker_connections 64; }}
http {{ access_log off; client_body_temp_path {place}/b; proxy_temp_path {place}/p; fastcgi_temp_path {place}/f;
uwsgi_temp_path {place}/u; scgi_temp_path {place}/s; keepalive_requests 1000000; keepalive_timeout 1h;
server {{ listen 127.0.0.1:{port}; location / {{ return 200 hello; }} }} }}
""",
        encoding="utf-8",
    )
    with running([find("nginx"), "-c", config, "-e", place / "error.log"], port, stderr=subprocess.DEVNULL) as process:
        yield Http, port, process


@contextlib.contextmanager
def postgres(_):
    """In a directory of its own: pytest closes its directories to other users, each time that one of its runs begins."""
    with tempfile.TemporaryDirectory(prefix="tcpdrop-") as place, _postgres(Path(place)) as found:
        yield found


@contextlib.contextmanager
def _postgres(place):
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    initdb = find("initdb", *map(str, versions[:1]))
    server = find("postgres", *map(str, versions[:1]))
    try:
        user = pwd.getpwnam("postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name)
    except KeyError:
        pytest.skip("PostgreSQL does not run as root, and there is no user postgres")
    if netns.lone_root():
        pytest.skip("PostgreSQL does not run as root, and a user namespace of one has nobody else")
    if os.geteuid() == 0:
        os.chown(place, user.pw_uid, user.pw_gid)
    port = free_port()
    become = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"] if os.geteuid() == 0 else []
    env = {"PATH": os.environ["PATH"], "LC_ALL": "C", "HOME": str(place)}
    data = place / "data"
    made = subprocess.run(
        [*become, initdb, "-D", data, "-U", "tester", "-A", "trust", "-N", "--locale=C", "-E", "UTF8"],
        capture_output=True, text=True, env=env, cwd=place, check=False,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    (data / "pg_hba.conf").write_text("host all all 127.0.0.0/8 trust\n", encoding="ascii")
    settings = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off", "max_connections": 40}
    options = [text for name, value in settings.items() for text in ("-c", f"{name}={value}")]
    with running([*become, server, "-D", data, "-p", port, *options], port, env=env, cwd=place, stderr=subprocess.DEVNULL) as process:
        until(lambda: answers(port), "PostgreSQL to be ready", 30)
        yield Postgres, port, process


def answers(port):
    try:
        Postgres(OTHER, port).close()
    except OSError:
        return False
    return True
