# SPDX-License-Identifier: BSD-2-Clause
"""The completions, made from the program's own tables, at work in the real shells."""

import os
import pty
import select
import shutil
import sys
import time

import pytest
from support.command import COMMAND, run, tcpdrop
from support.install import ROOT

pytestmark = pytest.mark.pure

DIRECTORY = ROOT / "docs" / "completion"
FILES = {"bash": "tcpdrop.bash", "zsh": "_tcpdrop", "fish": "tcpdrop.fish"}

#: shell -> how it starts with nothing of the user's, and what makes it know tcpdrop
SHELLS = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], f"PS1=; . {DIRECTORY}/tcpdrop.bash; bind 'set enable-bracketed-paste off'"),
    "zsh": (
        ["zsh", "-f", "-i"],
        f"PS1=; unsetopt zle_bracketed_paste; fpath=({DIRECTORY} $fpath); autoload -Uz compinit; compinit -u -D; unset zle_bracketed_paste",
    ),
    "fish": (["fish", "--no-config", "-i"], f"function fish_prompt; end; source {DIRECTORY}/tcpdrop.fish"),
}


def test_they_are_what_the_tables_say(tmp_path):
    done = run(sys.executable, "-I", ROOT / "tools/completions.py", tmp_path)
    assert done.status == 0, done.err
    for name in FILES.values():
        assert (tmp_path / name).read_bytes() == (DIRECTORY / name).read_bytes(), "make completions"


@pytest.mark.parametrize("shell", SHELLS)
def test_each_is_installed_and_named(shell):
    done = tcpdrop("paths", "--completion", shell)
    assert done.status == 0, done
    with open(done.out.rstrip("\n"), "rb") as file:
        assert file.read() == (DIRECTORY / FILES[shell]).read_bytes(), "make build"


def test_the_manual_page_is_named():
    with open(tcpdrop("paths", "--man").out.rstrip("\n"), "rb") as file:
        assert file.read() == (ROOT / "docs/tcpdrop.8").read_bytes(), "make build"


@pytest.mark.parametrize("words", [["--man", "--salt"], ["--completion"], ["--completion", "ksh"], ["--completion="]], ids=" ".join)
def test_wrong_usage(words):
    done = tcpdrop("paths", *words)
    assert (done.status, done.out, done.err.count("\n")) == (2, "", 1)


class Terminal:
    """A shell on a terminal of its own."""

    def __init__(self, shell):
        command, setting = SHELLS[shell]
        if shutil.which(command[0]) is None:
            pytest.skip(f"no {command[0]} here (apt-get install {command[0]})")
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.environ.update(PATH=f"{COMMAND.parent}:{os.environ['PATH']}", TERM="dumb", HOME="/nonexistent", HISTFILE="")
            os.execvp(command[0], command)
        self.said = ""
        self.type(f"{setting}; echo rea''dy\r")
        self.until("ready")

    def type(self, keys):
        os.write(self.terminal, keys.encode())

    def until(self, text, seconds=30):
        end = time.monotonic() + seconds
        while text not in self.said:
            assert time.monotonic() < end, (text, self.said)
            if select.select([self.terminal], [], [], 0.2)[0]:
                self.said += os.read(self.terminal, 4096).decode("utf-8", "replace")
        return self.said

    def quiet(self):
        """Until nothing has come for a while: the completion has been."""
        time.sleep(0.3)
        while select.select([self.terminal], [], [], 0.4)[0]:
            self.said += os.read(self.terminal, 4096).decode("utf-8", "replace")

    def line(self, *typed):
        """What stands on the command line after these keys."""
        self.said = ""
        for keys in typed:
            self.type(keys)
            self.quiet()
        self.type("\x01echo LI''NE \x05 EN''D\r")
        return " ".join(self.until(" END").rpartition("LINE ")[2].partition(" END")[0].split())

    def close(self):
        os.close(self.terminal)
        os.waitpid(self.pid, 0)


@pytest.fixture(params=SHELLS)
def terminal(request):
    terminal = Terminal(request.param)
    yield terminal
    terminal.close()


@pytest.mark.privileged
@pytest.mark.only_on("linux", reason="connections")
def test_tab_offers_what_is_open_here(terminal, holder):
    """Local ends, then the remote ends that go with one; as ends, and as addresses and ports."""
    pair, _ = holder.pair(), holder.pair()
    (laddr, lport), (raddr, rport) = pair.local[:2], pair.remote[:2]
    assert terminal.line(f"tcpdrop {laddr}:{lport}\t", "\t") == f"tcpdrop {laddr}:{lport} {raddr}:{rport}"
    assert terminal.line(f"tcpdrop -n {laddr} {lport} \t", "\t") == f"tcpdrop -n {laddr} {lport} {raddr} {rport}"


@pytest.mark.privileged
@pytest.mark.only_on("linux", reason="connections")
def test_tab_and_brackets(terminal, holder):
    """An IPv6 end, which shells cut at its colons or take for a pattern."""
    pair = holder.pair("inet6")
    lport, rport = pair.local[1], pair.remote[1]
    said = terminal.line(f"tcpdrop '[::1]:{lport}' \t").replace("\\", "").replace("'", "")
    assert said == f"tcpdrop [::1]:{lport} [::1]:{rport}"


@pytest.mark.parametrize("shell", SHELLS)
def test_tab_runs_nothing_that_a_name_says(shell, tmp_path, monkeypatch):
    """Nor does the line then: a namespace may have any name."""
    name = f"x$(>{tmp_path}/mark)"
    ip = tmp_path / "ip"
    ip.write_text(f"#!/bin/sh\necho '{name}'\n", encoding="utf-8")
    ip.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    terminal = Terminal(shell)
    try:
        assert terminal.line("tcpdrop list --netns x\t") == f"tcpdrop list --netns {name}"
    finally:
        terminal.close()
    assert not (tmp_path / "mark").exists()


def test_tab_knows_words_options_and_values(terminal):
    assert terminal.line("tcpdrop che\t") == "tcpdrop check"
    assert terminal.line("tcpdrop list --summ\t", "remote_a\t") == "tcpdrop list --summary-by remote_addr"
    assert terminal.line("tcpdrop drop state established,close-w\t") == "tcpdrop drop state established,close-wait"
    assert terminal.line("tcpdrop list --state=time\t") == "tcpdrop list --state=time-wait"
    assert terminal.line("tcpdrop paths --completion f\t") == "tcpdrop paths --completion fish"
