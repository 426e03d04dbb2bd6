# SPDX-License-Identifier: BSD-2-Clause
"""salt-ssh: no minion, Salt is sent along and runs on the target's own Python, which has the library."""

import json
import shutil
import tempfile
from pathlib import Path

import pytest
from support import minions
from support.command import run

pytestmark = [pytest.mark.privileged, pytest.mark.only_on("linux", reason="sessions are found by /proc"), minions.required()]


@pytest.fixture
def ssh(server):
    """ssh(function, words...) -> what the host answered."""
    place = Path(tempfile.mkdtemp(prefix="salt"))
    conf = minions.configure(place, "master", file_roots={"base": [str(minions.modules())]}, cachedir="/c")
    target = {
        "host": "127.0.0.1",
        "port": server.port,
        "user": "root",
        "priv": str(server.place / "user_key"),
        "thin_dir": str(place / "thin"),
        "set_path": f"{minions.program('python3').parent}:$PATH",
        "ssh_options": ["IdentitiesOnly=yes", "UserKnownHostsFile=/dev/null", "StrictHostKeyChecking=no"],
    }
    (place / "roster").write_text(json.dumps({"there": target}), encoding="utf-8")

    def call(*words):
        done = run(
            *(minions.program("salt-ssh"), "-c", conf, "--roster-file", place / "roster", "-i", "--out=json", "there", *words),
            env={"HOME": str(place), "SSH_AUTH_SOCK": ""},
            timeout=120,
        )
        assert done.out, done
        return done.status, json.loads(done.out)["there"]

    yield call
    shutil.rmtree(place)


def test_it_drops_everything_but_its_own_connection(ssh, server, holder):
    pair = holder.pair()
    status, found = ssh("tcpdrop.drop", "all=True", "max_drops=0")
    assert status != 0 and "at most 0 may be dropped: none was" in str(found)
    assert pair.alive()
    status, found = ssh("tcpdrop.drop", "all=True", "max_drops=none")
    assert (status, found["counts"]["dropped"]) == (0, 2)
    assert pair.state() is None
    own = {row["protected_by"] for row in found["connections"] if server.port in (row["local_port"], row["remote_port"])}
    assert own and all("held by " in why for why in own)
