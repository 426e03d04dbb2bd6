# SPDX-License-Identifier: BSD-2-Clause
"""docs/equivalents.md: other tools do what its table says, and our lines drop what they name."""

import contextlib
import re
import shlex
import subprocess
import time
from pathlib import Path

import pytest
from support import lan
from support.command import COMMAND
from support.desk import Desk, find
from support.screen import Window
from support.wait import until

pytestmark = [pytest.mark.privileged, pytest.mark.only_on("linux", reason="tools of Linux, on two hosts and a wire")]

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "equivalents.md").read_text(encoding="utf-8")
MANUAL = (ROOT / "docs" / "tcpdrop.8").read_text(encoding="utf-8")

#: what must be there before: the chain that the rule goes into, a connection that is tracked
BEFORE = {
    "nft": ("nft add table inet filter; nft add chain inet filter input '{ type filter hook input priority 0; }'",),
    "conntrack": ("iptables -A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT",),
}


@pytest.fixture(scope="module", autouse=True)
def wire():
    why = lan.why_not()
    if why:
        pytest.skip(why)


def rows():
    """The table: the command, and what becomes of the connection, its neighbour, and the server."""
    return [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in PAGE.splitlines() if line.startswith("| `")]


def here(command, desk):
    """The line with this connection in the place of the page's."""
    for said, meant in (
        ("192.0.2.10", lan.NEAR),
        ("198.51.100.25", lan.FAR),
        ("443", desk.port),
        ("33062", desk.ports[0]),
        ("4711", desk.pid),
        ("eth0", "va"),
        ("30s", "300ms"),
    ):
        command = re.sub(rf"\b{re.escape(said)}\b", str(meant), command)
    return command


def desk_for(tool, **how):
    for name in (tool, *(text.split()[0] for text in BEFORE.get(tool, ()))):
        if find(name) is None and name != "tcpdrop":
            pytest.skip(f"no {name} here (README.md names the packages)")
    try:
        return Desk(before=BEFORE.get(tool, ()), **how)
    except AssertionError as error:
        pytest.skip(f"this kernel has no part that {tool} needs: {error}")


@pytest.mark.parametrize("row", [row for row in rows() if "tcpkill" not in row[0]], ids=lambda row: row[0].strip("`"))
def test_what_other_tools_do_is_what_the_table_says(row):
    command, *said = (text.strip("`") for text in row)
    with desk_for(command.split()[0]) as desk:
        done = desk.on_near(here(command, desk))
        assert done.status == 0, done
        if "kill" in command:
            desk.ended()
        assert [*desk.fates(), "serves others" if desk.serves() else "is gone"] == said


def test_tcpkill_waits_for_who_speaks():
    """Nothing happens to an idle connection; the next byte is its last; and the command does not end."""
    ((command, *said),) = [row for row in rows() if "tcpkill" in row[0]]
    with desk_for("tcpkill") as desk:
        sniffer = desk.start_on_near(here(command.strip("`"), desk))
        assert "listening on" in sniffer.stderr.readline()
        with pytest.raises(subprocess.TimeoutExpired):
            sniffer.wait(0.5)
        assert desk.on_near(f"tcpdrop list -c state established lport {desk.port}").out == "2\n"

        def ended():
            time.sleep(1)  # its reset has the number that it saw: of who goes on speaking it comes too late, and is ignored
            return "goes on" not in desk.fates()

        desk.fates()
        until(ended, "tcpkill to see what was said", 40)
        fates = [fate.partition(" when")[0] + " when it speaks" for fate in desk.fates()]
        assert [*fates, "serves others" if desk.serves() else "is gone"] == said


def ours():
    """Each of our lines, once."""
    return list(dict.fromkeys(re.findall(r"^    # (.*tcpdrop.*)$", PAGE, re.M)))


@pytest.fixture(scope="module")
def shared():
    with contextlib.closing(lan.Lan()) as made:
        yield made


@pytest.mark.parametrize("line", [line for line in ours() if " top " not in line])
def test_our_line_drops_the_connection_and_the_server_lives(line, shared):
    tools = [word for word in ("netstat", "conntrack") if word in line]
    with desk_for(tools[0] if tools else "tcpdrop", lan=shared) as desk:
        done = desk.on_near(here(line, desk))
        assert done.status == 0, done
        looks = " list " in line or "--dry-run" in line
        exact = looks or "33062" in line
        assert desk.fates() == ["goes on" if looks else "reset", "goes on" if exact else "reset"], done
        assert desk.serves()
        assert str(desk.ports[0]) in done.out


def test_our_line_with_a_screen(shared):
    (line,) = [line for line in ours() if " top " in line]
    with Desk(lan=shared) as desk:
        there = ("nsenter", "-t", str(desk.lan.near.pid), "-n", COMMAND)
        words = shlex.split(here(line, desk))[1:]
        with Window(*words, command=(find(there[0]), *there[1:])) as window:
            window.until("2 connections")
            assert window.press("q").end() == 0


def test_a_pattern_shows_more_than_was_meant(shared):
    """netstat | egrep takes either end; a filter does not."""
    if find("netstat") is None:
        pytest.skip("no netstat here (README.md names the packages)")
    with Desk(1, lan=shared) as desk:
        assert desk.on_near(f"netstat -tn | grep ESTABLISHED | egrep {lan.NEAR}").out.count("\n") == 1
        assert desk.on_near(f"tcpdrop list state established remote {lan.NEAR}").status == 1
        assert desk.on_near(f"tcpdrop list -H state established remote {lan.FAR}").out.count("\n") == 1


def test_the_manual_has_the_short_form():
    """Each tool of the table, and each of our lines behind it is one of the page's."""
    part = MANUAL.partition(".Sh INSTEAD OF OTHER TOOLS")[2].partition(".Sh ")[0]
    for command, *_ in rows():
        assert command.strip("`").split()[0] in part, command
    for line in re.findall(r"Ta (tcpdrop .*)$", part, re.M):
        assert line in ours(), line
    assert part.count("Ta tcpdrop") >= 8
