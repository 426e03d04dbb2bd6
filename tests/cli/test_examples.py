# SPDX-License-Identifier: BSD-2-Clause
"""The manual page's examples for scripts do what they promise in the worst case, too."""

import shlex
from pathlib import Path

import pytest
from support.command import tcpdrop
from support.crowd import Crowd

pytestmark = [pytest.mark.privileged, pytest.mark.only_on("linux", reason="drops")]
PAGE = Path(__file__).parents[2] / "docs" / "tcpdrop.8"


def example(sign):
    """The words of the one example with this option."""
    text = PAGE.read_text("utf-8").partition("\n.Sh EXAMPLES\n")[2].partition("\n.Sh ")[0]
    (line,) = (line for line in text.splitlines() if line.startswith(".Dl # tcpdrop drop ") and f" {sign} " in line)
    return shlex.split(line.replace(r"\(dq", '"').replace(r"\(aq", "'"))[3:]


@pytest.mark.parametrize("sign", ["--remote-addr", "--reason"], ids=["a ban", "an address that moves"])
def test_one_for_scripts_drops_450(sign):
    """Nobody is at a terminal, and more match than are dropped unasked."""
    with Crowd(450) as crowd:
        words = ["127.0.0.1" if word in ("$ip", "192.0.2.50") else word for word in example(sign)]
        done = tcpdrop(*words, "--no-syslog")
        assert (done.status, crowd.alive()) == (0, (0, 0)), done.err
