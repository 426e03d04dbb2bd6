# SPDX-License-Identifier: BSD-2-Clause
"""Real virtual consoles: who is logged in at one drops what he likes, and is told so."""

import os
import subprocess

import pytest
from support.command import COMMAND, line, needs
from support.wait import until

from tcpdrop.system import procfs

pytestmark = [pytest.mark.privileged, pytest.mark.only_on("linux", reason="terminals are told by /proc")]

#: what getty does, in a session that PID 1 alone stands above; the shell that login(1) starts is the command
GETTY = "mount --bind {passwd} /etc/passwd && exec <>{console} >&0 2>&0 && exec {login}"
SHELL = "#!/bin/sh\nexport SHELL=/bin/sh\n{before} {command} >{out}.part 2>&1; echo status $? >>{out}.part; mv {out}.part {out}\n"


@pytest.fixture
def at(tmp_path):
    """Run a command at a console that nobody uses: what it said."""
    try:
        procfs.process(1, b"X")
        hidden = procfs.some_are_hidden()
        for _ in procfs.links_of(1):
            pass
    except OSError:
        hidden = True
    if hidden:
        pytest.skip("not all processes show here: make test-kernel-short has a host on which they do")
    console = next((path for path in (f"/dev/tty{number}" for number in range(40, 64)) if opens(path)), None)
    if console is None:
        pytest.skip("no virtual console here")
    out, shell, passwd = tmp_path / "out", tmp_path / "shell", tmp_path / "passwd"
    passwd.write_text(f"root:x:0:0:root:/:{shell}\n", encoding="utf-8")

    def run(command, before="", login="login -f root"):
        shell.write_text(SHELL.format(before=before, command=command, out=out), encoding="utf-8")
        shell.chmod(0o755)
        getty = GETTY.format(passwd=passwd, console=console, login=login)
        subprocess.run(
            ["setsid", "-f", "unshare", "-m", "--propagation", "private", "sh", "-c", getty], check=True, stdin=subprocess.DEVNULL
        )
        until(out.exists, "the command", 60)
        said = out.read_text()
        out.unlink()
        return said

    run.console = console
    return run


def opens(path):
    try:
        os.close(os.open(path, os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


def drop(pair):
    return f"{COMMAND} drop --no-syslog --yes lport {pair.lport}"


def test_who_sits_there_comes_by_no_connection(at, holder):
    pair = holder.pair()
    assert "you are at a console of this host, and no connection carries you\n" in at(f"{COMMAND} check")
    assert at(drop(pair)) == f"{line(pair)}: dropped\nstatus 0\n"
    assert pair.state() is None


def test_behind_another_terminal_that_was_made_there(at, holder):
    needs("script")
    pair = holder.pair()
    said = at(f'script -qec "{drop(pair)}" /dev/null')
    assert said.startswith(f"{line(pair)}: dropped\n"), said
    assert pair.state() is None


def test_who_was_started_there_and_has_not_logged_in(at, holder, tmp_path):
    """`ssh HOST openvt COMMAND`: nobody types there, and whoever did it came by a connection."""
    pair = holder.pair()
    said = at(drop(pair), login=tmp_path / "shell")
    assert "cannot tell which connection carries your session: this process has a terminal" in said
    assert pair.alive()


def test_somebody_else_has_it_open(at, holder):
    pair = holder.pair()
    other = os.open(at.console, os.O_RDWR | os.O_NOCTTY)
    try:
        said = at(drop(pair))
    finally:
        os.close(other)
    assert "cannot tell which connection carries your session: this process has a terminal" in said
    assert pair.alive()


def test_tmux_that_was_started_there(at, holder):
    pair = holder.pair()
    said = at(drop(pair), before="TMUX=/tmp/tmux-0/default,1,0")
    assert "cannot tell which connection carries your session" in said
    assert pair.alive()
