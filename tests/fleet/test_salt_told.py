# SPDX-License-Identifier: BSD-2-Clause
"""Salt's module tells a drop that happened, whatever is wrong with who should hear of it (tests/cli/test_always_told.py)."""

import json
import signal
import subprocess
import time

import pytest
from support import minions
from support.troubles import TROUBLES, victims
from support.wait import until

pytestmark = [pytest.mark.privileged, pytest.mark.only_on("linux", reason="the Salt here is Linux's"), minions.required()]

#: those in which somebody reads what salt-call writes
READ = [name for name in TROUBLES if name not in ("the reader is gone", "the disk is full")]


@pytest.fixture(scope="module")
def victim():
    with victims() as one:
        yield one


@pytest.mark.parametrize("name", READ)
def test_by_salt_call(victim, name, tmp_path):
    one = victim()
    conf = minions.configure(tmp_path / "conf")
    words = ["tcpdrop.drop", f"local_port={one.lport}", f"remote_port={one.rport}", r"process=caf\udce9"]
    begun = time.monotonic()
    with TROUBLES[name](tmp_path) as trouble:
        done = minions.call(conf, *words, wrapper=trouble.wrapper, env=dict(trouble.env))
    assert time.monotonic() - begun < 60  # a loaded machine; it would hang
    assert not one.lives()
    answer = minions.answer(done)
    assert (done.status, answer["counts"]) == (0, {"dropped": 1})
    assert json.dumps(answer["warnings"]).count("the log takes nothing just now") == trouble.stuck


@pytest.mark.parametrize("how", ["duration=10m", "rate=1"])
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_by_a_job_that_a_signal_ends(victim, log, tmp_path, name, how):
    """In order: what was dropped by then is its answer and stands in the log; what it had not come to lives."""
    some = [victim() for _ in range(3)]
    watch = how.startswith("duration")
    conf = minions.configure(tmp_path / "conf")
    words = [f"local_port={some[0].lport}", "remote_port={},{},{}".format(*(one.rport for one in some)), "include_self=True", how]
    if watch:
        words.append("protect=rport {},{}".format(*(one.rport for one in some[1:])))
    argv = [*log.wrapper, minions.program("salt-call"), "-c", conf, "--local", "--out=json", "-lquiet", "state.single"]
    argv += ["tcpdrop.absent", "gone", *words]
    with subprocess.Popen(argv, cwd="/", stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as job:
        until(lambda: sum(one.lives() for one in some) == 2, "the first drop", 60)
        job.send_signal(getattr(signal, name))
        out, err = job.communicate(timeout=60)
    ((_, state),) = json.loads(out)["local"].items()
    said = "1 dropped, 2 protected" if watch else "1 dropped, 2 not attempted"
    assert (state["result"], len(state["changes"])) == (False, 1), err
    assert state["comment"] == f"{said}, then stopped by {name}"
    assert [one.lives() for one in some].count(True) == 2
    ours = [text for text in log.read() if text.startswith("selection=")]
    counts = "protected=2 dropped=1 " if watch else "listed=2 dropped=1 "
    assert len(ours) == 1 and all(word in ours[0] for word in counts.split()), ours
