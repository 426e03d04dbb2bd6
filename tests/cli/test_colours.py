# SPDX-License-Identifier: BSD-2-Clause
"""Colours by meaning: for a person who looks, and for whoever says --color=always; a script never gets any by itself."""

import re

import pytest
from support.command import line, tcpdrop
from support.screen import Window
from support.terminal import Terminal

pytestmark = [pytest.mark.privileged, pytest.mark.only_on("linux", "sunos", reason="drops")]

GREEN, YELLOW, CYAN = "\x1b[32m", "\x1b[33m", "\x1b[36m"
PLAIN = "\x1b[0m"


def ports(pair):
    return f"lport {pair.lport} rport {pair.rport}"


def seen(*args, env=None):
    with Window(*args, env=env) as window:
        window.end()
        return window.raw.decode()


def test_a_state_is_painted_at_a_terminal_and_takes_no_column(holder):
    pair = holder.pair()
    for more in ([], ["-o", "+uid"], ["-p"]):
        raw = seen("list", *more, ports(pair))
        assert f"{GREEN}ESTABLISHED" in raw
        plain = seen("list", "--color", "never", *more, ports(pair))
        assert "\x1b" not in plain
        assert re.sub(r"\x1b\[[0-9;]*m", "", raw) == plain


@pytest.mark.parametrize("env", [{"NO_COLOR": "1"}, {"TERM": "dumb"}, {"TERM": ""}], ids=str)
def test_a_terminal_that_wants_none_gets_none(holder, env):
    pair = holder.pair()
    assert "\x1b" not in seen("list", ports(pair), env=env)
    assert GREEN in seen("list", "--color=always", ports(pair), env=env)


def test_an_empty_no_color_says_nothing(holder):
    """https://no-color.org: when present and not an empty string."""
    assert GREEN in seen("list", ports(holder.pair()), env={"NO_COLOR": ""})


def test_a_script_gets_none_unless_it_asks(holder):
    pair = holder.pair()
    assert "\x1b" not in tcpdrop("list", ports(pair)).out
    assert "\x1b" not in tcpdrop("list", "--color=auto", ports(pair)).out
    assert f"\n{GREEN}ESTABLISHED{PLAIN} " in tcpdrop("list", "--color=always", ports(pair)).out
    assert "\x1b" not in tcpdrop("list", "--color=always", "--json", ports(pair)).out
    with Terminal("drop", "-n", ports(pair)) as terminal:  # stdout is a pipe, stderr a terminal
        _, out, err = terminal.end()
    assert "\x1b" not in out + err


def test_what_would_be_dropped_what_was_and_what_is_protected(holder):
    pair, kept = holder.pair(), holder.pair()
    chosen = f"lport {pair.lport},{kept.lport} rport {pair.rport},{kept.rport}"
    how = ("--protect", ports(kept), "--yes", chosen)
    would = seen("drop", "-n", *how)
    assert f"{line(pair)}: {YELLOW}would drop{PLAIN}" in would
    assert f"{CYAN}{line(kept)}: protected" in would
    assert f"{line(pair)}: {GREEN}dropped{PLAIN}" in seen("drop", *how)
    assert pair.state() is None
    assert kept.alive()


@pytest.mark.only_on("linux", reason="a descriptor that nobody holds")
def test_what_cannot_be_dropped(holder):
    """Nobody has accepted it yet, so no descriptor leads to it."""
    pair = holder.pair()
    listener, client = holder.unaccepted()
    chosen = f"lport {pair.lport},{listener.name()[1]} rport {pair.rport},{client.name()[1]}"
    done = tcpdrop("drop", "--color=always", "--method=descriptor", chosen)
    assert done.status == 3
    assert re.search(rf"^\x1b\[31m127\.0\.0\.1 {listener.name()[1]} .*: .*\x1b\[0m$", done.err, re.M), done.err
    assert f"{line(pair)}: {GREEN}dropped{PLAIN}\n" == done.out
    assert "\x1b" not in tcpdrop("drop", "--method=descriptor", chosen).err


def test_a_colour_that_there_is_not():
    for args in (
        ["list", "--color", "pink"],
        ["list", "--color"],
        ["check", "--color", "never"],
        [*words_of_a_connection(), "--color=never"],
    ):
        done = tcpdrop(*args)
        assert (done.status, done.out) == (2, ""), args
        assert done.err.count("\n") == 1


def words_of_a_connection():
    return ["127.0.0.1", "1", "127.0.0.1", "2"]
