# SPDX-License-Identifier: BSD-2-Clause
"""A login that comes by a tunnel over TCP of this very host: what carries the tunnel carries the operator."""

import re
import subprocess
import sys

import pytest
from support.command import COMMAND, needs, run

pytestmark = [pytest.mark.privileged, pytest.mark.only_on("linux", reason="TUN devices")]

#: "vpn" holds tap0 and a connection, over which it could hand on what comes, or has a pipe to who has that; "machine" holds
#: tap1 and one, as qemu does.  Then "sshd" has accepted one from behind tap0 (made by TCP_REPAIR: nobody answers there), and
#: below it a command runs
HOST = """
import ctypes, fcntl, os, socket, struct, subprocess, sys, time
TUNSETIFF, TCP_REPAIR = 0x400454CA, 19
def ip(text):
    subprocess.run(text.split(), check=True)
def to_nothing():  # with nothing by which it could hand on anything
    for fd in (0, 1, 2):
        os.dup2(os.open(os.devnull, os.O_RDWR), fd)
def wait():
    to_nothing()
    time.sleep(60)
    os._exit(0)
ip("ip link set lo up")
service = socket.create_server(("127.0.0.1", 0))
port = service.getsockname()[1]
pids = {}
def fork(name):
    pid = os.fork()
    if pid:
        pids[name] = pid
    return not pid
def client(name):
    if fork(name):
        service.close()
        mine = socket.create_connection(("127.0.0.1", port))
        wait()
    return service.accept()[0]
outer, second, other = client("far"), client("farther"), client("farthest")
ready, said = os.pipe()
def device(name, kind):
    fd = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", name, kind))
    os.write(said, b"x")
    os.close(ready)
    os.close(said)
    return fd
layout, args = sys.argv[1], sys.argv[2:]
down, up = os.pipe()
if fork("vpn"):
    for one in (other, second, service):
        one.close()
    if layout == "handed on":
        os.close(down)
        outer.close()
    else:
        os.close(down)
        os.close(up)
    tunnel = device(b"tap0", 0x1001 if layout == "routed" else 0x1002)
    wait()
if fork("carrier"):
    for one in (other, second, service, *((outer,) if layout != "handed on" else ())):
        one.close()
    os.close(up)
    if layout != "handed on":
        os.close(down)
    os.close(ready)
    os.close(said)
    wait()
os.close(down)
os.close(up)
if fork("machine"):
    for one in (other, outer, service):
        one.close()
    tunnel = device(b"tap1", 0x1002)
    wait()
assert os.read(ready, 1) + os.read(ready, 1) == b"xx"
os.close(ready)
os.close(said)
outer.close()
second.close()
def plain():
    return "tap0"
def bridge():
    for line in ("ip link add br0 type bridge", "ip link set tap0 master br0", "ip link set tap1 master br0", "ip link set tap1 up"):
        ip(line)
    return "br0"
def learned(mac="02:00:00:00:00:05", neighbour="10.9.0.2"):
    bridge()
    ip("ip link set br0 up")
    ip("ip link set tap0 up")
    ip(f"bridge fdb add {mac} dev tap0 master static")
    ip("bridge fdb add 02:00:00:00:00:06 dev tap1 master static")
    ip("ip addr add 10.9.0.1/24 dev br0")
    ip(f"ip neigh add {neighbour} lladdr {mac} dev br0")
    ip("ip neigh add 10.9.0.77 lladdr 02:00:00:00:00:06 dev br0")
    return "br0"
def veth():
    for line in ("ip link add va type veth peer name vb", "ip link add br0 type bridge", "ip link set vb up",
                 "ip link set vb master br0", "ip link set tap0 master br0", "ip link set br0 up"):
        ip(line)
    return "va"
def gateway():
    learned(neighbour="10.9.0.254")
    ip("ip route add 10.77.0.0/24 via 10.9.0.254")
    return "br0"
made = globals().get(layout, plain)()
peer = "10.77.0.2" if layout == "gateway" else "10.9.0.2"
ip("ip link set tap0 up")
ip(f"ip addr replace 10.9.0.1/24 dev {made}")
ip(f"ip link set {made} up")
if fork("keeper"):  # it holds what is no tunnel's
    wait()
other.close()
service.close()
login = socket.create_server(("10.9.0.1", 2222))
inner = socket.socket()
inner.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
inner.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
inner.bind(("10.9.0.1", 2222))
inner.connect((peer, 5555))
inner.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 0)
ctypes.CDLL(None).prctl(15, b"sshd", 0, 0, 0)
done = subprocess.run(["sh", "-c", '"$@"; echo status $?', "sh", *args], stdin=subprocess.DEVNULL, capture_output=True, text=True)
print(done.stdout, done.stderr, *(f"{name} is {pid};" for name, pid in pids.items()), sep="\\n")
for pid in pids.values():
    os.kill(pid, 9)
    os.waitpid(pid, 0)
"""


@pytest.fixture(scope="module")
def drop():
    """Whose connections a drop of all spares, and how many it takes, from a login that comes so."""
    why = why_not()
    if why:
        pytest.skip(why)

    def dropped(layout):
        wrapper = needs("unshare", "--net")
        done = run(*wrapper, sys.executable, "-c", HOST, layout, COMMAND, "drop", "--no-syslog", "--all", "--yes")
        assert done.status == 0 and "status 0" in done.out, done
        names = {pid: name for name, pid in re.findall(r"(\w+) is (\d+);", done.out)}
        assert re.search(r"10\.9\.0\.1 2222 10\.\d+\.0\.2 5555: protected \(held by pid", done.out), done.out
        spared = {names.get(pid, pid) for pid in re.findall(r" 127.*: protected \(held by pid (\d+) ", done.out)}
        taken = [line for line in done.out.splitlines() if line.endswith(": dropped")]
        assert taken and all(line.startswith("127.") for line in taken), done.out
        assert "cannot tell" not in done.out
        return spared

    return dropped


def why_not():
    """Why there is no TAP device on a bridge here, or None."""
    words = "ip tuntap add tap0 mode tap && ip link add br0 type bridge && ip link set tap0 master br0"
    done = subprocess.run(["unshare", "--net", "sh", "-c", words], capture_output=True, text=True, check=False)
    return f"no tunnels: {done.stderr.strip()}" if done.returncode else None


@pytest.mark.parametrize("layout", ["routed", "switched", "veth", "learned", "gateway"])
def test_who_carries_the_tunnel_by_which_one_comes_is_spared(drop, layout):
    """Also at a port of the bridge by which one comes; who carries another is not, if the bridge has learned where one is."""
    assert drop(layout) == {"vpn"}


def test_who_has_the_connection_of_the_tunnel_is_spared(drop):
    assert drop("handed on") == {"carrier"}


def test_a_bridge_that_has_not_learned_where_one_is_may_lead_anywhere(drop):
    assert drop("bridge") == {"vpn", "machine"}
