# SPDX-License-Identifier: BSD-2-Clause
"""Ansible over a real sshd on loopback: a play that selects everything cannot cut its own control connection."""

import os
import subprocess
import sys

import pytest
from support import procnet
from support.command import needs
from support.holder import Holder

pytestmark = [pytest.mark.privileged, pytest.mark.only_on("linux", reason="sessions are found by /proc")]


@pytest.fixture
def remote(server, tmp_path_factory):
    """Variables of a host behind the sshd; ssh keeps one connection open for the whole play, as it does by default."""
    sockets = tmp_path_factory.mktemp("cp")
    options = "-F none -o IdentitiesOnly=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o GlobalKnownHostsFile=/dev/null"
    yield {
        "ansible_connection": "ssh",
        "ansible_host": "127.0.0.1",
        "ansible_port": server.port,
        "ansible_user": "root",
        "ansible_ssh_private_key_file": str(server.place / "user_key"),
        "ansible_ssh_common_args": options,
        "ansible_control_path_dir": str(sockets),
        "ansible_python_interpreter": sys.executable,
    }
    for path in sockets.iterdir():
        subprocess.run(["ssh", "-F", "none", "-O", "exit", "-S", path, "127.0.0.1"], stderr=subprocess.DEVNULL, check=False)


def drop_all(**parameters):
    return {"name": "drop", "tcpdrop.net.tcp_drop": {"all": True, "max_drops": "none", **parameters}}


ALIVE = {"name": "alive", "ansible.builtin.command": "echo here", "changed_when": False}
WHO = {"name": "who", "ansible.builtin.command": "printenv SUDO_USER", "changed_when": False}


def play(ansible, remote, *tasks, **variables):
    plays = {"hosts": "all", "gather_facts": False, "tasks": list(tasks)}
    # Root becomes root: without the setting the engine would leave that out.
    env = {"SSH_AUTH_SOCK": "", "ANSIBLE_BECOME_ALLOW_SAME_USER": "1"}
    return ansible.play(plays, hosts={"there": remote}, variables=variables, env=env)


def sessions(server):
    """The established connections to the sshd, by the client's port."""
    return {witness.rport for witness in procnet.sockets() if witness.lport == server.port and witness.state == 1}


def test_everything_is_dropped_but_the_plays_own_connection(ansible, server, remote, login):
    """Behind sudo, which takes SSH_CONNECTION away."""
    needs("sudo", "-n")
    other = login()
    others = int(other.client.split()[1])
    with Holder() as holder:
        pair = holder.pair()
        played = play(ansible, remote, WHO, drop_all(), ALIVE, drop_all(), ALIVE, ansible_become=True, ansible_become_method="sudo")
        assert pair.state() is None
    assert played.status == 0, played.out + played.err
    who, dropped, _, again, _ = played.steps
    assert who.result["stdout"] == "root"  # sudo ran
    assert dropped.result["changed"] is True
    own = [row for row in dropped.result["connections"] if row["outcome"] == "protected"]
    (port,) = {row["remote_port"] for row in own if row["local_port"] == server.port}
    assert all("sshd" in row["protected_by"] for row in own)
    # The very connection that carried the play still stands, and the other login does not.
    assert sessions(server) == {port}
    assert others != port
    assert other.end()[0] == 255
    # Only the own one is left: spared again, which is neither a change nor a failure.
    assert (again.result["changed"], again.result["msg"]) == (False, "2 protected")
    assert "spared" in again.result["warnings"][0]


def test_the_port_it_came_in_by(ansible, server, remote, login):
    other = login()
    played = play(ansible, remote, {"name": "drop", "tcpdrop.net.tcp_drop": {"local_port": [server.port]}}, ALIVE)
    assert played.status == 0, played.out + played.err
    assert played.steps[0].result["counts"] == {"dropped": 1, "protected": 1}
    assert other.end()[0] == 255


def test_with_include_self_the_host_is_lost(ansible, server, remote):
    """The control: without the protection that is what happens."""
    played = play(ansible, remote, ALIVE, drop_all(include_self=True), ALIVE)
    assert (played.status, played.steps[-1].status) == (4, "unreachable"), played.out + played.err
    assert os.path.exists(server.place)
    assert server.process.poll() is None
