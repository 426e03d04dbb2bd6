# SPDX-License-Identifier: BSD-2-Clause
"""list -r: what the remote ends are called, for a person who looks, and within a bounded time."""

import re
import shutil
import signal
import time

import pytest
from support.command import COMMAND, tcpdrop
from support.dns import NameServer
from support.private import etc
from support.screen import Window
from support.terminal import Terminal

pytestmark = [pytest.mark.privileged, pytest.mark.only_on("linux", reason="a resolver of our own in a namespace of ours")]


@pytest.fixture
def resolver(tmp_path):
    """A wrapper for a command whose resolver asks loopback, and is patient."""
    wrapper = etc(tmp_path)
    (tmp_path / "etc" / "resolv.conf").write_text("nameserver 127.0.0.1\noptions timeout:30 attempts:1\n", encoding="ascii")
    (tmp_path / "etc" / "nsswitch.conf").write_text("hosts: dns\n", encoding="ascii")
    return (shutil.which(wrapper[0]), *wrapper[1:])


@pytest.fixture
def servers(holder):
    """servers(number) -> the port of a listener on all addresses, with a client to each of 127.0.1.1 and so on."""
    made = []

    def start(number):
        listener = holder.listener(addr="0.0.0.0")
        port = listener.name()[1]
        for last in range(1, number + 1):
            client = holder.socket()
            client.call("connect", (f"127.0.1.{last}", port))
            made.extend((client, listener.accept()))
        made.append(listener)
        return port

    yield start
    for each in made:
        each.close()


def window(resolver, *args, size=(40, 100)):
    return Window(*args, size=size, command=(*resolver, COMMAND))


def test_names_stand_beside_the_addresses(servers, resolver):
    port = servers(3)
    with NameServer({"127.0.1.1": "one.example", "127.0.1.2": "two.example"}) as server:
        with window(resolver, "list", "-r", "rport", port) as shown:
            assert shown.end() == 0
        assert sorted(server.asked) == [f"{last}.1.0.127.in-addr.arpa" for last in (1, 2, 3)]
    assert shown.rows()[0].split() == ["STATE", "LOCAL", "REMOTE", "NAME"]
    for last, name in ((1, "one.example"), (2, "two.example"), (3, "-")):
        assert re.search(rf" 127\.0\.1\.{last}:{port} +{name}$", shown.row_of(rf"127\.0\.1\.{last}:")), shown.text()


def test_with_holders_and_in_a_summary(servers, resolver):
    port = servers(1)
    with NameServer({"127.0.1.1": "one.example"}):
        with window(resolver, "list", "-rp", "rport", port) as shown:
            assert shown.end() == 0
        assert shown.rows()[0].split() == ["STATE", "LOCAL", "REMOTE", "PIDS", "PROCESS", "NAME"]
        with window(resolver, "list", "-r", "--summary-by", "remote_addr", "rport", port) as shown:
            assert shown.end() == 0
    assert shown.rows()[0].split() == ["COUNT", "SHARE", "REMOTE_ADDR", "NAME"]
    assert shown.rows()[1].split() == ["1", "100.0%", "127.0.1.1", "one.example"]


def test_many_are_asked_for_at_a_time_and_the_wait_is_bounded(servers, resolver):
    """Twenty answers of 0.3 s each, one after the other, would take six; and one that never comes is not waited for."""
    port = servers(21)
    names = {f"127.0.1.{last}": f"host{last}.example" for last in range(1, 21)}
    with NameServer(names, silent=["127.0.1.21"], delay=0.3), window(resolver, "list", "-r", "rport", port) as shown:
        began = time.monotonic()
        assert shown.end() == 0
        assert time.monotonic() - began < 10  # the resolver itself would wait for 30 seconds
    assert shown.text().count(".example") == 20
    assert shown.row_of(r"127\.0\.1\.21:").endswith(" -")


def test_control_c_ends_the_wait(servers, resolver):
    port = servers(1)
    with NameServer({}, silent=["127.0.1.1"]) as server, window(resolver, "list", "-r", "rport", port) as shown:
        shown.until(lambda text: server.asked)
        assert shown.press("\x03").end() == -signal.SIGINT  # 130 for a shell, which ends its loop too


def test_what_a_script_reads_has_numbers_and_nobody_is_asked(servers, resolver):
    port = servers(1)
    plain = tcpdrop("list", "rport", str(port))
    with NameServer({"127.0.1.1": "one.example"}) as server:
        done = tcpdrop("list", "-r", "rport", str(port), wrapper=resolver)
        assert (done.status, done.out, done.err) == (0, plain.out, "tcpdrop: -r: only a terminal is shown host names\n")
        with Terminal("list", "-r", "rport", port) as terminal:  # stdout is a pipe, all else a terminal
            assert terminal.end()[:2] == (0, plain.out)
        assert server.asked == []


@pytest.mark.parametrize(
    "words", ["list -r --json", "list -r --jsonl", "list -r --summary-by state", "drop -r lport 1", "-r 10.0.0.1 1 10.0.0.2 2"]
)
def test_where_names_have_no_place_it_is_a_mistake(words):
    done = tcpdrop(*words.split())
    assert done.status == 2
    assert done.err.count("\n") == 1
