# SPDX-License-Identifier: BSD-2-Clause
"""An operator who comes by a relay of this very host, whatever program it is and whatever it hands the login on by, is not cut off."""

import contextlib
import os
import shlex
import subprocess

import pytest
from support import procnet
from support.command import COMMAND
from support.servers import find, free_port, programs
from support.sshd import SshLogin, by, does, login, server  # noqa: F401 - fixtures
from support.wait import until

from tcpdrop.system import procfs

pytestmark = [pytest.mark.privileged, pytest.mark.only_on("linux", reason="carriers are found by /proc")]

DROP = f"{COMMAND} drop --no-syslog --all --yes"


def haproxy(place, first, last):
    """One process, which hands the login on to itself before it leaves."""
    second, config = free_port(), place / "haproxy.cfg"
    config.write_text(
        f"""defaults
  mode tcp
  timeout connect 5s
  timeout client 1h
  timeout server 1h
listen one
  bind 127.0.0.1:{first}
  server next 127.0.0.1:{second}
listen two
  bind 127.0.0.1:{second}
  server ssh 127.0.0.1:{last}
""",
        encoding="utf-8",
    )
    return [(find("haproxy"), "-db", "-f", config)]


def nginx(place, first, last, workers=1):
    second, config = free_port(), place / "nginx.conf"
    module = "/usr/lib/nginx/modules/ngx_stream_module.so"
    if not os.path.exists(module):
        pytest.skip("no stream module of nginx here (apt-get install libnginx-mod-stream)")
    config.write_text(
        f"""daemon off; pid {place}/pid; error_log {place}/error.log; worker_processes {workers}; user root; load_module {module};
events {{ worker_connections 64; }}
stream {{
  server {{ listen 127.0.0.1:{first}; proxy_pass 127.0.0.1:{second}; }}
  server {{ listen 127.0.0.1:{second}; proxy_pass 127.0.0.1:{last}; }}
}}
""",
        encoding="utf-8",
    )
    return [(find("nginx"), "-c", config, "-e", place / "error.log")]


def socat(place, first, last):
    return [(find("socat"), f"TCP-LISTEN:{first},bind=127.0.0.1,fork,reuseaddr", f"TCP:127.0.0.1:{last}")]


def socat_by_a_unix_socket(place, first, last):
    path = place / "unix"
    return [
        (find("socat"), f"UNIX-LISTEN:{path},fork", f"TCP:127.0.0.1:{last}"),
        (find("socat"), f"TCP-LISTEN:{first},bind=127.0.0.1,fork,reuseaddr", f"UNIX-CONNECT:{path},retry=50,interval=0.1"),
    ]


def socat_that_called_the_other(place, first, last):
    """It is the far one that connects."""
    path = place / "unix"
    return [
        (find("socat"), f"UNIX-LISTEN:{path}", f"TCP-LISTEN:{first},bind=127.0.0.1,reuseaddr"),
        (find("socat"), f"UNIX-CONNECT:{path},retry=50,interval=0.1", f"TCP:127.0.0.1:{last}"),
    ]


def socat_by_a_terminal(place, first, last):
    link = place / "terminal"
    return [
        (find("socat"), f"PTY,link={link},rawer,waitslave", f"TCP:127.0.0.1:{last}"),
        (find("socat"), f"TCP-LISTEN:{first},bind=127.0.0.1,reuseaddr", f"{link},rawer"),
    ]


def nc_by_pipes(place, first, last):
    """The classic of two nc, a pipe and a FIFO."""
    fifo, nc = place / "fifo", find("nc")
    os.mkfifo(fifo)
    return [("sh", "-c", f"{nc} -l 127.0.0.1 {first} < {fifo} | {nc} 127.0.0.1 {last} > {fifo}")]


def socat_with_a_child(place, first, last):
    return [(find("socat"), f"TCP-LISTEN:{first},bind=127.0.0.1,fork,reuseaddr", f"EXEC:{find('nc')} 127.0.0.1 {last}")]


RELAYS = {
    "haproxy to itself": haproxy,
    "nginx to itself": nginx,
    "nginx, two workers": lambda *args: nginx(*args, workers=2),
    "socat": socat,
    "socat, UNIX, socat": socat_by_a_unix_socket,
    "socat that called another": socat_that_called_the_other,
    "socat, a terminal, socat": socat_by_a_terminal,
    "nc, a pipe, nc": nc_by_pipes,
    "socat and its child": socat_with_a_child,
}


@contextlib.contextmanager
def logged_in(server, port):  # noqa: F811
    one = SshLogin(by(server, port))
    try:
        yield one
    finally:
        one.close()


def check_lives(one, other, pair, command=DROP):
    status, said = does(one, command)
    assert one.alive(), said
    assert status == 0, said
    for words in (one.server, one.client):
        assert f"{words}: protected" in said, said
    assert f"{other.client}: dropped" in said or f"{other.server}: dropped" in said, said
    assert pair.state() is None, said
    assert "cannot tell" not in said


@pytest.mark.parametrize("how", ["", "env -i "], ids=["", "no environment"])
@pytest.mark.parametrize("relay", RELAYS)
def test_what_a_relay_hands_on_is_followed_to_the_operator(server, login, holder, tmp_path, relay, how):  # noqa: F811
    port = free_port()
    other, pair = login(), holder.pair()
    with programs(*RELAYS[relay](tmp_path, port, server.port), port=port), logged_in(server, port) as one:
        check_lives(one, other, pair, how + DROP)


# ---- ssh itself


@contextlib.contextmanager
def forwarding(server, port, *flags):  # noqa: F811
    """One more login, whose client or server listens on a port and hands on what comes."""
    words = server.argv("cat")
    process = subprocess.Popen([words[0], *flags, *words[1:]], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(lambda: procnet.listeners(port), "the forwarded port", 20)
        yield
    finally:
        process.terminate()
        process.wait(20)
        process.stdin.close()


@pytest.mark.parametrize("way", ["-L", "-R"])
def test_over_a_port_that_another_login_forwards(server, login, holder, way):  # noqa: F811
    """-L: its client accepts, and its sshd connects.  -R: its sshd accepts, and its client connects."""
    port = free_port()
    other, pair = login(), holder.pair()
    with forwarding(server, port, way, f"127.0.0.1:{port}:127.0.0.1:{server.port}"), logged_in(server, port) as one:
        check_lives(one, other, pair)


def test_over_a_login_that_is_a_socks_proxy(server, login, holder, tmp_path):  # noqa: F811
    port, way = free_port(), free_port()
    other, pair = login(), holder.pair()
    socks = (find("socat"), f"TCP-LISTEN:{way},bind=127.0.0.1,reuseaddr", f"SOCKS4:127.0.0.1:127.0.0.1:{server.port},socksport={port}")
    with forwarding(server, port, "-D", f"127.0.0.1:{port}"), programs(socks, port=way), logged_in(server, way) as one:
        check_lives(one, other, pair)


def test_a_login_inside_tmux_that_was_begun_in_another(server, login, holder, tmp_path):  # noqa: F811
    """Whoever is attached has nothing to do with who holds the inner login's client, but by a UNIX socket."""
    tmux = find("tmux")
    sock, out = tmp_path / "tmux", tmp_path / "out"
    one, other, pair = login(), login(), holder.pair()
    environment = "env -i LC_ALL=C.UTF-8 TERM=xterm SHELL=/bin/sh"
    assert does(one, f"{environment} {tmux} -S {sock} -f /dev/null new-session -d cat")[0] == 0
    words = server.argv(f"{environment} {tmux} -S {sock} attach")
    attached = subprocess.Popen([words[0], "-tt", *words[1:]], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(lambda: does(one, f"{tmux} -S {sock} list-clients")[1], "somebody to be attached", 20)
        inner = shlex.join(map(str, server.argv(f"{DROP} > {out}.part 2>&1; echo status $? >> {out}.part; mv {out}.part {out}")))
        does(one, f"{tmux} -S {sock} new-window {shlex.quote(inner)}")
        until(out.exists, "the command inside", 30)
        assert "status 0" in out.read_text(), out.read_text()
        assert attached.poll() is None, out.read_text()
        attached.stdin.write(b"\n")
        attached.stdin.flush()
        assert does_still(attached, server), out.read_text()
        assert pair.state() is None and other.end()[0] == 255
    finally:
        subprocess.run([tmux, "-S", sock, "kill-server"], check=False, stderr=subprocess.DEVNULL)
        attached.kill()
        attached.wait(20)
        attached.stdin.close()


def does_still(client, server):  # noqa: F811
    """Has the client's connection two ends yet?"""
    mine = [one for one in procnet.sockets() if one.inode in procfs.socket_inodes(client.pid) and one.state == 1]
    return len(mine) == 1 and procnet.state((mine[0].raddr, mine[0].rport, mine[0].laddr, mine[0].lport)) == "ESTABLISHED"


# ---- out of the network namespace, and by NAT


@contextlib.contextmanager
def beside():
    """Another network namespace, over a veth: 203.0.113.1 is here, .2 there.  How a command is put in there."""
    keeper = subprocess.Popen(["unshare", "--net", "sleep", "600"])
    here, there = f"r{os.getpid() % 10000}a", f"r{os.getpid() % 10000}b"
    inside = ("nsenter", f"--net=/proc/{keeper.pid}/ns/net")
    try:
        own = os.readlink("/proc/self/ns/net")
        until(lambda: os.readlink(f"/proc/{keeper.pid}/ns/net") != own, "the namespace")
        for words in (
            f"ip link add {here} type veth peer name {there} netns {keeper.pid}",
            f"ip addr add 203.0.113.1/24 dev {here}",
            f"ip link set {here} up",
        ):
            subprocess.run(words.split(), check=True)
        for words in (f"ip addr add 203.0.113.2/24 dev {there}", f"ip link set {there} up", "ip link set lo up"):
            subprocess.run([*inside, *words.split()], check=True)
        yield inside
    finally:
        keeper.kill()
        keeper.wait()
        subprocess.run(["ip", "link", "del", here], check=False, stderr=subprocess.DEVNULL)


@pytest.mark.real_root
@pytest.mark.parametrize("how", ["", "env -i "], ids=["", "no environment"])
def test_over_a_relay_in_another_network_namespace(server, login, holder, how):  # noqa: F811
    """As a container with a published port: what carries the operator leaves this namespace and comes back."""
    first, far, last = free_port(), free_port(), free_port()
    other, pair, socat = login(), holder.pair(), find("socat")
    with beside() as inside:
        into = (socat, f"TCP-LISTEN:{first},bind=127.0.0.1,reuseaddr", f"TCP:203.0.113.2:{far},retry=50,interval=0.1")
        out = (*inside, socat, f"TCP-LISTEN:{far},reuseaddr", f"TCP:203.0.113.1:{last},retry=50,interval=0.1")
        back = (socat, f"TCP-LISTEN:{last},bind=203.0.113.1,reuseaddr", f"TCP:127.0.0.1:{server.port}")
        with programs(back, out, into, port=first), logged_in(server, first) as one:
            check_lives(one, other, pair, how + DROP)


@pytest.mark.real_root
def test_by_nat_the_carrier_is_unknown_and_everything_is_protected(server, login, holder, tmp_path):  # noqa: F811
    """What the kernel rewrites on its way has another tuple at its other end: who holds that cannot be told."""
    nft, port, way = find("nft"), free_port(), free_port()
    table = f"tcpdrop_{os.getpid()}"
    rules = f"table ip {table} {{\nchain out {{\ntype nat hook output priority -100;\ntcp dport {port} redirect to :{server.port}\n}}\n}}\n"
    done = subprocess.run([nft, "-f", "-"], input=rules, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no NAT here: {done.stderr.strip()}")
    try:
        other, pair = login(), holder.pair()
        with programs(*socat(tmp_path, way, port), port=way), logged_in(server, way) as one:
            status, said = does(one, f"env -i {DROP}")
            assert status == 4 and one.alive(), said
            assert "the other end of your connection is on this host, and was not found" in said, said
            assert f"{one.server}: protected (it may be on your own way in" in said, said
            assert other.alive() and pair.alive()
            _, said = does(one, f"env -i {COMMAND} check | grep ^session")
            assert "carrier unknown" in said
    finally:
        subprocess.run([nft, "delete", "table", "ip", table], check=False)


# ---- a command that a service runs for whoever has connected to it


def test_who_asks_a_service_by_a_unix_socket_is_not_cut(server, login, holder, tmp_path):  # noqa: F811
    """As fail2ban-client and its server: nothing of the login is above the command, nor in its environment."""
    path = tmp_path / "unix"
    socat_ = find("socat")
    one, other, pair = login(), login(), holder.pair()
    service = subprocess.Popen(
        ["setsid", "-f", "env", "-i", socat_, f"UNIX-LISTEN:{path},fork", f"SYSTEM:{DROP} 2>&1; echo inner $?"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/",
    )  # fmt: skip
    try:
        service.wait(20)
        until(path.exists, "the service")
        status, said = does(one, f"{socat_} - UNIX-CONNECT:{path}")
        assert one.alive() and status == 0, said
        assert f"{one.server}: protected" in said and "inner 0" in said, said
        assert pair.state() is None and other.end()[0] == 255
    finally:
        for pid in procfs.all_pids():
            with contextlib.suppress(OSError):
                if f"UNIX-LISTEN:{path},fork".encode() in procfs.read(f"/proc/{pid}/cmdline"):
                    os.kill(pid, 15)
