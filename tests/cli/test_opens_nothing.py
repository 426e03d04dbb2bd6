# SPDX-License-Identifier: BSD-2-Clause
"""What cannot be understood asks nobody: as strace(1) sees it, no usage error opens the rules, netlink or another process."""

import re

import pytest
from support.command import COMMAND, needs, run

pytestmark = [pytest.mark.privileged, pytest.mark.only_on("linux", reason="strace")]

MISTAKES = [
    ["list", "lport", "70000"],
    ["list", "zork"],
    ["list", "-o", "nonsense"],
    ["list", "--netns", "all", "lport"],
    ["list", "-x"],
    ["list", "--remote-addr", "10.0.0.300"],
    ["list", "--pid", "x"],
    ["drop"],
    ["drop", "lport", "1", "or", "lport", "2", "and", "lport", "3"],
    ["drop", "state", "listen"],
    ["drop", "--all", "lport", "1"],
    ["drop", "--max-drops", "x", "lport", "1"],
    ["drop", "--protect", "(", "lport", "1"],
    ["drop", "--rate", "0", "lport", "1"],
    ["drop", "--for", "x", "lport", "1"],
    ["drop", "--method", "magic", "lport", "1"],
    ["drop", "--order", "oldest", "--from", "-"],
    ["drop", "--from", "-", "lport", "1"],
    ["drop", "--mine"],
    ["drop", "--from", "-"],
    ["drop", "-n", "--from", "-"],
    ["top", "zork"],
    ["top", "--json"],
    ["check", "x"],
    ["demo", "x"],
    ["demo", "--json"],
    ["paths", "x"],
    ["-a", "-s", "established"],
    ["-s", "nonsense"],
    ["10.0.0.1", "1", "10.0.0.2"],
    ["10.0.0.1", "1", "10.0.0.2", "70000"],
    ["10.0.0.1", "1", "::1", "2"],
    ["0.0.0.0", "1", "10.0.0.2", "2"],
    ["--netns", "all", "10.0.0.1", "1", "10.0.0.2", "2"],
    ["--method", "magic", "10.0.0.1", "1", "10.0.0.2", "2"],
    ["--protect", "zork", "10.0.0.1", "1", "10.0.0.2", "2"],
    ["--bogus"],
    ["zork"],
]
#: what a look at the host would begin with
ASKS = re.compile(
    r"AF_NETLINK|/etc/tcpdrop|/run/netns|/dev/log|\"/proc/(?!self/ns/net)[^\"]*/(ns|fd|environ|net|task|cgroup)\b|pidfd_|setns\("
)


@pytest.fixture(scope="module")
def traced(tmp_path_factory):
    """traced(*words) -> (status, the calls that name a file, a socket, a process or a namespace)"""
    needs("strace", "-f", "-o", "/dev/null")
    trace = tmp_path_factory.mktemp("trace") / "calls"

    def call(*words, **how):
        done = run("strace", "-f", "-qq", "-o", trace, "-e", "trace=%file,socket,pidfd_open,pidfd_getfd,setns", COMMAND, *words, **how)
        return done, trace.read_text(encoding="utf-8", errors="replace").splitlines()

    return call


@pytest.mark.parametrize("words", MISTAKES, ids=" ".join)
def test_a_mistake_asks_nobody(traced, words):
    done, calls = traced(*words, input=b"what is this\n", stdin=None)
    assert done.status == 2, done
    assert done.err.startswith("tcpdrop: ")
    assert len(calls) > 20
    assert [line for line in calls if ASKS.search(line)] == []


def test_what_is_understood_is_seen_to_ask(traced):
    """The same eyes see what a right one opens: without this they might be blind."""
    for words in (["list", "lport", "1"], ["drop", "-n", "lport", "1"], ["check"], ["127.0.0.1", "1", "127.0.0.1", "2"]):
        assert any("AF_NETLINK" in line for line in traced(*words)[1]), words
    assert any("/etc/tcpdrop.conf" in line for line in traced("drop", "-n", "lport", "1")[1])
