# SPDX-License-Identifier: BSD-2-Clause
"""The role that installs tcpdrop and the rules of what must live, on a host that has nothing."""

import pytest
from support.bare_host import BareHost, wheelhouse  # noqa: F401 - a fixture
from support.command import run
from support.install import BASE, venv

pytestmark = [pytest.mark.privileged, pytest.mark.real_root, pytest.mark.only_on("linux", reason="fleets are tested where they run")]

CONF = "# by the role\nprotect lport 2049"


@pytest.fixture
def host(tmp_path):
    return BareHost(tmp_path / "host")


@pytest.fixture
def install(ansible, host, wheelhouse):  # noqa: F811
    """install(options, variables...) -> what a play with the role did; the options are ansible-playbook's."""

    def play(*options, then=(), **variables):
        tasks = [{"name": "role", "ansible.builtin.import_role": {"name": "tcpdrop.net.install"}}, *then]
        given = {"install_wheelhouse": str(wheelhouse), "install_python": str(BASE), **variables}
        plays = {"hosts": "all", "gather_facts": False, "vars": given, "tasks": tasks}
        return ansible.play(plays, options=options, wrapper=host.wrapper)

    return play


def changed(played):
    return [step.task for step in played.steps if step.result.get("changed")]


@pytest.mark.timeout(900)  # four plays and a virtual environment, on a machine that may be busy
def test_from_nothing_to_a_second_run(install, host, tmp_path, service):
    port, pairs = service(2)
    given = {"install_conf": CONF, "install_drop_ins": {"peer": f"protect rport {pairs[0].remote[1]}\n"}}
    played = install("--check", **given)
    assert played.status == 0, played.out + played.err
    assert len(changed(played)) == 5
    assert host.files() == {}

    played = install(**given)
    assert played.status == 0, played.out + played.err
    assert changed(played) == [
        "tcpdrop.net.install : " + name
        for name in (
            "Copy the wheels",
            "Install tcpdrop",
            "Write the rules of the host",
            "Make the directory of the drop-ins",
            "Write the drop-ins",
        )
    ]
    assert (host.etc / "tcpdrop.conf").read_text() == CONF + "\n"
    before = host.files()
    played = install("--check", **given)
    assert (played.status, changed(played), host.files()) == (0, [], before), played.out + played.err

    # The modules find it there, whatever the interpreter of the play; and what the role protects lives.
    bare = venv(tmp_path / "bare") / "bin" / "python3"
    drop = {"name": "drop", "tcpdrop.net.tcp_drop": {"local_port": [port]}, "vars": {"ansible_python_interpreter": str(bare)}}
    played = install(then=[drop], **given)
    assert (played.status, changed(played), host.files()) == (0, ["drop"], before), played.out + played.err
    assert played.steps[-1].result["counts"] == {"dropped": 1, "protected": 1}
    assert pairs[0].alive() and not pairs[1].state()


def test_a_drop_in_goes_and_a_rule_that_cannot_be_followed_fails_the_play(install, host):
    assert install(install_drop_ins={"a": "protect lport 1", "b": "protect lport 2"}).status == 0
    played = install(install_drop_ins={"a": "protect lport 1", "b": "x", "typo": "protect lprot 22"}, install_drop_ins_absent=["b"])
    assert changed(played) == ["tcpdrop.net.install : Write the drop-ins", "tcpdrop.net.install : Remove drop-ins"], played.out
    assert {path.name for path in host.etc.glob("tcpdrop.conf.d/*")} == {"a.conf", "typo.conf"}
    assert not (host.etc / "tcpdrop.conf").exists()
    assert played.status == 2
    said = played.steps[-1].result["msg"]
    assert said.startswith("Nothing can be dropped on this host: /etc/tcpdrop.conf.d/typo.conf line 1: "), said


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"install_method": "magic"}, "value of install_method must be one of: venv, package, got: magic"),
        ({"install_drop_ins": ["x"]}, "install_drop_ins"),
    ],
    ids=str,
)
def test_a_wrong_variable_is_refused_before_anything(install, host, given, said):
    played = install(**given)
    assert played.status == 2
    assert said in str(played.steps[-1].result), played.out
    assert host.files() == {}


def test_its_documentation(ansible):
    from support.engine import BIN

    done = run(BIN / "ansible-doc", "-t", "role", "tcpdrop.net.install", env=ansible.env, cwd=ansible.place)
    said = [line for line in done.err.splitlines() if "_protomatter" not in line]  # 2.21 warns of a collection of its own
    assert (done.status, said) == (0, []), done
    assert "install_drop_ins" in done.out
