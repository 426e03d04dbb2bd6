# SPDX-License-Identifier: BSD-2-Clause
"""--remote-addr @FILE and -: many addresses, as literal as those on the command line; and lists with commas."""

from contextlib import closing

import pytest
from support import private
from support.command import tcpdrop

pytestmark = [pytest.mark.privileged, pytest.mark.only_on("linux", "sunos", reason="connections to select")]


@pytest.fixture
def listed(tmp_path):
    """Write a file: @ and its name."""

    def write(text):
        file = tmp_path / "addresses"
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return f"@{file}"

    return write


LISTS = {
    "alone": "{}\n",
    "no newline": "{}",
    "DOS": "10.0.0.1\r\n{}\r\n",
    "comments": "# bad ones\n\n10.0.0.1   # a scanner\n  {} # this\n",
    "prefix": "10.0.0.0/8\n127.0.0.0/8\n",
    "with a port": "{}:{}\n",
    "trailing comma": "{},\n",
    "a mark of Windows": "\ufeff{}\n",
    "many": "".join(f"10.1.{number >> 8}.{number & 255}\n" for number in range(20000)) + "{}\n",
}


@pytest.mark.parametrize("form", LISTS)
def test_a_list(holder, listed, form):
    pair = holder.pair()
    text = LISTS[form].format(*pair.remote)
    ask = ("list", "-c", "--local-port", str(pair.lport))
    assert tcpdrop(*ask, "--remote-addr", listed(text)).out == "1\n"
    assert tcpdrop(*ask, f"--remote-addr={listed(text)}").out == "1\n"
    assert tcpdrop(*ask, "--remote-addr", "-", stdin=None, input=text.encode()).out == "1\n"
    assert tcpdrop(*ask, "--remote-addr", listed(text), "--remote-addr", "10.0.0.7").out == "1\n"
    assert tcpdrop(*ask, "--local-addr", listed("10.0.0.1\n")).out == "0\n"


def test_a_list_drops(holder, listed):
    pair, other = holder.pair(), holder.pair()
    assert tcpdrop("drop", "-q", "--remote-addr", listed(f"{pair.remote[0]}:{pair.remote[1]}\n"))[:2] == (0, "")
    assert pair.state() is None
    assert other.alive()


@pytest.mark.parametrize("text", ["", "\n", "# nothing\n\n"])
def test_a_list_of_nothing_matches_nothing(holder, listed, text):
    pair = holder.pair()
    for verb in ("list", "drop"):
        done = tcpdrop(verb, "--remote-addr", listed(text))
        assert done[:2] == (1, "")
        assert done.err == "tcpdrop: nothing matched, and nothing can: a list of addresses is empty, or what is asked for excludes itself\n"
    assert pair.alive()


@pytest.mark.parametrize(
    "bad", ["root:x:0:0:secret", "10.0.0.1 or all", "10.0.0", "@/etc/passwd", "-", "10.0.0.1/8", "\x1b[31m", "localhost"]
)
def test_a_line_that_is_no_address_is_named_and_not_shown(holder, listed, bad):
    """The file may be one that was not meant."""
    pair = holder.pair()
    for verb in ("list", "drop"):
        done = tcpdrop(verb, "--remote-addr", listed(f"{pair.remote[0]}\n{bad}\n"))
        assert (done.status, done.out) == (2, "")
        assert done.err.endswith(": line 2 is no address, prefix or ADDRESS:PORT\n")
        assert bad not in done.err.partition(": line")[2]
    assert pair.alive()


@pytest.mark.parametrize(
    ("name", "said"), [("/dev/zero", "has more than 16 MiB"), ("/no/such", "No such file"), ("/", "Is a directory"), ("", "No such file")]
)
def test_a_file_that_cannot_be_read(name, said):
    done = tcpdrop("drop", "--remote-addr", f"@{name}")
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith(f"tcpdrop: --remote-addr @{name}: ")
    assert said in done.err


def test_standard_input_is_read_once():
    done = tcpdrop("drop", "--remote-addr", "-", "--local-addr", "-")
    assert (done.status, done.out) == (2, "")
    assert "standard input can be read once, and --local-addr and --remote-addr would both take it" in done.err
    assert "exclude each other" in tcpdrop("drop", "--remote-addr", "-", "--from", "-").err


def test_a_name_with_an_at_sign_is_a_file_for_addresses_only(holder):
    for option in ("--process", "--user", "--local-port", "--state"):
        assert "No such file" not in tcpdrop("list", option, "@nosuch").err


# ---- commas


@pytest.mark.parametrize("form", ["{},", " {} ", "10.0.0.1, {}", "{} ,10.0.0.1 , ", "10.0.0.1,{},"])
def test_blanks_around_values_and_a_comma_at_the_end(holder, form):
    pair = holder.pair()
    assert tcpdrop("list", "-c", "--remote-addr", form.format(pair.remote[0]), "--local-port", f"{pair.lport}, ").out == "1\n"


@pytest.mark.parametrize("value", [",", ",10.0.0.1", "10.0.0.1,,10.0.0.2", " , ", "10.0.0.1, ,"])
@pytest.mark.parametrize("option", ["--remote-addr", "--local-port", "--state"])
def test_an_empty_value_is_a_variable_that_was_not_set(option, value):
    done = tcpdrop("drop", option, value)
    assert (done.status, done.out, done.err) == (2, "", f"tcpdrop: {option}: '{value}' has an empty value (a variable that is not set?)\n")


@pytest.mark.only_on("linux", reason="a mount namespace")
def test_the_log_is_told_of_thousands_of_addresses_in_one_line(holder, listed, tmp_path):
    pair = holder.pair()
    given = listed(LISTS["many"].format(f"{pair.remote[0]}:{pair.remote[1]}"))
    log = private.Log(tmp_path)
    with closing(log.socket):
        assert tcpdrop("drop", "-q", "--syslog", "--remote-addr", given, wrapper=log.wrapper)[:2] == (0, "")
        told = [one for one in log.read() if "selection=" in one]
    assert len(told) == 1
    assert len(told[0]) < 1000
    assert ' characters)" dropped=1 uid=' in told[0]
