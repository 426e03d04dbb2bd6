# SPDX-License-Identifier: BSD-2-Clause
"""How the tests of an ordinary user run (support/orphan.py): apart from who started them, and as one with it."""

import os
import subprocess
import sys
import time

import pytest
from support.command import run
from support.install import ROOT

pytestmark = [pytest.mark.pure, pytest.mark.only_on("linux", reason="a signal when a pipe is closed")]

SCRIPT = f"""
import os, sys, time
sys.path.insert(0, {str(ROOT / "tests")!r})
from support import orphan
before = os.getpid()
tell = orphan.become()
time.sleep(0.2)
print(before, os.getpid(), os.getppid(), flush=True)
"""


def test_another_parent_and_the_same_end():
    done = run(sys.executable, "-c", SCRIPT + "tell(3)")
    assert done.status == 3
    before, own, parent = map(int, done.out.split())
    assert before not in (own, parent)


def test_who_dies_without_a_word_has_failed():
    assert run(sys.executable, "-c", SCRIPT + "os._exit(0)").status == 1


def test_a_killed_run_leaves_nothing():
    with subprocess.Popen([sys.executable, "-c", SCRIPT + "time.sleep(60)"], stdout=subprocess.PIPE, text=True) as first:
        own = int(first.stdout.readline().split()[1])
        first.kill()
        end = time.monotonic() + 10
        while os.path.exists(f"/proc/{own}") and time.monotonic() < end:
            time.sleep(0.05)
        assert not os.path.exists(f"/proc/{own}")
