# SPDX-License-Identifier: BSD-2-Clause
"""Who sits at a console comes by no connection: certain only if nothing else may have led him there."""

import os

import pytest

from tcpdrop.safety import console
from tcpdrop.system import procfs

pytestmark = pytest.mark.only_on("linux", reason="terminals are told by /proc")

TTY1, TTYS0, HVC0, PTS3, PTS300 = 4 << 8 | 1, 4 << 8 | 64, 229 << 8, 136 << 8 | 3, 137 << 8 | 44
US, SHELL, SUDO, LOGIN = 900, 800, 700, 600


class Host:
    """Processes: pid -> [terminal, name, what it has open]."""

    def __init__(self):
        self.processes = {
            1: [0, "systemd", []],
            LOGIN: [TTY1, "login", ["/dev/tty1"]],
            SUDO: [TTY1, "sudo", ["/dev/tty1", "/dev/ptmx"]],
            SHELL: [PTS3, "bash", ["/dev/pts/3"]],
            US: [PTS3, "tcpdrop", ["/dev/pts/3"]],
            500: [0, "nginx", ["/dev/null", "socket:[1]", "/var/log/nginx.log"]],
            501: [4 << 8 | 2, "agetty", ["/dev/tty2"]],
        }
        self.line = [SHELL, SUDO, LOGIN, 1]
        self.hidden = False
        self.index = 3
        self.sys = {}


DEVICES = {
    "/dev/null": (1, 3),
    "/dev/console": (5, 1),
    "/dev/tty1": (4, 1),
    "/dev/tty2": (4, 2),
    "/dev/ttyS0": (4, 64),
    "/dev/pts/3": (136, 3),
    "/dev/ptmx": (5, 2),
}


@pytest.fixture
def host(monkeypatch):
    one = Host()
    monkeypatch.setattr(os, "getpid", lambda: US)
    monkeypatch.setattr(console, "ancestors", lambda: iter(one.line))
    monkeypatch.setattr(console, "multiplexer", lambda: "")
    monkeypatch.setattr(procfs, "some_are_hidden", lambda: one.hidden)
    monkeypatch.setattr(procfs, "all_pids", lambda: list(one.processes))
    monkeypatch.setattr(procfs, "terminal_of", lambda pid: one.processes[pid][0])
    monkeypatch.setattr(procfs, "command_of", lambda pid: one.processes[pid][1])
    monkeypatch.setattr(procfs, "streams_of", lambda pid: [(link, f"/proc/{pid}/fdinfo/{link}") for link in one.processes[pid][2]])
    monkeypatch.setattr(procfs, "text_of", lambda path: one.sys.get(path, ""))
    monkeypatch.setattr(procfs, "lines_of", lambda path: ["flags:\t02", f"tty-index:\t{one.index}"])
    real = os.stat

    class Status:
        def __init__(self, name):
            self.st_rdev = os.makedev(*DEVICES[name])

    monkeypatch.setattr(os, "stat", lambda path, **rest: Status(path.partition("/fd/")[2]) if "/fd/" in str(path) else real(path, **rest))
    return one


def all_at(host, terminal):
    for pid in (US, SHELL, SUDO):
        host.processes[pid][:] = [terminal, "bash", []]


def test_behind_sudo_with_a_terminal_of_its_own(host):
    assert console.is_ours()


@pytest.mark.parametrize("terminal", [TTY1, TTYS0, HVC0])
def test_each_kind(host, terminal):
    all_at(host, terminal)
    assert console.is_ours()


def test_a_pseudo_terminal_of_a_high_number(host):
    host.processes[US][0] = host.processes[SHELL][0] = PTS300
    assert not console.is_ours()
    host.index = 300
    assert console.is_ours()


def test_a_login_that_left_the_console_to_its_child(host):
    """As that of util-linux does; and what started it is not asked."""
    host.processes[LOGIN][0] = 0
    host.line[-1:] = [550, 1]
    host.processes[550] = [0, "systemd-sulogin", []]
    assert console.is_ours()


@pytest.mark.parametrize("name", ["/dev/tty2", "/srv/jail/dev/null", "/home/u/dev/log", "/dev/pts/3"])
def test_what_else_is_open_elsewhere(host, name):
    host.processes[500][2].append(name)
    assert console.is_ours()


def test_the_systems_console_is_a_serial_line(host):
    host.processes[500][2].append("/dev/console")
    host.sys = {"/sys/class/tty/console/active": "tty0 ttyS0\n", "/sys/class/tty/ttyS0/dev": "4:64\n"}
    assert console.is_ours()
    all_at(host, TTYS0)
    assert not console.is_ours()
    host.sys["/sys/class/tty/console/active"] = "ttyS0 tty0\n"  # whichever virtual console shows
    all_at(host, TTY1)
    assert not console.is_ours()


def test_what_is_closed_meanwhile_hides_nothing_behind_it(host, monkeypatch):
    host.processes[500][2] = ["/dev/ptmx", "/dev/tty1"]
    real = os.stat

    def stat(path, **rest):
        if str(path).endswith("/fd//dev/ptmx"):
            raise FileNotFoundError(2, "closed")
        return real(path, **rest)

    monkeypatch.setattr(os, "stat", stat)
    assert not console.is_ours()


def pseudo_alone(host):
    all_at(host, PTS3)


def no_terminal_between(host):
    host.processes[SUDO][0] = 0


def shown_by_another(host):
    host.processes[SUDO][2].remove("/dev/ptmx")
    host.processes[500][2].append("/dev/ptmx")


def two_consoles(host):
    host.processes[US][0] = TTYS0


def no_login_above(host):
    """openvt, which somebody ran over ssh."""
    host.processes[LOGIN][1] = "sh"


def the_systems_console(host):
    host.processes[500][2].append("/dev/console")


def below_a_root_of_its_own(host):
    host.processes[500][2].append("/srv/jail/dev/tty1")


def led_from_outside(host):
    host.line.pop()


def hidden(host):
    host.hidden = True


def a_multiplexer_between(host):
    host.processes[SUDO][1] = "tmux: server"


def open_elsewhere(host):
    host.processes[500][2].append("/dev/tty1")


def shown_console(host):
    host.processes[500][2].append("/dev/vcsa1")


def whichever_console(host):
    host.processes[500][2].append("/dev/tty0")


def a_keyboard_of_a_program(host):
    host.processes[500][2].append("/dev/uinput")


def serial_line_open_elsewhere(host):
    all_at(host, TTYS0)
    host.processes[501][2].append("/dev/ttyS0")


@pytest.mark.parametrize(
    "change",
    [
        *(pseudo_alone, no_terminal_between, shown_by_another, two_consoles, led_from_outside, hidden, a_multiplexer_between),
        *(no_login_above, the_systems_console, below_a_root_of_its_own),
        *(open_elsewhere, shown_console, whichever_console, a_keyboard_of_a_program, serial_line_open_elsewhere),
    ],
)
def test_else_it_is_not_certain(host, change):
    change(host)
    assert not console.is_ours()


def test_a_multiplexer_says_that_it_is_not(host, monkeypatch):
    monkeypatch.setattr(console, "multiplexer", lambda: "TMUX")
    assert not console.is_ours()


@pytest.mark.parametrize("error", [PermissionError, FileNotFoundError])
def test_who_cannot_be_read_may_have_it_open(host, monkeypatch, error):
    real = procfs.streams_of

    def refuse(pid):
        if pid == 500:
            raise error
        return real(pid)

    monkeypatch.setattr(procfs, "streams_of", refuse)
    assert console.is_ours() is (error is FileNotFoundError)  # who has ended has nothing open
