# SPDX-License-Identifier: BSD-2-Clause
"""The installed command, as a shell starts it."""

import re
import subprocess
import sys

import pytest
from support.command import COMMAND, tcpdrop

import tcpdrop as package
from tcpdrop import cli
from tcpdrop.cli import help, options

GOOD = ["10.0.0.1", "1", "10.0.0.2", "2"]

RAW = {
    "escape": b"\x1b]0;owned\x07",
    "utf-8": b"\xff\xfe\x80",
    "c1": "\x9b2J".encode(),
    "newline": b"10.0.0.1\ntcpdrop: all is well",
    "bidi": "\N{RIGHT-TO-LEFT OVERRIDE}".encode(),
}


@pytest.mark.parametrize("kind", RAW)
@pytest.mark.parametrize("locale", ["C.UTF-8", "C", "no_SUCH.locale"])
def test_bytes_from_outside_never_reach_the_terminal_raw(kind, locale):
    raw = RAW[kind]
    for arguments in ([raw, b"1", b"10.0.0.2", b"2"], [b"10.0.0.1", raw, b"10.0.0.2", b"2"], [raw], [b"--" + raw]):
        done = subprocess.run([COMMAND, *arguments], capture_output=True, env={"LC_ALL": locale, "PATH": "/usr/bin:/bin"}, timeout=60)
        assert (done.returncode, done.stdout) == (2, b"")
        assert re.fullmatch(rb"tcpdrop: [ -~]+\n", done.stderr), done.stderr


def test_an_unknown_host_for_real():
    """Without a network as well: no hanging, one line, and a failure of the system instead of a mistake."""
    done = tcpdrop("no-such-host.invalid", *GOOD[1:])
    assert (done.status, done.out) == (3 if "no name server answered" in done.err else 2, "")
    assert re.fullmatch(r"tcpdrop: 'no-such-host\.invalid': .+\n", done.err)


def test_no_operands_shows_the_usage_and_the_way_to_the_other_tcpdrop():
    for arguments in ([], ["--"], ["-n"], ["-q", "--include-self"]):
        done = tcpdrop(*arguments)
        assert (done.status, done.out) == (2, "")
        assert done.err.startswith("usage: tcpdrop ")
        assert "dropped packets" in done.err
        assert "bcc" in done.err
        assert "tcpdrop-bpfcc" in done.err


def test_help_lists_every_option_of_the_table():
    for option in ("--help", "-h"):
        done = tcpdrop(option)
        assert (done.status, done.err) == (0, "")
        assert done.out.startswith("usage: tcpdrop ")
        named = set(re.findall(r"(?<![\w-])--?[a-zA-Z0-9][\w-]*", done.out))
        assert named == set(options.SPELLINGS)
        for verb in cli.VERBS:
            assert re.search(rf"^  {verb} ", done.out, re.M)
        assert max(map(len, done.out.splitlines())) <= 80


def test_help_and_version_win_over_operands():
    assert tcpdrop("--help", "x").out == help.HELP + "\n"
    for arguments in (["--version"], ["-V"], ["-V", *GOOD], ["check", "--version"]):
        assert tcpdrop(*arguments) == (0, f"tcpdrop {package.__version__}\n", "")


def test_every_option_belongs_to_a_form_and_every_form_has_only_known_ones():
    allowed = set().union(*options.ALLOWED.values())
    assert allowed == set(options.OPTIONS)
    assert set(cli.VERBS) | {"classic"} == set(options.ALLOWED)


def test_python_dash_m_is_the_same_command():
    done = subprocess.run([sys.executable, "-I", "-m", "tcpdrop", "--version"], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"tcpdrop {package.__version__}\n", "")
