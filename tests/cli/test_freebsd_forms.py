# SPDX-License-Identifier: BSD-2-Clause
"""FreeBSD's spellings, and what goes with what."""

import json

import pytest
from support.command import line, tcpdrop

pytestmark = pytest.mark.privileged


def test_l_prints_commands_that_sh_can_run_and_drops_nothing(holder):
    pair = holder.pair()
    done = tcpdrop("-l", "--local-port", str(pair.local[1]))
    assert (done.status, done.out) == (0, f"tcpdrop {line(pair)}\n")
    assert pair.alive()
    everything = tcpdrop("-l").out
    assert f"tcpdrop {line(pair)}\n" in everything
    assert everything == tcpdrop("-l", "-a").out


@pytest.mark.only_on("linux", reason="::1 and a v4-mapped listener are this kernel's")
def test_a_family_narrows_everything_but_is_no_selection(holder):
    four, six = holder.pair(), holder.pair("inet6")
    assert tcpdrop("drop", "-4").status == 2
    listed = tcpdrop("-l", "-a", "-4").out
    assert line(four) in listed
    assert line(six) not in listed
    assert tcpdrop("-a", "-6", "--yes", "-q").status == 0
    assert four.alive()
    six.wait_state(None)


@pytest.mark.parametrize(
    "words",
    [
        ["drop", "--all", "--local-port", "1"],
        ["drop", "--all", "--from", "/dev/null"],
        ["drop", "-4", "--from", "/dev/null"],
        ["127.0.0.1", "1", "127.0.0.1", "2", "--netns", "all"],
        ["drop", "state", "listen"],
        ["drop", "--state", "listen", "--yes"],
        ["drop"],
    ],
)
def test_what_does_not_go_together_is_status_2(words):
    done = tcpdrop(*words)
    assert (done.status, done.out) == (2, "")
    assert len(done.err.splitlines()) == 1


@pytest.mark.parametrize(
    "words", [["-l", "-a", "--json"], ["drop", "-l", "--jsonl", "lport", "1"], ["list", "--explain", "--json", "lport", "1"]]
)
def test_what_is_text_alone_goes_with_no_json(words):
    """A program that asks for JSON reads nothing else: commands stood above the document."""
    done = tcpdrop(*words)
    assert (done.status, json.loads(done.out)["type"]) == (2, "error")
