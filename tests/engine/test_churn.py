# SPDX-License-Identifier: BSD-2-Clause
"""While connections come and go as fast as the machine sustains, a drop touches only what its filter matches."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support import procnet
from support.command import tcpdrop

import tcpdrop as package

pytestmark = [pytest.mark.privileged, pytest.mark.only_on("linux", reason="the kernel's own churn")]

MAIN = Path(__file__).parents[1] / "support" / "churn_main.py"
SECONDS = float(os.environ.get("TCPDROP_CHURN_SECONDS", "5"))


class Churn:
    def __init__(self, source, port):
        self.process = subprocess.Popen(
            [sys.executable, "-I", MAIN, source, str(port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout.readline() == "ready\n"

    def end(self):
        """Tell it to end; what befell it."""
        out, _ = self.process.communicate(timeout=60)
        assert self.process.returncode == 0
        return json.loads(out)


def listening(port):
    return len(procnet.listeners(port))


#: the first of each pair is selected; the other differs in this one thing
FILTERS = {
    "remote address": ("remote 127.9.0.1", ("127.9.0.1", 21001), ("127.9.0.2", 21002)),
    "local port": ("lport 21003", ("127.9.0.3", 21003), ("127.9.0.3", 21004)),
}


@pytest.mark.parametrize("case", FILTERS)
def test_only_what_matches_is_touched(case, holder, record_property):
    chosen, victim, innocent = FILTERS[case]
    quiet = holder.pair()
    matching, other = Churn(*victim), Churn(*innocent)
    runs = dropped = gone = 0
    began = time.monotonic()
    while time.monotonic() < began + SECONDS:
        report = package.drop(chosen)
        runs, dropped, gone = runs + 1, dropped + len(report.dropped), gone + len(report.gone)
        assert set(report.counts) <= {"dropped", "gone"}, [(result, result.error) for result in report.failed]
        assert sum(report.counts.values()) == len(report)
        assert listening(victim[1]) == listening(innocent[1]) == 1
        for result in report:
            assert "127.9.0" in str(result.connection)
        if runs % 50 == 25:
            done = tcpdrop("drop", "--yes", chosen)
            assert done.status in (0, 1), done.err
    hit, spared = matching.end(), other.end()
    rate = (hit["made"] + spared["made"]) / (time.monotonic() - began)
    text = f"{rate:.0f} connections/s opened and closed; {runs} runs dropped {dropped}, found {gone} gone"
    record_property("churn", text)
    print(text)
    assert spared["errors"] == {}, spared
    assert spared["made"] > 0
    assert dropped > 0, text
    assert hit["errors"], "no victim noticed anything"
    assert listening(victim[1]) == listening(innocent[1]) == 0
    assert quiet.alive()
