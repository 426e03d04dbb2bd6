# SPDX-License-Identifier: BSD-2-Clause
"""A server on one host and a client with two connections to it on another, who says what becomes of them."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys

from support.command import COMMAND, run
from support.lan import NEAR, Lan

#: each connection in a thread; what is sent comes back
SERVER = """
import socket, sys, threading, time
def echo(one):
    try:
        while data := one.recv(64):
            one.sendall(data)
    except OSError:
        pass
both = {"family": socket.AF_INET6, "dualstack_ipv6": True} if ":" in sys.argv[1] else {}
server = socket.create_server((sys.argv[1], 0), backlog=500, **both)
print(server.getsockname()[1], flush=True)
while True:
    try:
        one, _ = server.accept()
    except OSError:  # deaf from now on
        time.sleep(60)
    threading.Thread(target=echo, args=(one,), daemon=True).start()
"""

CLIENT = """
import json, select, socket, sys
def state(one):
    try:
        return "closed" if select.select([one], [], [], 0)[0] and not one.recv(1) else ""
    except ConnectionResetError:
        return "reset"
def ask(one):
    try:
        return "goes on" if one.recv(1) else "closed"
    except socket.timeout:
        return "hangs"
    except ConnectionResetError:
        return "reset when it speaks"
def send(one):
    try:
        one.sendall(b"x")
        return ask
    except ConnectionResetError:
        return lambda one: "reset"
    except BrokenPipeError:
        return lambda one: "closed"
ended = {}
def fates():
    # Those that hang do so all at once; what has ended stays what it was.
    for one in every:
        said = "" if one in ended else state(one)
        if said:
            ended[one] = said
    asked = {one: send(one) for one in every if one not in ended}
    for one, ask in asked.items():
        said = ask(one)
        if said not in ("goes on", "hangs"):
            ended[one] = said
        asked[one] = said
    return [ended.get(one) or asked[one] for one in every]
every = [socket.create_connection((sys.argv[1], int(sys.argv[2])), 10) for _ in range(int(sys.argv[3]))]
assert fates() == ["goes on"] * len(every)
for one in every:
    one.settimeout(0.4)
print(json.dumps([one.getsockname()[1] for one in every]), flush=True)
for _ in sys.stdin:
    print(json.dumps(fates()), flush=True)
"""

TRY = """
import socket, sys
with socket.create_connection((sys.argv[1], int(sys.argv[2])), 2) as one:
    one.sendall(b"x")
    assert one.recv(1) == b"x"
"""


#: where the tools are that are run, tcpdrop first
PLACES = {**os.environ, "PATH": os.pathsep.join([str(COMMAND.parent), os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])}


class Desk:
    """near serves at `listen`, far is connected `number` times to `address`; .ports are the client's."""

    def __init__(self, number=2, *, lan=None, before=(), listen=NEAR, address=NEAR):
        self._resources = contextlib.ExitStack()
        self.lan = lan or self._resources.enter_context(contextlib.closing(Lan()))
        try:
            for command in before:
                assert self.on_near(command).status == 0, command
            self._server = self._start(self.lan.near, SERVER, listen)
            self.pid = self._server.pid
            self.port = int(self._server.stdout.readline())
            self._client = self._start(self.lan.far, CLIENT, address, self.port, number)
            self.ports = json.loads(self._client.stdout.readline())
        except BaseException:
            self._resources.close()
            raise

    def _start(self, holder, code, *args):
        argv = ["nsenter", "-t", holder.pid, "-n", sys.executable, "-c", code, *args]
        process = subprocess.Popen([str(arg) for arg in argv], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd="/")
        self._resources.callback(end, process)
        return process

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self._resources.close()

    def on_near(self, command, *, env=None, **how):
        """A command line of the shell on the server's host."""
        return run("nsenter", "-t", str(self.lan.near.pid), "-n", "sh", "-c", command, env={**PLACES, **(env or {})}, **how)

    def start_on_near(self, command, *, env=None, end_by=signal.SIGKILL):
        """The same, not waited for; it ends with the desk."""
        argv = ["nsenter", "-t", str(self.lan.near.pid), "-n", "sh", "-c", f"exec {command}"]
        process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**PLACES, **(env or {})}
        )
        self._resources.callback(end, process, end_by)
        return process

    def fates(self):
        """What each connection says now, in the client's words."""
        self._client.stdin.write("\n")
        self._client.stdin.flush()
        return json.loads(self._client.stdout.readline())

    def ended(self):
        """The server has, and waits no more."""
        self._server.wait(10)

    def serves(self):
        """Does the server take a new connection, from elsewhere?"""
        return run("nsenter", "-t", str(self.lan.near.pid), "-n", sys.executable, "-c", TRY, NEAR, str(self.port)).status == 0


def end(process, by=signal.SIGKILL):
    process.send_signal(by)
    process.wait(10)
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()


def find(name):
    """The program's path, or None."""
    return shutil.which(name, path=PLACES["PATH"])
