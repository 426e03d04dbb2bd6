# SPDX-License-Identifier: BSD-2-Clause
"""A task that has detached itself (async) behind a real sshd and a real sudo: it does not cut the play that waits for it."""

import subprocess
import sys

import pytest
from support import procnet
from support.command import needs
from support.sshd import Server, absent
from support.sudoer import Sudoer

pytestmark = [pytest.mark.privileged, pytest.mark.only_on("linux", reason="sessions are found by /proc")]

OPTIONS = "-F none -o IdentitiesOnly=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o GlobalKnownHostsFile=/dev/null"
SUDO = {"ansible_become": True, "ansible_become_method": "sudo"}
#: root becomes root: without the setting the engine leaves that out
SU = {"ansible_become": True, "ansible_become_method": "su"}


@pytest.fixture(scope="module")
def sudoer(tmp_path_factory):
    why = absent()
    if why:
        pytest.skip(why)
    return Sudoer(tmp_path_factory.mktemp("sudoer"))


@pytest.fixture(scope="module")
def server(sudoer, tmp_path_factory):
    started = Server(tmp_path_factory.mktemp("ssh"), sudoer=sudoer)
    yield started
    started.stop()


@pytest.fixture
def target(server, tmp_path_factory):
    """Variables of a host behind that sshd, whose own directories are below a /run that nobody else sees."""
    sockets = tmp_path_factory.mktemp("cp")
    yield {
        "ansible_connection": "ssh",
        "ansible_host": "127.0.0.1",
        "ansible_port": server.port,
        "ansible_ssh_private_key_file": str(server.place / "user_key"),
        "ansible_ssh_common_args": OPTIONS,
        "ansible_ssh_transfer_method": "piped",
        "ansible_control_path_dir": str(sockets),
        "ansible_remote_tmp": "/run/home/tmp",
        "ansible_async_dir": "/run/async",
        "ansible_python_interpreter": sys.executable,
    }
    for path in sockets.iterdir():
        subprocess.run(["ssh", "-F", "none", "-O", "exit", "-S", path, "127.0.0.1"], stderr=subprocess.DEVNULL, check=False)


def drop(**parameters):
    return {"name": "drop", "tcpdrop.net.tcp_drop": {"all": True, "max_drops": "none", **parameters}}


WHO = {"name": "who", "ansible.builtin.command": "printenv SUDO_USER", "changed_when": False, "failed_when": False}
ALIVE = {"name": "alive", "ansible.builtin.command": "echo here", "changed_when": False}
POLLED = {"async": 60, "poll": 1}
FORGOTTEN = {"async": 60, "poll": 0, "register": "job"}
LATER = {
    "name": "later",
    "ansible.builtin.async_status": {"jid": "{{ job.ansible_job_id }}"},
    "register": "found",
    "until": "found is finished",
    "retries": 60,
    "delay": 0.5,
}


def play(ansible, target, *tasks, **variables):
    plays = {"hosts": "all", "gather_facts": False, "tasks": list(tasks)}
    return ansible.play(plays, hosts={"there": {**target, **variables}}, env={"SSH_AUTH_SOCK": "", "ANSIBLE_BECOME_ALLOW_SAME_USER": "1"})


def sessions(server):
    return {witness.rport for witness in procnet.sockets() if witness.lport == server.port and witness.state == 1}


def judged(played, server, pair, step, *, sudo_user):
    """Everything was dropped but the connection that the play came by, which still stands."""
    assert played.status == 0, played.out + played.err
    who, *_, alive = played.steps
    assert (who.result["stdout"], alive.result["stdout"]) == (sudo_user, "here")
    result = next(one for one in reversed(played.steps) if one.task == step).result
    assert result["changed"] is True and result["counts"]["dropped"] >= 1, result
    assert pair.state() is None
    own = [row for row in result["connections"] if row["outcome"] == "protected" and row["local_port"] == server.port]
    assert {row["remote_port"] for row in own} == sessions(server)
    assert len(own) == 1
    return own[0]["protected_by"], str(result.get("warnings"))


def detached(how):
    """The tasks that drop in this way, and the name of the one that tells what came of it."""
    return ([{**drop(), **POLLED}], "drop") if how == "polled" else ([{**drop(), **FORGOTTEN}, LATER], "later")


@pytest.mark.parametrize("how", ["polled", "fire and forget"])
def test_behind_sudo(ansible, server, target, sudoer, holder, how):
    """sudo has taken SSH_CONNECTION away; SUDO_USER says that somebody logged in, and then every login is spared."""
    pair = holder.pair()
    tasks, step = detached(how)
    played = play(ansible, target, WHO, *tasks, ALIVE, ansible_user=sudoer.name, **SUDO)
    why, warnings = judged(played, server, pair, step, sudo_user=sudoer.name)
    assert "held by sshd" in why and "your own login cannot be told" in why
    assert "cannot tell which connection carries your session: all" in warnings


@pytest.mark.parametrize(("how", "become"), [("polled", {}), ("fire and forget", SU)], ids=["as it is", "su"])
def test_without_sudo(ansible, server, target, holder, how, become):
    """SSH_CONNECTION goes with the job, also through su."""
    if become:
        needs("su", "root", "-c", "true")
    pair = holder.pair()
    tasks, step = detached(how)
    played = play(ansible, target, WHO, *tasks, ALIVE, ansible_user="root", **become)
    why, _ = judged(played, server, pair, step, sudo_user="")
    assert why.startswith("named by SSH_CONNECTION")


def test_with_include_self_the_connection_is_cut(ansible, server, target, sudoer):
    """The control: what happens without the rule.  The engine then opens another to look at its job."""
    played = play(ansible, target, WHO, {**drop(include_self=True), **POLLED}, ALIVE, ansible_user=sudoer.name, **SUDO)
    who, dropped, *_ = played.steps
    assert who.result["stdout"] == sudoer.name
    cut = {row["remote_port"] for row in dropped.result["connections"] if row["local_port"] == server.port and row["outcome"] == "dropped"}
    assert len(cut) == 1 and not cut & sessions(server), played.out + played.err
