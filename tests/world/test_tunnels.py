# SPDX-License-Identifier: BSD-2-Clause
"""A login that comes by a tunnel over TCP of this very host: what carries the tunnel carries the operator."""

import sys

import pytest
from support.command import COMMAND, needs, run

pytestmark = [pytest.mark.privileged, pytest.mark.only_on("linux", reason="TUN devices")]

#: a process holds tun0 and a connection, over which it could hand on what comes; then "sshd" has accepted one from
#: behind tun0 (made by TCP_REPAIR: nobody answers there), and below it a command runs
HOST = """
import ctypes, fcntl, os, socket, struct, subprocess, sys, time
TUNSETIFF, TCP_REPAIR = 0x400454CA, 19
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
service = socket.create_server(("127.0.0.1", 0))
port = service.getsockname()[1]
def wait():  # with nothing by which it could hand on anything
    for fd in (0, 1, 2):
        os.dup2(os.open(os.devnull, os.O_RDWR), fd)
    time.sleep(60)
    os._exit(0)
def client():
    pid = os.fork()
    if pid == 0:
        service.close()
        mine = socket.create_connection(("127.0.0.1", port))
        wait()
    return pid
far, farther = client(), client()
outer, other = service.accept()[0], service.accept()[0]
ready, said = os.pipe()
vpn = os.fork()
if vpn == 0:
    other.close()
    service.close()
    try:
        fd = os.open("/dev/net/tun", os.O_RDWR)
        fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", b"tun0", 0x1001))
        os.write(said, b"x")
    except OSError:
        os.write(said, b"-")
    os.close(ready)
    os.close(said)
    wait()
if os.read(ready, 1) != b"x":
    print("no TUN device here")
    sys.exit()
os.close(ready)
os.close(said)
outer.close()
subprocess.run(["ip", "addr", "add", "10.9.0.1/24", "dev", "tun0"], check=True)
subprocess.run(["ip", "link", "set", "tun0", "up"], check=True)
keeper = os.fork()
if keeper == 0:  # it holds what is no tunnel's
    wait()
other.close()
service.close()
login = socket.create_server(("10.9.0.1", 2222))
inner = socket.socket()
inner.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
inner.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
inner.bind(("10.9.0.1", 2222))
inner.connect(("10.9.0.2", 5555))
inner.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 0)
ctypes.CDLL(None).prctl(15, b"sshd", 0, 0, 0)
done = subprocess.run(["sh", "-c", '"$@"; echo status $?', "sh", *sys.argv[1:]], stdin=subprocess.DEVNULL, capture_output=True, text=True)
print(done.stdout, done.stderr, f"vpn {vpn}", sep="\\n")
for pid in (far, farther, vpn, keeper):
    os.kill(pid, 9)
    os.waitpid(pid, 0)
"""


def test_what_carries_the_tunnel_by_which_one_comes_is_spared():
    wrapper = needs("unshare", "--net", "--mount", "sh", "-c", 'mount -t sysfs none /sys && exec "$@"', "sh")
    done = run(*wrapper, sys.executable, "-c", HOST, COMMAND, "drop", "--no-syslog", "--all", "--yes")
    if "no TUN device" in done.out:
        pytest.skip(done.out.strip())
    assert done.status == 0 and "status 0" in done.out, done
    vpn = done.out.split("vpn ")[1].strip()
    assert "10.9.0.1 2222 10.9.0.2 5555: protected (held by pid" in done.out
    spared = [line for line in done.out.splitlines() if line.startswith(("tcpdrop: 127.", "127.")) and "protected" in line]
    dropped = [line for line in done.out.splitlines() if line.endswith(": dropped")]
    assert any(f"held by pid {vpn} " in line for line in spared), done.out
    assert dropped and all(line.startswith("127.") for line in dropped), done.out
