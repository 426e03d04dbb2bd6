# SPDX-License-Identifier: BSD-2-Clause
"""The language: what is read, and every error with its column."""

import os
import re
import subprocess
import sys

import pytest
from support.services import NO_PORT, number

import tcpdrop
from tcpdrop.errors import FilterError
from tcpdrop.filters import Filter, explain, plan_for
from tcpdrop.filters.parser import parse


def read(text, backend="linux"):
    return str(parse(text, backend))


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("state established", "state established"),
        ("state ESTAB,FIN-WAIT-1,fin_wait2,CloseWait,TIME-WAIT", "state established,fin-wait1,fin-wait2,time-wait,close-wait"),
        ("state listening", "state listen"),
        ("state syn-rcvd,unconn", "state syn-recv,closed"),
        ("state all", "state all"),
        ("state connected", "state connected"),
        ("exclude time-wait", "not state time-wait"),
        ("src 10.0.0.1 dst 10.0.0.2", "local 10.0.0.1 and remote 10.0.0.2"),
        ("remote 10.0.0.0/8,192.0.2.1:443", "remote 10.0.0.0/8,192.0.2.1:443"),
        ("remote ::ffff:10.0.0.1", "remote 10.0.0.1"),
        ("remote [::1]:443", "remote [::1]:443"),
        ("remote [2001:db8::]/32:443", "remote [2001:db8::]/32:443"),
        ("remote [2001:db8::/32]:443", "remote [2001:db8::]/32:443"),
        ("remote [2001:DB8:0::1]", "remote 2001:db8::1"),
        ("host 0.0.0.0/0", "host 0.0.0.0/0"),
        ("lport 22", "lport 22"),
        ("sport = :22", "lport 22"),
        ("lport=22", "lport 22"),
        ("lport eq 22", "lport 22"),
        ("lport == 22", "lport 22"),
        ("lport!=22", "not lport 22"),
        ("port ne 22", "not port 22"),
        ("dport > 1024", "rport 1025-65535"),
        ("dport gt 1024", "rport 1025-65535"),
        ("dport >= 1024", "rport 1024-65535"),
        ("dport < 1024", "rport 0-1023"),
        ("dport le 1024", "rport 0-1024"),
        ("dport > 65535", "not port 0-65535"),
        ("port 80,443 , 8000-8100", "port 80,443,8000-8100"),
        ("port 8000:8100", "port 8000-8100"),
        ("port 0:65535", "port 0-65535"),
        ("lport 80,81,82", "lport 80-82"),
        ("family inet6 in loopback", "family inet6 and in and loopback"),
        ("dev eth0.5", "dev eth0.5"),
        ("kernel", "kernel"),
        ("pid 7,5", "pid 5,7"),
        ("comm ng*", "comm ng*"),
        ("comm 'tmux: server'", 'comm "tmux: server"'),
        ('comm "a\\"b\\\\c\\x1b\\udcff"', 'comm "a\\"b\\\\c\\x1b\\udcff"'),
        ("user 0", "user 0"),
        ("user root", "user 0"),
        ("unit nginx", "unit nginx.service"),
        ("unit user@1000.service", "unit user@1000.service"),
        ("cgroup /system.slice/a.service", "cgroup /system.slice/a.service"),
        ("idle gt 90s", "idle > 90s"),
        ("idle >= 600000ms", "idle >= 10m"),
        ("age ge 48h", "age >= 2d"),
        ("rtt > 1500us", "rtt > 1500us"),
        ("recvq>64k sendq lt 1M", "recvq > 64k and sendq < 1M"),
        ("bytes-sent ge 1G bytes-received = 100", "bytes-sent >= 1G and bytes-received = 100"),
        ("retrans != 0", "retrans != 0"),
        ("cc bbr", "cc bbr"),
        ("lport 1 and lport 2 lport 3 & lport 4 && lport 5", "lport 1 and lport 2 and lport 3 and lport 4 and lport 5"),
        ("lport 1 or lport 2 | lport 3 || lport 4", "lport 1 or lport 2 or lport 3 or lport 4"),
        ("!lport 1", "not lport 1"),
        ("not(lport 1)", "not lport 1"),
        ("not (not lport 1)", "lport 1"),
        ("(lport 1)or(lport 2)", "lport 1 or lport 2"),
        ("(lport 1 or lport 2)rport 3", "(lport 1 or lport 2) and rport 3"),
        ("(lport 1)(rport 2)!(rport 3)", "lport 1 and rport 2 and not rport 3"),
        ("((lport 1))", "lport 1"),
    ],
)
def test_it_is_read_as(text, canonical):
    assert read(text) == canonical
    assert read(text.split(" ")) == canonical, "many arguments are one text"


def test_services_have_names():
    ssh = number("ssh")
    if ssh is None:
        pytest.skip("this system knows no services (apt-get install netbase)")
    assert read("lport ssh") == f"lport {ssh}"
    assert read("remote 10.0.0.1:ssh") == f"remote 10.0.0.1:{ssh}"


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("", 1, "empty string"),
        ("  ", 1, "empty string"),
        (["lport", ""], 7, "empty string"),
        (["lport 22", " ", "x"], 10, "empty string"),
        ([], 1, "no filter"),
        ("lport", 6, "expected a port.*ends here"),
        ("lport =", 8, "expected a port.*ends here"),
        ("lport ''", 7, "not an empty string"),
        ("lport 22,", 10, "another value"),
        ("lport ,22", 7, "not ','"),
        ("lport 0", 7, "out of range"),
        ("lport 65536", 7, "out of range"),
        ("lport 80-70", 7, "lower to the higher"),
        ("lport no-such-service", 7, re.escape(NO_PORT)),
        ("lport > 80,81", 9, "takes one port"),
        ("lport > 80-81", 9, "takes one port"),
        ("lport and rport 2", 7, "expected a port"),
        ("comm and", 6, 'write "and"'),
        ("remote", 7, "expected an address"),
        ("remote = 10.0.0.1", 8, "takes no operator"),
        ("remote != 10.0.0.1", 8, "not remote"),
        ("remote 10.0.0", 8, "four decimal parts"),
        ("remote 010.0.0.1", 8, "leading zeros"),
        ("remote 10.0.0.1/8", 8, "the address 10.0.0.1 or the prefix 10.0.0.0/8"),
        ("remote 2001:db8::1/32", 8, "the address 2001:db8::1 or the prefix 2001:db8::/32"),
        ("remote 10.0.0.1/33", 8, "0 to 32"),
        ("remote 10.0.0.1:", 8, "expected a port behind"),
        ("remote :443", 8, "for a port alone"),
        ("remote [10.0.0]:443", 8, "four decimal parts"),
        ("remote [::1]x:443", 8, "brackets are for IPv6"),
        ("remote [::1", 8, "brackets"),
        ("remote [::1]443", 8, "brackets"),
        ("remote 1:2:3:4:5:6:7:8:443", 8, r"needs brackets, as in \[1:2:3:4:5:6:7:8\]:443"),
        ("remote 2001:db8::/32:443", 8, "needs brackets"),
        ("remote fe80::1%", 8, "an interface name must follow %"),
        ("remote fe80::1%eth0.100", 8, r"may be port 100 or interface eth0\.100: write 'fe80::1%eth0:100' or 'fe80::1' and dev eth0\.100"),
        ("remote [fe80::1]%eth0.100", 8, "may be port 100 or interface"),
        ("remote example.com", 8, "is not an address"),
        ("state", 6, "expected a TCP state"),
        ("state opened", 7, "'opened' is not a TCP state"),
        ("state established,", 19, "another value"),
        ("family 4", 8, "inet or inet6"),
        ("pid 0", 5, "not a process id"),
        ("pid x", 5, "not a process id"),
        ("user no-such-user-here", 6, "there is no user"),
        ("comm systemd-resolved", 6, "cut at 15 bytes, like 'systemd-resolve'"),
        ("idle", 5, "expected an operator after idle"),
        ("idle 10m", 6, "expected an operator after idle"),
        ("idle gt", 8, "expected a duration"),
        ("idle gt 10", 9, "is not a duration"),
        ("idle gt 10x", 9, "is not a duration"),
        ("idle gt 1us", 9, "whole milliseconds"),
        ("recvq gt 1x", 10, "is not a size"),
        ("retrans gt -1", 12, "is not a number"),
        ("lport 22)", 9, "closes nothing"),
        ("(lport 22", 10, r"expected \) for the \( at column 1"),
        ("()", 2, "expected a predicate"),
        ("lport 1 and", 12, "after 'and'"),
        ("(lport 1 and) lport 2", 13, "after 'and'"),
        ("and lport 1", 1, "between two terms"),
        ("(or lport 1)", 2, "between two terms"),
        ("not and", 5, "between two terms"),
        ("not", 4, "ends here"),
        ("not not lport 1", 5, "one not is enough"),
        ("lport 1 , rport 2", 11, re.escape(NO_PORT)),
        ("lport 1 = rport 2", 9, "unexpected '='"),
        ("LPORT 1", 1, "small letters"),
        ("lport 1 OR lport 2", 9, "small letters"),
        ("inode 7", 1, "'inode' is not a word"),
        ("10.0.0.1", 1, "remote 10.0.0.1 or local 10.0.0.1"),
        ("22", 1, "lport 22 or rport 22"),
        ("established", 1, "state established"),
        ("comm 'x", 6, "does not end"),
        ("comm 'x'y", 9, "around a whole value"),
        ("comm x'y'", 7, "around a whole value"),
        ('comm "\\q"', 7, "expected"),
        ('comm "\\x0"', 7, "expected"),
        ('comm "\\u-001"', 7, "expected"),
        ("lport 1 comm \x1b[31m'", 19, "quote"),
        ("\x1b[31m", 1, r"'\\x1b\[31m'"),
        ("age lt 1h", 1, "only age gt T"),
        ("age = 1h", 1, "only age gt T"),
        ("not age gt 1h", 5, "not under not"),
        ("lport 1 and not (lport 2 or age gt 1h)", 29, "not under not"),
    ],
)
def test_it_is_an_error(text, column, message):
    with pytest.raises(FilterError, match=message) as caught:
        parse(text, "linux")
    assert caught.value.column == column
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("text", "one", "other"),
    [
        ("lport 1 or lport 2 and rport 3", "lport 1 or (lport 2 and rport 3)", "(lport 1 or lport 2) and rport 3"),
        ("lport 1 lport 2 or  rport 3", "(lport 1 and lport 2) or rport 3", "lport 1 and (lport 2 or  rport 3)"),
        ("in or (out and in) in", "in or ((out and in) and in)", "(in or (out and in)) and in"),
        ("not in and out | in", "(not in and out) or in", "not in and (out or in)"),
    ],
)
def test_mixing_and_with_or_shows_both_readings(text, one, other):
    with pytest.raises(FilterError) as caught:
        parse(text)
    message = str(caught.value)
    if "  " not in other:
        assert message == f"and and or are mixed: write {one}, or {other}"
        assert parse(one) != parse(other)
    assert "mixed" in message


@pytest.mark.parametrize("text", ["idle gt 1s", "user 0", "rtt gt 1ms", "cc bbr", "retrans gt 1", "comm x", "dev lo", "unit x", "kernel"])
def test_what_a_system_cannot_answer_is_refused(text):
    with pytest.raises(FilterError, match="cannot be answered on Solaris"):
        parse(text, "sunos")


@pytest.mark.parametrize("text", ["age lt 1h", "not age gt 1h", "pid 5", "recvq gt 1", "in", "lport 22 remote 10.0.0.1"])
def test_what_solaris_can_answer(text):
    parse(text, "sunos")


@pytest.mark.only_on("linux", reason="elsewhere age is a time and no lower bound")
def test_age_is_not_turned_round_in_python_either():
    old = Filter("age gt 1h")
    with pytest.raises(FilterError, match="not under not"):
        old.__invert__()
    with pytest.raises(FilterError, match="not under not"):
        ~(old | Filter("lport 22"))


def test_a_filter_of_ten_thousand_terms_is_read_and_compiled_at_once():
    text = " or ".join(f"remote 10.{i >> 8}.{i & 255}.1" for i in range(10000))
    chosen = Filter(text)
    assert chosen.test and not plan_for(chosen).program
    assert str(Filter(str(chosen))) == str(chosen)


@pytest.mark.only_on("linux", reason="asks for comm")
def test_explain_says_who_decides():
    chosen = Filter("state established lport 22 remote 10.0.0.0/8 and not comm sshd")
    lines = explain(chosen, plan_for(chosen, backend="linux")).split("\n")
    assert lines[0].endswith("(state established and lport 22 and remote 10.0.0.0/8 and (not comm sshd))")
    assert lines[1] == "states:      established"
    assert "lport 22 by the request" in lines[2] and "bytecode" in lines[2] and "comm" not in lines[2]
    assert lines[3] == "user space:  (not comm sshd)"
    assert "from /proc" in lines[4]


def test_importing_the_filters_loads_nothing_expensive():
    code = (
        "import sys; import tcpdrop.filters as f; x = f.Filter('state established lport 22 remote 10.0.0.0/8');"
        "f.plan_for(x); x.test; import tcpdrop.filters.decision; print(' '.join(sys.modules))"
    )
    root = os.path.dirname(os.path.dirname(tcpdrop.__file__))
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {root!r}); {code}"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.split())
    assert not loaded & {
        "argparse",
        "socket",
        "enum",
        "dataclasses",
        "typing",
        "json",
        "logging",
        "re",
        "fnmatch",
        "ipaddress",
        "collections",
    }


ARGUMENTS = {
    # what has no blanks in its name, and what is a filter of its own
    ("lport", " 443"): "lport 443",
    ("pid", " 812 "): "pid 812",
    ("user", " 0"): "user 0",
    ("unit", " nginx"): "unit nginx.service",
    ("idle gt", " 9s"): "idle > 9s",
    ("state ", " established"): "state established",
    (" lport 443",): "lport 443",
    (" lport 443 ", " comm x "): "lport 443 and comm x",
    ("comm x", " (", "lport 1 or lport 2", ")"): "comm x and (lport 1 or lport 2)",
    ('comm " x"',): 'comm " x"',
    ("comm", '" x"'): 'comm " x"',
    ("not", "comm", ' "\tx"'): 'not comm "\\x09x"',
    ("lport", "443", "cgroup", '" /a "', "in"): 'lport 443 and cgroup " /a " and in',
    (" comm x ",): "comm x",
    ('user " 0"',): "user 0",
}


@pytest.mark.only_on("linux", reason="comm and cgroup")
@pytest.mark.parametrize("arguments", ARGUMENTS, ids=ascii)
def test_blanks_around_an_argument(arguments):
    assert str(Filter(list(arguments))) == ARGUMENTS[arguments]
    assert Filter(str(Filter(list(arguments)))) == Filter(list(arguments))


REFUSED = {
    ("comm", " x"): ("a blank stands beside 'x': write comm x, or comm \" x\" if the name has it", 6),
    ("not", "comm", "sshd "): ("a blank stands beside 'sshd': write comm sshd, or comm \"sshd \" if the name has it", 10),
    ("comm", "x\r"): ("a blank stands beside 'x': write comm x, or comm \"x\\x0d\" if the name has it", 6),
    ("comm", "\u2028ls"): ("a blank stands beside 'ls': write comm ls, or comm \"\\u2028ls\" if the name has it", 6),
    ("lport", "22", "cgroup", "\t/a "): ("a blank stands beside '/a': write cgroup /a, or cgroup \"\\x09/a \" if the name has it", 17),
}


@pytest.mark.only_on("linux", reason="comm and cgroup")
@pytest.mark.parametrize("arguments", REFUSED, ids=ascii)
def test_a_name_with_a_blank_beside_it_may_be_two(arguments):
    """The shell took the quotes: meant in `comm ' x'`, a slip in `not comm "$NAME"`, and the wider of the two each time."""
    with pytest.raises(FilterError) as caught:
        Filter(list(arguments))
    assert (str(caught.value), caught.value.column) == REFUSED[arguments]


def test_the_column_of_what_stands_behind_such_an_argument():
    for arguments, column in ((["lport", " 443 ", "zork"], len("lport  443  z")), (["lport", " x"], len("lport  "))):
        with pytest.raises(FilterError) as caught:
            Filter(arguments)
        assert caught.value.column == column
