# SPDX-License-Identifier: BSD-2-Clause
"""Salt's module tells a drop that happened, whatever is wrong with who should hear of it (tests/cli/test_always_told.py)."""

import json
import time

import pytest
from support import minions
from support.troubles import TROUBLES, victims

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
