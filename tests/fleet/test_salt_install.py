# SPDX-License-Identifier: BSD-2-Clause
"""The state file that installs tcpdrop and the rules of what must live, on a host that has nothing."""

import json

import pytest
from support import minions
from support.bare_host import BareHost, wheelhouse  # noqa: F401 - a fixture
from support.command import run
from support.install import BASE

pytestmark = [
    pytest.mark.privileged,
    pytest.mark.real_root,
    pytest.mark.only_on("linux", reason="the Salt here is Linux's"),
    minions.required(),
]


@pytest.fixture
def host(tmp_path):
    return BareHost(tmp_path / "host")


@pytest.fixture
def install(host, tmp_path, wheelhouse):  # noqa: F811
    """install(test, pillar...) -> (status, result of each state by its id)."""
    made = run(*host.wrapper, BASE, "-m", "venv", "/opt/tcpdrop", timeout=300)
    assert made.status == 0, made
    conf = minions.configure(tmp_path / "conf", file_roots={"base": [str(minions.modules())]})

    def apply(*, test=False, **pillar):
        given = {"tcpdrop": {"venv": "/opt/tcpdrop", "wheelhouse": str(wheelhouse), **pillar}}
        words = ("-lquiet", "state.apply", "tcpdrop.install", f"test={test}", f"pillar={json.dumps(given)}")
        done = minions.call(conf, *words, wrapper=host.wrapper)
        answer = minions.answer(done)
        assert isinstance(answer, dict), done
        return done.status, {one["__id__"]: one for one in answer.values()}

    return apply


def changed(states):
    return [name for name, one in states.items() if one["changes"]]


@pytest.mark.timeout(900)  # six starts of salt-call and a virtual environment, on a machine that may be busy
def test_from_nothing_to_a_second_run(install, host, holder):
    pair, kept = holder.pair(), holder.pair()
    given = {"conf": "# by the state\nprotect lport 2049", "drop_ins": {"peer": f"protect port {kept.lport}\n"}}
    before = host.files()
    status, states = install(test=True, **given)
    assert (status, {one["result"] for one in states.values()}) == (0, {None, True}), states
    assert host.files() == before

    status, states = install(**given)
    assert (status, {one["result"] for one in states.values()}) == (0, {True}), states
    assert set(changed(states)) == {"tcpdrop-library", "/etc/tcpdrop.conf", "/etc/tcpdrop.conf.d/peer.conf"}
    assert (host.etc / "tcpdrop.conf").read_text() == given["conf"] + "\n"
    before = host.files()
    for test in (False, True):
        status, states = install(test=test, **given)
        assert (status, {one["result"] for one in states.values()}, changed(states)) == (0, {True}, []), states
    assert host.files() == before

    ports = f"lport {pair.lport},{kept.lport}"
    done = run(*host.wrapper, "/opt/tcpdrop/bin/tcpdrop", "drop", "--yes", "--no-syslog", ports)
    assert f"{pair.lport} " in done.out and kept.alive() and not pair.state(), done

    status, states = install(drop_ins={"typo": "protect lprot 22"}, drop_ins_absent=["peer"])
    assert status != 0
    assert set(changed(states)) == {"/etc/tcpdrop.conf.d/typo.conf", "/etc/tcpdrop.conf.d/peer.conf"}
    rules = states["tcpdrop-rules"]
    assert rules["result"] is False
    assert rules["comment"].startswith("/etc/tcpdrop.conf.d/typo.conf line 1: "), rules
