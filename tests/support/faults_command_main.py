# SPDX-License-Identifier: BSD-2-Clause
"""One command, and a fault at each call of the module's that it makes; run by tests/cli/test_faults_told.py.

Its arguments are `drop`, `show` or `report` and the words of the command; it moves into a
network namespace of its own, and says how many faults there were.
"""

import contextlib
import gc
import io
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from support import faults
from support.own_pairs import World

from tcpdrop import cli

DONE, FAILED = 0, 3


class Command:
    """Run again and again in this process: what it prints, and its status."""

    def __init__(self, world, words):
        self.name, self._words, self._world = " ".join(words), words, world
        self.pair = None

    def prepare(self):
        if self.pair is None or not self.pair.alive():
            if self.pair is not None:
                self.pair.close()
            self.pair = self._world.pair()

    def call(self):
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = cli.main([word.format(pair=self.pair) for word in self._words])
        return status, out.getvalue(), err.getvalue()

    def judge(self, result, error, fault, nth, what):
        assert error is None, f"{what}: {error!r}"
        status, out, err = result
        what = f"{what}: {result}"
        assert status in (DONE, FAILED), what
        assert all(line.startswith(("tcpdrop: ", str(self.pair))) for line in err.splitlines()), what
        self.judge_result(status, out, err, fault, what)
        self._world.check(what)
        gc.collect()  # what an exception's traceback holds in a circle


class Drop(Command):
    def judge_result(self, status, out, err, fault, what):
        alive, told = self.pair.alive(), out == f"{self.pair}: dropped\n"
        assert told or out == "", what
        assert not (told and alive), what
        if status == DONE:
            assert told, what
        elif not told:
            assert alive or fault.lost or "what became of 1 is not known" in err, what
            assert err.count("\n") == 1 or "session" in err, what


class Show(Command):
    """All of it, or nothing."""

    right = None

    def prepare(self):
        super().prepare()
        if self.right is None:
            status, out, err = self.call()
            assert (status, err) == (DONE, ""), (status, err)
            self.right = shown(out)

    def judge_result(self, status, out, err, fault, what):
        if status == DONE:
            assert shown(out) == self.right, what
        else:
            assert err.count("\n") == 1, what


def shown(out):
    """Of JSON the sockets alone: the rest of it tells the time."""
    return sorted(one["cookie"] for one in json.loads(out)["connections"]) if out.startswith("{") else out


class Report(Command):
    """It says what it cannot find out."""

    def judge_result(self, status, out, err, fault, what):
        assert out.startswith("system ") or err.count("\n") == 1, what


def main():
    kind = {"drop": Drop, "show": Show, "report": Report}[sys.argv[1]]
    faults.say(faults.walk(faults.FAULTS, kind(World(), sys.argv[2:])))


if __name__ == "__main__":
    main()
