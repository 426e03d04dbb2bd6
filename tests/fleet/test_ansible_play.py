# SPDX-License-Identifier: BSD-2-Clause
"""Real playbooks over local hosts: idempotent, previewable, bounded, rolling; the clients' sockets are the witnesses."""

import errno
import os
import re
import shutil
import subprocess
import sys
import tempfile
from importlib import metadata, util
from pathlib import Path

import pytest
from support.command import NOBODY, needs
from support.crowd import Crowd
from support.engine import Engine, collections, measured_python

pytestmark = [pytest.mark.privileged, pytest.mark.only_on("linux", reason="fleets are tested where they run")]


def drop(**parameters):
    return {"name": "drop", "tcpdrop.net.tcp_drop": parameters}


def info(**parameters):
    return {"name": "info", "tcpdrop.net.tcp_connection_info": parameters}


def tasks(*some, **play):
    return {"hosts": "all", "gather_facts": False, "tasks": list(some), **play}


def cut(pairs):
    return all(pair.peer.errno("recv", 1) == errno.ECONNRESET for pair in pairs)


def lives(pairs):
    return all(pair.alive() for pair in pairs)


def failure(played):
    """The message of the only task that ran, and failed."""
    (step,) = played.steps
    assert (step.status, played.status) == ("failed", 2), played.out + played.err
    assert "Traceback" not in played.out + played.err + str(step.result)
    return step.result["msg"]


def test_a_task_from_its_preview_to_its_second_run(ansible, service):
    looked, previewed, bounded, dropped = (service(3) for _ in range(4))
    played = ansible.play(
        tasks(
            info(local_port=[looked[0]]),
            {**drop(local_port=[previewed[0]]), "check_mode": True, "diff": True},
            {**drop(local_port=[bounded[0]], max_drops=2), "ignore_errors": True},
            drop(local_port=[dropped[0]], reason="a test"),
            drop(local_port=[dropped[0]]),
            drop(local_port="{{ not_set | default([]) }}"),
            drop(local_port=[dropped[0]], remote_addr="{{ not_set | default(omit) }}"),
        ),
        env={"ANSIBLE_PIPELINING": "0"},  # as it is by default
    )
    assert played.status == 0, played.out + played.err
    found = [(step.status, step.result["changed"], step.result.get("matched")) for step in played.steps]
    assert found == [
        ("ok", False, 3),
        ("ok", True, 3),
        ("failed", False, None),
        ("ok", True, 3),
        ("ok", False, 0),
        ("ok", False, 0),
        ("ok", False, 0),
    ]
    assert played.steps[2].result["msg"] == "3 connections match, and at most 2 may be dropped: none was"
    shown = [line for line in played.out.splitlines() if re.match("[-+]127", line)]
    assert sorted(shown) == sorted(f"-127.0.0.1 {previewed[0]} 127.0.0.1 {pair.remote[1]} ESTABLISHED" for pair in previewed[1])
    assert all(row["outcome"] == "dropped" for row in played.steps[3].result["connections"])
    assert lives(looked[1] + previewed[1] + bounded[1])
    assert cut(dropped[1])


def test_check_and_diff_of_a_whole_run(ansible, service):
    port, pairs = service(2)
    played = ansible.play(drop(local_port=[port]), info(local_port=[port]), options=("--check", "--diff"))
    assert played.status == 0, played.out + played.err
    first, second = played.steps
    assert (first.result["changed"], first.result["counts"], second.result["matched"]) == (True, {"would_drop": 2}, 2)
    assert played.out.count(f"\n-127.0.0.1 {port} ") == 2
    assert lives(pairs)


def test_several_hosts_one_by_one(ansible, service):
    """serial, a failure in the middle: the hosts behind it are not touched.  A handler drops once."""
    first, second, third = (service(2) for _ in range(3))
    hosts = {f"h{number}": {"port": port} for number, (port, _) in enumerate((first, second, third), 1)}
    hosts["h2"]["bound"] = 1
    rolling = tasks(
        {"name": "rule", "ansible.builtin.command": "true", "changed_when": True, "notify": "drop"},
        {"name": "rule 2", "ansible.builtin.command": "true", "changed_when": True, "notify": "drop"},
        handlers=[drop(local_port=["{{ port }}"], max_drops="{{ bound | default(100) }}")],
        serial=[1],
        max_fail_percentage=0,
        module_defaults={"group/tcpdrop.net.tcpdrop": {"remote_addr": ["127.0.0.0/8"]}},
    )
    played = ansible.play(rolling, hosts=hosts)
    assert played.status == 2, played.out + played.err
    drops = [(step.host, step.status, step.result["changed"]) for step in played.steps if step.task == "drop"]
    assert drops == [("h1", "ok", True), ("h2", "failed", False)]
    sent = [step.result["invocation"]["module_args"]["remote_addr"] for step in played.steps if step.task == "drop" and step.status == "ok"]
    assert sent == [["127.0.0.0/8"]]
    assert cut(first[1])
    assert lives(second[1] + third[1])


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """A Python without the library."""
    place = tmp_path_factory.mktemp("bare")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", place], check=True)
    return place / "bin" / "python3"


#: /opt and /usr/bin/python3, where modules look for the library, in a private mount namespace
ELSEWHERE = 'mount -t tmpfs none /opt && ln -s "$1" /opt/tcpdrop && shift && exec "$@"'


def opt_tcpdrop(leads_to):
    return ("unshare", "--mount", "sh", "-c", ELSEWHERE, "sh", leads_to)


def test_a_play_whose_python_lacks_the_library_finds_it_in_opt(ansible, service, bare):
    wrapper = needs(*opt_tcpdrop(sys.prefix))
    port, pairs = service(2)
    preview = {**drop(local_port=[port]), "check_mode": True}
    played = ansible.play(tasks(preview, drop(local_port=[port])), wrapper=wrapper, variables={"ansible_python_interpreter": str(bare)})
    assert [(step.status, step.result["msg"]) for step in played.steps] == [("ok", "2 would drop"), ("ok", "2 dropped")], played.out
    assert cut(pairs)


def test_a_target_without_the_library(ansible, service, bare):
    wrapper = needs(*opt_tcpdrop("/nonexistent"))
    port, pairs = service()
    said = failure(ansible.play(drop(local_port=[port]), wrapper=wrapper, variables={"ansible_python_interpreter": str(bare)}))
    assert said.startswith(f"Failed to import the required Python library (tcpdrop) on {os.uname().nodename}'s Python {bare}. ")
    assert "ansible_python_interpreter" in said
    assert lives(pairs)


def mitogen():
    """The environment in which Mitogen runs the play; its engine is a process of its own on the target, and runs modules itself."""
    found = util.find_spec("ansible_mitogen")
    if found is None:
        pytest.skip("no Mitogen here (make .venv/.ansible installs it)")
    plugins = Path(found.origin).parent / "plugins" / "strategy"
    return {"ANSIBLE_STRATEGY_PLUGINS": str(plugins), "ANSIBLE_STRATEGY": "mitogen_linear"}


def test_mitogen(ansible, service):
    port, pairs = service(2)
    preview = {**drop(local_port=[port]), "check_mode": True}
    played = ansible.play(tasks(preview, info(local_port=[port]), drop(local_port=[port])), env=mitogen())
    assert played.status == 0, played.out + played.err
    assert [step.result["msg"] for step in played.steps] == ["2 would drop", "2 connections match", "2 dropped"]
    assert cut(pairs)


def test_mitogen_and_the_library_in_another_python(ansible, service, bare):
    """It cannot start the module anew, and says where the library is."""
    wrapper = needs(*opt_tcpdrop(sys.prefix))
    port, pairs = service()
    variables = {"ansible_python_interpreter": str(bare)}
    said = failure(ansible.play(drop(local_port=[port]), wrapper=wrapper, variables=variables, env=mitogen()))
    assert said == (
        f"tcpdrop is in /opt/tcpdrop/bin/python3 and not in the interpreter of the play, {bare}, "
        "and Mitogen cannot change over: set ansible_python_interpreter to the first"
    )
    assert lives(pairs)


def old_python():
    """A Python older than the library's oldest, on which this engine still starts modules; None where there is none."""
    from ansible.module_utils import basic

    oldest = getattr(basic, "_PY_MIN", None)
    oldest = oldest if isinstance(oldest, tuple) else (3, 6)  # up to 2.16 it says whether this one will do
    if oldest >= (3, 9):
        pytest.skip(f"Ansible {metadata.version('ansible-core')} starts no module on a Python older than {oldest[0]}.{oldest[1]}")
    version = "3.6" if oldest <= (3, 6) else "3.8"
    candidates = [shutil.which(f"python{version}"), *sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python{version}"))]
    return next((str(path) for path in candidates if path and subprocess.run([path, "-V"], capture_output=True).returncode == 0), None)


def test_a_wrong_interpreter(ansible, service):
    port, pairs = service()
    nowhere = str(ansible.place / "nowhere" / "python3")
    played = ansible.play(drop(local_port=[port]), variables={"ansible_python_interpreter": nowhere})
    assert "interpreter" in failure(played)  # the engine's own words
    assert nowhere in str(played.steps[0].result)
    assert lives(pairs)


def test_an_old_interpreter(ansible, service):
    """Older than the library's oldest: the module says whose Python lacks it."""
    old = old_python()
    if old is None:
        pytest.skip("no CPython 3.6 or 3.8 here")
    wrapper = needs(*opt_tcpdrop("/nonexistent"))
    port, pairs = service()
    said = failure(ansible.play(drop(local_port=[port]), wrapper=wrapper, variables={"ansible_python_interpreter": old}))
    assert f"'s Python {old}. This is required by this module (No module named 'tcpdrop')" in said
    assert lives(pairs)


def test_without_the_right(service):
    wrapper = needs(*NOBODY)
    port, pairs = service()
    with tempfile.TemporaryDirectory() as place:  # pytest's own is closed to others
        Path(place).chmod(0o777)
        played = Engine(place).play(drop(local_port=[port]), wrapper=wrapper, env={"HOME": place})
    said = failure(played)
    assert "CAP_NET_ADMIN" in said
    assert "become: true" in said
    assert played.steps[0].result["outcome"] == "not_permitted"
    assert lives(pairs)


def test_a_kernel_that_cannot(ansible, holder, no_destroy):
    listener, client = holder.unaccepted()
    played = ansible.play(drop(local_port=[listener.name()[1]]), env=no_destroy)
    assert "CONFIG_INET_DIAG_DESTROY" in failure(played)
    assert played.steps[0].result["outcome"] == "not_supported"
    server = listener.accept()
    assert client.call("send", b"x") == 1 and server.call("recv", 1) == b"x"


def test_ten_thousand(ansible):
    """What is returned is capped and says so; what the module's process needs does not grow with what matches."""
    python, peaks = measured_python(ansible.place)
    with Crowd(10000) as crowd:
        preview = {**drop(filter=crowd.servers, max_drops="none"), "check_mode": True, "diff": True}
        looks = [info(filter="lport 1"), info(filter=crowd.servers), preview]
        played = ansible.play(tasks(*looks), variables={"ansible_python_interpreter": str(python)})
        assert played.status == 0, played.out + played.err
        assert crowd.alive() == (10000, 10000)
        dropped = ansible.play(drop(filter=crowd.servers, max_drops="none"), variables={"ansible_python_interpreter": str(python)})
        assert crowd.alive() == (0, 0)
    none, listed, previewed, done = peaks()
    print(f"peak of the module's process, KiB: nothing matches {none}, list {listed}, check {previewed}, drop {done}")
    results = [step.result for step in played.steps + dropped.steps][1:]
    assert [(found["matched"], len(found["connections"]), found["truncated"]) for found in results] == [(10000, 1000, True)] * 3
    assert [found["counts"] for found in results[1:]] == [{"would_drop": 10000}, {"dropped": 10000}]
    assert results[1]["diff"]["before"].endswith("(and 9000 more)\n")
    assert results[1]["diff"]["after"] == ""
    assert max(listed, previewed, done) < none + 16 * 1024


def test_the_collection_is_the_installed_one():
    assert Path(collections(), "ansible_collections", "tcpdrop", "net", "galaxy.yml").exists()
