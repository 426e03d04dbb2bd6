# SPDX-License-Identifier: BSD-2-Clause
"""contrib/: each recipe with the tool that it is for; and with `true` in tcpdrop's place each of these tests fails."""

import contextlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from support import lan as lans
from support.command import COMMAND, NEARLY_NOBODY, NOBODY, needs, run
from support.desk import PLACES, Desk, find
from support.servers import Postgres, free_port, postgres, running
from support.sudoer import NAME, UID, Sudoer
from support.wait import until

CONTRIB = Path(__file__).resolve().parents[2] / "contrib"
FAR, VIP = lans.FAR, "192.0.2.50"

CLEAN = {name: value for name, value in os.environ.items() if not name.startswith(("SSH_", "SUDO_"))}

#: the second is the proof of the first
BOTH = [COMMAND, pytest.param(Path("/bin/true"), marks=pytest.mark.xfail(strict=True, raises=AssertionError, reason="it does nothing"))]
pytestmark = [pytest.mark.privileged, pytest.mark.real_root, pytest.mark.only_on("linux", reason="tools of Linux")]


@pytest.fixture(params=BOTH, ids=lambda path: path.name)
def places(request, tmp_path):
    """The environment in which tcpdrop is that program."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "tcpdrop").symlink_to(request.param)
    return {"PATH": f"{tmp_path / 'bin'}{os.pathsep}{PLACES['PATH']}"}


@pytest.fixture
def wire():
    why = lans.why_not()
    if why:
        pytest.skip(why)
    with contextlib.closing(lans.Lan()) as made:
        yield made


def required(name, package):
    if find(name) is None:
        pytest.skip(f"no {name} here (apt-get install {package})")
    return find(name)


def from_init(place, line, *, wrapper, env):
    """What init runs as another user: nobody who has logged in stands behind it.  All that it said, with its status."""
    with open(place / "said", "w+") as said:
        words = [*wrapper, "sh", "-c", f"sleep 0.2; {line}; echo status $?"]
        subprocess.run(
            ["setsid", "-f", *words], stdout=said, stderr=said, stdin=subprocess.DEVNULL, env={**CLEAN, **env}, cwd="/", check=True
        )
        until(lambda: re.search(r"^status \d+$", (place / "said").read_text(), re.M), line, 20)
    return (place / "said").read_text()


def reset(desk):
    return all(fate.startswith("reset") for fate in desk.fates())  # before it asked, or as it did


# ---- fail2ban

FAIL2BAN = {
    "fail2ban.conf": "[Definition]\nloglevel = INFO\nlogtarget = {place}/fail2ban.log\nsyslogsocket = auto\nsocket = {place}/sock\n"
    "pidfile = {place}/pid\ndbfile = None\ndbpurgeage = 1d\n",
    "filter.d/attacks.conf": "[Definition]\nfailregex = ^ attack from <HOST>$\ndatepattern = ^%%Y-%%m-%%d %%H:%%M:%%S\n",
    "jail.conf": "[attacks]\nenabled = true\nfilter = attacks\nlogpath = {place}/attacks.log\nbackend = polling\nmaxretry = 1\n"
    'bantime = 600\nignoreself = false\naction = tcpdrop[port="{port}"]\n',
}


@pytest.fixture
def fail2ban(tmp_path, places):
    """fail2ban(desk) -> ask(words of fail2ban-client), with the recipe as the action of a jail."""
    required("fail2ban-server", "fail2ban")
    resources = contextlib.ExitStack()

    def start(desk):
        for name, text in FAIL2BAN.items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(text.format(place=tmp_path, port=desk.port))
        (tmp_path / "action.d").mkdir()
        shutil.copy(CONTRIB / "fail2ban" / "tcpdrop.conf", tmp_path / "action.d")
        (tmp_path / "attacks.log").touch()
        where = f"-c {tmp_path} -s {tmp_path}/sock -p {tmp_path}/pid"
        server = desk.start_on_near(f"fail2ban-server {where} -f -x start", env=places)
        resources.callback(server.wait, 20)
        resources.callback(server.terminate)
        until(lambda: "Jail 'attacks' started" in log(tmp_path), "fail2ban to start", 20)
        return lambda *words: desk.on_near(f"fail2ban-client {where} {' '.join(words)}")

    with resources:
        yield start


def log(place):
    file = place / "fail2ban.log"
    return file.read_text() if file.exists() else ""


def test_fail2ban_drops_all_that_the_attacker_has(wire, fail2ban, tmp_path):
    """450 connections, mapped on the server's socket; the same client's other service goes on; a mapped ban; unban."""
    with Desk(450, lan=wire, listen="::") as desk, Desk(2, lan=wire) as other:
        ask = fail2ban(desk)
        with open(tmp_path / "attacks.log", "a") as file:
            file.write(time.strftime(f"%Y-%m-%d %H:%M:%S attack from {FAR}\n"))
        until(lambda: f"Ban {FAR}" in log(tmp_path), "the ban", 20)
        until(lambda: reset(desk) or "ERROR" in log(tmp_path), "the drop", 5)
        assert reset(desk), log(tmp_path)
        assert other.fates() == ["goes on"] * 2
        assert ask("set attacks unbanip", FAR).status == 0
        with Desk(3, lan=wire, listen="::") as again:
            assert ask("set attacks banip", f"::ffff:{FAR}").status == 0
            assert again.fates() == ["goes on"] * 3  # not the jail's port
        until(lambda: log(tmp_path).count("] Ban ") == 2, "the second ban", 10)
        assert "ERROR" not in log(tmp_path), log(tmp_path)


# ---- nftables


@pytest.mark.parametrize("family", ["inet", "inet6"])
def test_a_ban_for_ten_minutes(wire, places, family):
    required("nft", "nftables")
    near, far = lans.ADDRESSES[family]
    with Desk(lan=wire, listen=near, address=near) as desk:
        done = desk.on_near(f"{CONTRIB}/nftables/ban {far}", env=places)
        assert done.status == 0, done
        assert reset(desk), done
        rules = desk.on_near("nft list table inet tcpdrop").out
        assert re.search(rf"elements = \{{ {far} timeout 10m expires 9m", rules), rules
        assert desk.serves() if family == "inet" else True
        with pytest.raises(OSError, match=r"timeout 0\.5"):
            lans.run_in(wire.far, "timeout", "0.5", "bash", "-c", f"exec 3<>/dev/tcp/{near}/{desk.port}")
        assert desk.on_near(f"{CONTRIB}/nftables/ban {far} 1s", env=places).status == 0  # again, with the table there


# ---- addresses that move


KEEPALIVED = """
global_defs {{
  script_user root
  vrrp_version 3
}}
track_file leaving {{
  file {file}
  weight 1
  init_file 0 overwrite
}}
vrrp_instance one {{
  state MASTER
  interface va
  virtual_router_id 51
  priority 100
  advert_int 0.1
  virtual_ipaddress {{
    {vip}/24 dev va
  }}
  track_file {{
    leaving weight 1
  }}
}}
"""


def has_vip(desk):
    return f" {VIP}/" in desk.on_near("ip -4 addr show dev va").out


def test_keepalived_gives_the_address_up_after_its_connections(wire, places, tmp_path):
    required("keepalived", "keepalived")
    config, file = tmp_path / "keepalived.conf", tmp_path / "leaving"
    config.write_text(KEEPALIVED.format(file=file, vip=VIP))
    with Desk(1, lan=wire, listen="0.0.0.0") as first:
        options = f"-n -l -D -f {config} -p {tmp_path}/pid -r {tmp_path}/vrrp"
        keepalived = first.start_on_near(f"keepalived --vrrp {options}", end_by=signal.SIGTERM)
        until(lambda: has_vip(first) or keepalived.poll() is not None, "keepalived to be the master", 20)
        assert has_vip(first), keepalived.communicate()
        with Desk(5, lan=wire, listen="0.0.0.0", address=VIP) as desk:
            assert desk.on_near(f"{CONTRIB}/keepalived/leave {VIP} {file}", env=places).status == 0
            until(lambda: not has_vip(desk), "the address to leave", 10)
            assert reset(desk)
        assert first.fates() == ["goes on"]  # on the host's own address


def test_the_resource_agent_stops_before_the_address(wire, places, tmp_path):
    env = {**places, "OCF_RESKEY_ip": VIP, "OCF_RESOURCE_INSTANCE": "one", "HA_RSCTMP": str(tmp_path)}
    agent = f"{CONTRIB}/ocf/tcpdrop-vip"
    lans.run_in(wire.near, "ip", "addr", "add", f"{VIP}/24", "dev", "va")
    with Desk(3, lan=wire, listen="0.0.0.0", address=VIP) as desk:

        def act(action):
            return desk.on_near(f"{agent} {action}", env=env).status

        assert [act(one) for one in ("validate-all", "monitor", "start", "monitor")] == [0, 7, 0, 0]
        assert desk.on_near(f"{agent} stop && ip addr del {VIP}/24 dev va", env=env).status == 0
        assert reset(desk)
        assert [act(one) for one in ("monitor", "stop", "promote")] == [7, 0, 3]
        described = desk.on_near(f"{agent} meta-data", env=env).out
        assert all(f'<action name="{one}"' in described for one in ("start", "stop", "monitor", "meta-data"))


# ---- servers


def test_patroni_tells_who_wrote_to_the_old_primary(places, tmp_path):
    """As PostgreSQL's own user, without a right: through the server's descriptors."""
    required("setpriv", "util-linux")
    client, standby = "127.7.1.1", "127.7.1.2"
    with postgres(None) as (_, port, server), contextlib.ExitStack() as opened:

        def connect(source):
            session = Postgres(source, port)
            opened.callback(session.close)
            return session

        sessions, replication = [connect(client) for _ in range(3)], connect(standby)
        owner = os.stat(f"/proc/{server.pid}")
        named = {"--reuid=65534": f"--reuid={owner.st_uid}", "--regid=65534": f"--regid={owner.st_gid}"}
        user = needs(*(named.get(word, word) for word in NOBODY))
        env = {**places, "PGPORT": str(port), "MEMBERS": standby}

        def call(*words):
            return from_init(tmp_path, f"sh {CONTRIB}/postgresql/on-role-change {' '.join(words)}", wrapper=user, env=env)

        for words in (("on_role_change", "primary", "demo"), ("on_start", "replica", "demo")):
            assert call(*words) == "status 0\n"
        assert all(one.ask() for one in (*sessions, replication))
        done = call("on_role_change", "replica", "demo")
        assert [gone(one) for one in sessions] == [True] * 3, done
        assert replication.ask() and server.poll() is None
        assert connect(client).ask()


def gone(client):
    try:
        return not client.ask()
    except OSError:
        return True


NGINX = """daemon off; pid {place}/pid; error_log {place}/error.log; worker_processes 1; user root;
events {{ worker_connections 64; }}
http {{ access_log off; client_body_temp_path {place}/b; proxy_temp_path {place}/p; fastcgi_temp_path {place}/f;
uwsgi_temp_path {place}/u; scgi_temp_path {place}/s;
server {{ listen 127.0.0.1:{port}; location / {{ root {place}/www; limit_rate 1k; }} }} }}
"""
#: a download that will not end, in a process of its own
DOWNLOAD = """
import socket, sys
one = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
one.sendall(b"GET /big HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n")
try:
    while data := one.recv(65536):
        print("some", flush=True)
    print("end", flush=True)
except ConnectionResetError:
    print("reset", flush=True)
"""


def test_nginx_drains_what_old_workers_hold(places, tmp_path):
    nginx, port = required("nginx", "nginx-light"), free_port()
    required("pgrep", "procps")
    (tmp_path / "www").mkdir()
    (tmp_path / "www" / "big").write_bytes(bytes(1 << 20))
    config = tmp_path / "nginx.conf"
    config.write_text(NGINX.format(place=tmp_path, port=port))
    tmp_path.chmod(0o755)
    options = [nginx, "-c", config, "-e", tmp_path / "error.log"]
    with running(options, port, stderr=subprocess.DEVNULL) as server, download(port) as old:
        assert old.stdout.readline() == "some\n"
        server.send_signal(signal.SIGHUP)
        until(lambda: "is shutting down" in run("ps", "-o", "args", "--ppid", str(server.pid)).out, "the reload")
        with download(port) as new:
            assert new.stdout.readline() == "some\n"
            done = run("sh", CONTRIB / "nginx" / "drain", "0", env=places)
            assert done.status == 0, done
            with contextlib.suppress(subprocess.TimeoutExpired):
                old.wait(3)
            assert old.poll() is not None and old.stdout.read().endswith("reset\n")
            assert new.poll() is None
        until(lambda: "is shutting down" not in run("ps", "-o", "args", "--ppid", str(server.pid)).out, "the old worker to end")


@contextlib.contextmanager
def download(port):
    with subprocess.Popen(["python3", "-c", DOWNLOAD, str(port)], stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


# ---- who may


UNIT = CONTRIB / "systemd" / "tcpdrop-idle.service"
#: ProtectProc=
INVISIBLE = "mount -t proc -o hidepid=invisible proc /proc"


def test_the_unit_drops_with_one_capability(wire, places, tmp_path):
    """What ExecStart says, as nobody with what the unit's capability sets say."""
    unit = dict(line.split("=", 1) for line in UNIT.read_text().splitlines() if "=" in line and not line.startswith("#"))
    assert unit["AmbientCapabilities"] == unit["CapabilityBoundingSet"] == "CAP_NET_ADMIN"
    line = unit["ExecStart"].replace("/usr/bin/", "")
    with Desk(3, lan=wire) as desk:
        line = re.sub(r"\b8h\b", "1ms", re.sub(r"\b5432\b", str(desk.port), line))
        there = ("nsenter", "-t", str(wire.near.pid), "-n", "unshare", "--mount", "sh", "-c", f'{INVISIBLE} && exec "$@"', "sh")
        done = from_init(tmp_path, line, wrapper=(*there, *needs(*NEARLY_NOBODY)), env=places)
        assert reset(desk), done
        assert done.endswith("status 0\n")


@pytest.mark.parametrize("name", ["tcpdrop-idle.service", "tcpdrop-idle.timer"])
def test_systemd_reads_the_units(name, tmp_path):
    required("systemd-analyze", "systemd")
    for one in (CONTRIB / "systemd").iterdir():
        (tmp_path / one.name).write_text(one.read_text().replace("/usr/bin/tcpdrop", str(COMMAND)))
    done = run("systemd-analyze", "verify", "--man=no", tmp_path / name)
    assert name not in done.err and done.status == 0, done


def test_systemd_finds_little_exposed():
    required("systemd-analyze", "systemd")
    done = run("systemd-analyze", "security", "--offline=yes", "--no-pager", "--json=short", UNIT)
    if "unrecognized option" in done.err or not done.out:
        pytest.skip(f"this systemd-analyze looks at no file: {done.err.strip()}")
    done = run("systemd-analyze", "security", "--offline=yes", "--no-pager", "--threshold=20", UNIT)
    assert done.status == 0, done.out[-500:]  # 2.0 of 10: OK


def test_sudo_lets_one_line_through(wire, places, tmp_path):
    required("visudo", "sudo")
    host = Sudoer(tmp_path)
    text = (CONTRIB / "sudo" / "tcpdrop").read_text()
    assert run("visudo", "-c", "-f", CONTRIB / "sudo" / "tcpdrop").status == 0
    with Desk(2, lan=wire) as desk:
        text = text.replace("/usr/bin/tcpdrop", f"{tmp_path}/bin/tcpdrop").replace("5432", str(desk.port)).replace("8h", "1ms")
        (host.etc / "sudoers").write_text(text)
        with open(host.etc / "group", "a") as file:
            file.write(f"dba:x:{UID + 1}:{NAME}\n")
        line = f"{tmp_path}/bin/tcpdrop drop --max-drops 50 lport {desk.port} idle gt 1ms"
        user = ("setpriv", f"--reuid={UID}", f"--regid={UID}", "--init-groups")
        for more in ("--include-self", "or lport 22", "--max-drops 500"):
            assert desk.on_near(" ".join(quoted(*host.wrapper, *user, "sudo", "-n", *line.split(), *more.split()))).status == 1
        assert desk.fates() == ["goes on"] * 2
        done = desk.on_near(" ".join(quoted(*host.wrapper, *user, "sudo", "-n", *line.split())))
        assert reset(desk), done


def quoted(*words):
    return [shlex.quote(word) for word in words]


# ---- numbers


def test_the_textfile_has_what_there_is(wire, places, tmp_path):
    with Desk(7, lan=wire) as desk, Desk(2, lan=wire) as other:
        file = tmp_path / "tcp.prom"
        assert desk.on_near(f"{CONTRIB}/prometheus/tcpdrop-textfile {file}", env=places).status == 0
        found = {}
        for line in file.read_text().splitlines():
            if not line.startswith("# "):
                name, labels, number = re.fullmatch(r'([a-z_]+)\{((?:[a-z_]+="[^"\\]+")(?:,[a-z_]+="[^"\\]+")*)\} (\d+)', line).groups()
                found[name, labels] = int(number)
        assert found.get(("tcpdrop_clients", f'local_port="{desk.port}"')) == 7, found
        assert found["tcpdrop_clients", f'local_port="{other.port}"'] == 2
        assert found["tcpdrop_connections", 'state="ESTABLISHED"'] == 9
        assert {line.split()[2] for line in file.read_text().splitlines() if " TYPE " in line} == {name for name, _ in found}
        assert file.stat().st_mode & 0o777 == 0o644
        assert [one.name for one in tmp_path.glob("tcp.prom*")] == ["tcp.prom"]


def test_each_recipe_is_named_and_installed():
    page = (CONTRIB / "README.md").read_text()
    files = [path.relative_to(CONTRIB).as_posix() for path in CONTRIB.rglob("*") if path.is_file()]
    recipes = [name for name in files if "/" in name and not name.startswith("solaris/")]
    assert len(recipes) >= 10
    for name in recipes:
        assert f"`{name}`" in page or f"`{Path(name).suffix}`" in page, name
        text = (CONTRIB / name).read_text()
        assert "SPDX-License-Identifier: BSD-2-Clause" in text
        assert os.access(CONTRIB / name, os.X_OK) == text.startswith("#!"), name
        if COMMAND.parent.name == "bin" and (COMMAND.parent.parent / "share" / "doc" / "tcpdrop").exists():
            installed = COMMAND.parent.parent / "share" / "doc" / "tcpdrop" / "contrib" / name
            assert installed.read_text() == text, "make build"
