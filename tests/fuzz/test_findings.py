# SPDX-License-Identifier: BSD-2-Clause
"""What the fuzzers found, in words; the inputs themselves lie in corpus/."""

import json
import os

import pytest
from support.command import tcpdrop

from tcpdrop.errors import FilterError, Refused
from tcpdrop.filters import Filter
from tcpdrop.filters.parser import parse
from tcpdrop.model.spellings import Lines
from tcpdrop.safety import rules
from tcpdrop.system import netns, procfs, ptrace

pytestmark = pytest.mark.pure

ENTRY = {"local_addr": "127.0.0.1", "local_port": 1, "remote_addr": "127.0.0.1", "remote_port": 2, "cookie": "1f"}


# ---- namespaces


@pytest.mark.parametrize("name", ["a\0b", "\ud800", "net:[x]", "net:[ 1]", "net:[1", "net:[" + "9" * 40 + "]"], ids=ascii)
def test_a_name_that_no_namespace_can_have_is_told_with_its_line(name):
    """It was Python's own word, "embedded null byte", and no line."""
    with pytest.raises(ValueError, match="names no network namespace"):
        netns.path_of(name)
    text = "# one\n" + json.dumps({**ENTRY, "netns": name})
    done = tcpdrop("drop", "-n", "--from", "-", stdin=None, input=text.encode())
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith("tcpdrop: --from: line 2 cannot be read: ") and "names no network namespace" in done.err


def test_an_empty_name_too():
    done = tcpdrop("drop", "-n", "--from", "-", stdin=None, input=json.dumps({**ENTRY, "netns": ""}).encode())
    assert (done.status, done.err.count("\n")) == (2, 1)
    assert "--from: line 1 cannot be read: a network namespace is a NAME" in done.err


def test_bytes_that_are_no_text_still_name_a_file():
    assert netns.path_of("a\udcffb") == (f"{netns.NAMES}/a\udcffb", None)
    assert netns.path_of("/a/net:[x]") == ("/a/net:[x]", None)


# ---- --from


@pytest.mark.parametrize("cookie", ["ffffffff!f", "0x1f", "-1", "1_f", " 1f", "", "²"])
def test_a_cookie_is_hexadecimal_digits(cookie):
    done = tcpdrop("drop", "-n", "--from", "-", stdin=None, input=json.dumps({**ENTRY, "cookie": cookie}).encode())
    assert (done.status, done.out) == (2, "")
    assert "the cookie, which says which socket was meant, is wrong" in done.err


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("33: 0100007F:0016 0100007F:0017 0:1", "'0:1' is not a state as /proc/net/tcp has it"),
        ("33: 0100007F:00:6 0100007F:0017 01", "'0100007F:00:6' is not an end as /proc/net/tcp has it"),
    ],
)
def test_a_colon_too_many_in_a_line_of_proc(line, why):
    with pytest.raises(ValueError) as caught:
        Lines().read(line)
    assert str(caught.value) == why


# ---- filters


def test_an_interface_stands_behind_its_address():
    """ "%eth0::1" was ::1 on eth0, and a name with a NUL was printed as none that can be read."""
    assert Filter.remote("::1%eth0") == Filter("remote ::1%eth0")
    with pytest.raises(FilterError, match="an address must stand before %"):
        Filter.remote("%eth0::1")
    with pytest.raises(FilterError, match="an interface name must follow %"):
        Filter.remote("::1%a\0b")


@pytest.mark.parametrize("word", ["eq", "ne", "lt", "le", "gt", "ge"])
def test_an_interface_may_be_called_as_an_operator_in_quotes(word):
    """dev "ne" was refused: ne was the operator there, too."""
    chosen = Filter.remote(f"::1%{word}")
    assert Filter(str(chosen)) == chosen == Filter(f"remote ::1 and dev '{word}'")
    with pytest.raises(FilterError, match="dev takes no operator"):
        Filter(f"dev {word}")


@pytest.mark.parametrize("text", ["::1% a", "[::1%a ]:443", "::/30%\ta:443", "::1%a b"])
def test_blanks_around_an_interface_are_none_of_it(text):
    """They were kept behind %, and what was shown, dev " a", is read without them: another filter."""
    chosen = Filter.remote(text)
    assert Filter(str(chosen)) == chosen
    with pytest.raises(FilterError, match="an interface name must follow %"):
        Filter.remote("::1% ")


def test_a_filter_is_shown_without_what_could_hurt_a_terminal():
    with pytest.raises(FilterError) as caught:
        parse('comm "\x1b[31m" or comm "\udc8e" and mine', "any")
    assert "are mixed" in str(caught.value) and str(caught.value).isprintable()
    assert 'comm "\\x1b[31m"' in str(caught.value)


# ---- /etc/tcpdrop.conf


def rule(line):
    return rules._rule("/etc/tcpdrop.conf", 1, line, rules._own)


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (b"protect comm a#b\n", "comm a#b"),
        (b'protect comm "a #b" # quoted\n', 'comm "a #b"'),
        (b"protect comm 'it\\'s #1'\n", 'comm "it\'s #1"'),
        (b"protect lport 22 # don't\n", "lport 22"),
        (b"protect lport 22\t#\n", "lport 22"),
        (b"protect lport 22 # f\xfcr\n", "lport 22"),  # Latin-1
    ],
)
def test_a_rule_is_read_as_it_is_printed(line, text):
    """What stood behind a # within a name was cut off: the rule protected another process."""
    found = rule(line)
    assert found == Filter(text)
    assert rule(f"protect {found}\n".encode()) == found


@pytest.mark.parametrize(
    ("line", "why"),
    [(b"protect comm \xff\n", "line 1: it is not UTF-8"), (b"protect lport 22#ssh\n", "line 1: '22#ssh' is"), (b"#\xff", "a line is")],
)
def test_a_rule_that_cannot_be_read(line, why):
    with pytest.raises(Refused) as caught:
        rule(line)
    assert why in str(caught.value)


def test_a_login_service_is_cut_as_the_kernel_cuts_it():
    """At 15 bytes, not characters: a longer name was never found."""
    name = rule("login éééééééééé\n".encode())
    assert os.fsencode(name) == "é".encode() * 7 + b"\xc3"
    assert rule(b"login gnome-remote-desktop\n") == "gnome-remote-de"


# ---- /proc


@pytest.fixture
def says(monkeypatch):
    def says(content):
        monkeypatch.setattr(procfs, "read", lambda path: content)

    return says


@pytest.mark.parametrize("content", [b"", b"1 (x) S", b"1 (x) S y", b"x"])
def test_a_stat_that_is_none_is_an_oserror(says, content):
    """As whatever cannot be read: what is above or at a terminal is unknown then, and not a traceback."""
    says(content)
    with pytest.raises(OSError, match="not as proc"):
        procfs.parent_of(1)
    with pytest.raises(OSError, match="not as proc"):
        procfs.have_terminal()


@pytest.mark.parametrize("content", [b"Uid:\t0\n", b"Uid:\t-5\t0\n"])
def test_a_status_without_users_is_an_oserror(says, content):
    says(content)
    with pytest.raises(OSError, match="not as proc"):
        procfs.uids_of(1)


def test_a_mount_whose_path_has_what_ends_a_line_elsewhere(says):
    """The kernel escapes blanks and \\n; str.splitlines() breaks at U+2028 and seven more."""
    says("30 23 0:26 / /a\u2028b\x0c\\040c rw - cgroup2 x rw\n\n31 23 x:y / /b rw - cgroup2 x rw\n".encode())
    assert procfs.mounts_of("cgroup2") == [("/a\u2028b\x0c c", os.makedev(0, 26), "/")]
    says(f"30 23 0:{'1' * 11} / /a rw - cgroup2 x rw\n".encode())
    assert procfs.mounts_of("cgroup2") == []


@pytest.mark.parametrize("content", [b"", b"x", b"CapEff:\n", b"CapEff:\tx\n"])
def test_what_tells_no_right_gives_none(says, content):
    says(content)
    assert ptrace.may_borrow_all() is False
    assert ptrace.yama() is None


@pytest.mark.parametrize(("content", "scope"), [(b"1\n", 1), (b"5\x1c\x1c", 5), (b"9" * 5000, None)])
def test_yama_s_scope_is_a_small_number(says, content, scope):
    says(content)
    assert ptrace.yama() == scope


# ---- filters


@pytest.mark.parametrize("value", ["#b", "#", "a#b"])
def test_a_filter_as_it_is_printed_is_a_rule(value):
    """`comm #b` said that everything behind comm is a comment, in a file of rules."""
    meant = Filter(f'comm "{value}"')
    assert rules._rule("/etc/tcpdrop.conf", 1, f"protect {meant}\n".encode(), rules._own) == meant
