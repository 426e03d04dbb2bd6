# SPDX-License-Identifier: BSD-2-Clause
"""Names are bytes: a rule or a selection means the same process in every locale."""

import shutil
import subprocess
import sys

import pytest
from support.command import run, tcpdrop

pytestmark = [pytest.mark.privileged, pytest.mark.only_on("linux", reason="names of processes")]

NAME = "日本"


@pytest.fixture(scope="module")
def latin(tmp_path_factory):
    """The environment of a locale in which no such name can be written."""
    place = tmp_path_factory.mktemp("locale")
    if shutil.which("localedef") is None:
        pytest.skip("no localedef(1) here")
    done = run("localedef", "-i", "POSIX", "-f", "ISO-8859-1", "-c", place / "xx_XX.ISO-8859-1")
    env = {"LC_ALL": "xx_XX.ISO-8859-1", "LOCPATH": str(place)}
    seen = run("python3", "-I", "-c", "import sys; print(sys.getfilesystemencoding())", env=env)
    if seen.out.strip() != "iso8859-1":
        pytest.skip(f"no Latin-1 locale can be made here: {done.err.strip() or seen.out.strip()}")
    return env


HOLDS = """
import socket, sys
with open("/proc/self/comm", "wb") as comm:
    comm.write(sys.argv[1].encode())
listener = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(listener.getsockname())
server = listener.accept()[0]
print(client.getsockname()[1], flush=True)
sys.stdin.read()
client.send(b"x")
print(server.recv(1), flush=True)
"""


@pytest.fixture
def named():
    """The port of a connection that a process of this name holds; it must live."""
    argv = [sys.executable, "-I", "-X", "utf8", "-c", HOLDS, NAME]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield int(process.stdout.readline())
        assert process.communicate()[0] == "b'x'\n"


@pytest.mark.parametrize("env", ["latin", "utf-8"])
def test_a_rule_protects_in_every_locale(named, latin, env):
    where = latin if env == "latin" else {"LC_ALL": "C.UTF-8"}
    for rule in (f"comm {NAME}", f"comm '{NAME[0]}*'", f"comm {NAME} or lport 1"):
        done = tcpdrop("drop", f"lport {named}", "--protect", rule, env=where)
        assert (done.status, done.out) == (4, ""), done
    for selection in (["comm", NAME], [f"comm {NAME}"], ["--process", NAME], ["--process", f"x,{NAME}"]):
        done = tcpdrop("list", "-c", f"lport {named}", *selection, env=where)
        assert (done.status, done.out) == (0, "1\n"), (selection, done)
    # What no such name is in a rule protects nothing, and what names nothing is told.
    assert tcpdrop("drop", "-n", f"lport {named}", "--protect", f"unit {NAME}", env=where).status == 2
    assert tcpdrop("drop", "-n", f"lport {named}", "--protect", f"dev {NAME}", env=where).status == 2
    assert tcpdrop("drop", "-n", f"lport {named}", "--protect", f"cgroup /{NAME}", env=where).status in (2, 4)
