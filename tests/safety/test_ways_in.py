# SPDX-License-Identifier: BSD-2-Clause
"""By which ways an operator may have come that do not show at once: nobody says that there is none."""

import errno
import re
import sys

import pytest
from support.command import COMMAND, run

from tcpdrop import NotPermitted
from tcpdrop.model.rows import ends_of
from tcpdrop.safety.session import OwnSession
from tcpdrop.safety.ways_in import follow_everywhere
from tcpdrop.system import kernel

pytestmark = pytest.mark.only_on("linux", reason="tells routes")


@pytest.mark.parametrize("told", [True, False])
def test_a_route_that_may_not_be_asked_makes_the_carrier_unknown(holder, monkeypatch, told):
    pair = holder.pair()
    session = OwnSession()
    session.add(holder.pid)
    assert pair.tuple in {ends_of(row) for row, _ in session.rows()}

    def refuse(*_):
        raise NotPermitted("not permitted", errno=errno.EPERM)

    if not told:
        monkeypatch.setattr(kernel, "routes", refuse)
    follow_everywhere(session)
    assert session.relay_unseen == ("" if told else "by which device your connection comes cannot be told: not permitted")


#: a login service has registered its connection with an io_uring, and has no descriptor of it; maybe none of the ring either
RING = """
import ctypes, os, signal, socket, subprocess, sys
libc = ctypes.CDLL(None, use_errno=True)
server = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(server.getsockname())
pair = socket.create_connection(server.getsockname())
accepted, other = server.accept()[0], server.accept()[0]
ring = libc.syscall(425, 4, ctypes.create_string_buffer(120))  # io_uring_setup
if ring < 0:
    sys.exit("no io_uring here")
assert libc.syscall(427, ring, 2, (ctypes.c_int * 1)(accepted.fileno()), 1) == 0  # io_uring_register, IORING_REGISTER_FILES
os.close(accepted.detach())
if sys.argv[1] == "mapped":
    libc.mmap.restype = ctypes.c_void_p
    assert libc.mmap(None, ctypes.c_size_t(4096), 3, 1, ring, ctypes.c_long(0)) != ctypes.c_void_p(-1).value
    os.close(ring)
libc.prctl(15, b"sshd", 0, 0, 0)
guest = os.fork()
if guest == 0:  # who has come is another process, as everywhere
    for one in (other, server):
        one.close()
    os.close(ring) if sys.argv[1] == "open" else None
    for fd in (0, 1, 2):
        os.dup2(os.open(os.devnull, os.O_RDWR), fd)
    signal.pause()
us, them = client.getsockname()[1], pair.getsockname()[1]
for one in (client, pair, other):
    one.close()
command = ["sh", "-c", '"$@"; exit $?', "sh", *sys.argv[2:], f"rport {us}"]
done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
os.kill(guest, 9)
print(f"{us} {os.getpid()}", done.returncode, done.stdout, done.stderr, sep="\\n")
"""


@pytest.mark.privileged
@pytest.mark.parametrize(("ring", "why"), [("open", "held by pid {pid} sshd"), ("mapped", "your own login cannot be told")])
def test_a_login_that_an_io_uring_alone_holds_is_spared(ring, why):
    """No look at descriptors shows it; where those of the ring are gone too, only that there is one."""
    wrapper = ("setsid", "-w", "env", "-i")
    done = run(*wrapper, sys.executable, "-c", RING, ring, COMMAND, "drop", "--no-syslog", "--yes")
    if "no io_uring" in done.err:
        pytest.skip(done.err.strip())
    us, pid = re.match(r"(\d+) (\d+)\n4\n", done.out).groups()
    assert re.search(f" {us}: protected \\(.*{why.format(pid=pid)}; --include-self\\)", done.out), done
    assert ": dropped" not in done.out
