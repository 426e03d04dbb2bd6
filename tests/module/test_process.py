# SPDX-License-Identifier: BSD-2-Clause
"""What the C module reads of a process is what /proc says, and what it may not read is an errno, never an absence."""

import errno
import os
import socket
import struct
import subprocess
import sys

import pytest
from support.command import NOBODY, needs, run
from support.wait import until

from tcpdrop import _tcpdrop
from tcpdrop.system import procfs

pytestmark = pytest.mark.only_on("linux", reason="descriptors in /proc do not name sockets elsewhere")

NAME = b"TCPDROP_TEST"
WAITS = "import os, socket, sys; kept = [socket.socket() for _ in range(int(sys.argv[1]))]; print(flush=True); sys.stdin.read()"


class Child:
    """A process with so many sockets and this value in its environment."""

    def __init__(self, sockets=0, value=None, *before):
        environment = {**os.environ, NAME.decode() + "_NOT": "decoy", "X" + NAME.decode(): "decoy"}
        if value is not None:
            environment[NAME.decode()] = value
        command = [*before, sys.executable, "-c", WAITS, str(sockets)]
        self.process = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.process.stdout.readline()
        self.pid = self.process.pid

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.communicate()


def pairs(packed):
    return dict(struct.iter_unpack("=QQ", packed))


@pytest.mark.parametrize("number", [0, 1, 2, 3, 64, 700])
def test_every_socket_is_told_with_its_descriptor(number):
    with Child(number) as child:
        parent, sockets, value = _tcpdrop.process(child.pid, NAME)
        assert parent == os.getpid() and value is None
        assert len(pairs(sockets)) == number
        assert pairs(sockets) == procfs.socket_inodes(child.pid)


@pytest.mark.parametrize("place", [0, 1, 10])
def test_a_socket_on_any_descriptor_is_told_once(place):
    """inetd hands a login over on 0, which the C module reads before it lists the others."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        move = f"exec {place}<&{theirs.fileno()}; {'' if place == 0 else 'exec 0<&-;'} exec sleep 1000"
        with subprocess.Popen(["bash", "-c", move], pass_fds=[theirs.fileno()]) as child:
            try:
                until(lambda: procfs.command_of(child.pid) == "sleep", "the descriptors to be moved")
                packed = _tcpdrop.process(child.pid, NAME)[1]
                found = list(struct.iter_unpack("=QQ", packed))
                inode = os.fstat(theirs.fileno()).st_ino
                assert sorted(found) == sorted({(inode, place), (inode, theirs.fileno())})
                assert dict(found).keys() == procfs.socket_inodes(child.pid).keys()
            finally:
                child.kill()


@pytest.mark.parametrize("value", ["", "10.0.0.1 50122 10.0.0.2 22", "=", "v" * 40000])
def test_the_variable_is_that_of_the_start(value):
    with Child(0, value) as child:
        assert _tcpdrop.process(child.pid, NAME)[2] == value.encode() == procfs.variable_of(child.pid, NAME)


def test_a_name_with_parentheses_and_spaces_hides_no_parent(tmp_path):
    program = tmp_path / ") R 1 ("
    program.symlink_to(sys.executable)
    with subprocess.Popen([program, "-c", "import sys; print(flush=True); sys.stdin.read()"], stdin=-1, stdout=-1) as child:
        child.stdout.readline()
        assert _tcpdrop.process(child.pid, NAME)[0] == os.getpid()
        child.communicate()


def test_the_wrapper_says_what_could_be_read():
    with Child(2, "told") as child:
        found = procfs.process(child.pid, NAME)
        assert (found.parent, found.value, found.complete) == (os.getpid(), b"told", True)
        assert found.sockets == procfs.socket_inodes(child.pid)


def test_by_parts_it_is_the_same():
    """The way of systems where the C module cannot tell."""
    with Child(2, "told") as child:
        one, other = procfs.process(child.pid, NAME), procfs._by_parts(child.pid, NAME)
        assert all(getattr(one, name) == getattr(other, name) for name in procfs.Process.__slots__)


@pytest.mark.parametrize("part", ["parent_of", "socket_inodes", "variable_of"])
def test_by_parts_one_that_cannot_be_read_leaves_it_incomplete(monkeypatch, part):
    """The processes above an unreadable parent are unknown, and not none."""

    def no(*_):
        raise PermissionError(errno.EACCES, "no")

    monkeypatch.setattr(procfs, part, no)
    assert not procfs._by_parts(os.getpid(), NAME).complete


def test_what_may_not_be_read_is_an_errno():
    """Nobody, who may count descriptors all the same: of our own process's he learns the parent."""
    needs(*NOBODY)
    code = f"from tcpdrop import _tcpdrop; print(*_tcpdrop.process({os.getpid()}, b'PATH'))"
    done = run(*NOBODY, sys.executable, "-I", "-c", code)
    assert (done.out, done.status) == (f"{os.getppid()} {-errno.EACCES} {-errno.EACCES}\n", 0)


def test_a_process_that_is_gone():
    with Child() as child:
        pid = child.pid
    with pytest.raises(OSError) as raised:
        _tcpdrop.process(pid, NAME)
    assert raised.value.errno == errno.ENOENT and raised.value.step == "/proc"


def test_nothing_is_left_open():
    before = os.listdir("/proc/self/fd")
    with socket.socket():
        for _ in range(50):
            _tcpdrop.process(os.getpid(), NAME)
            _tcpdrop.process(1, NAME)
    assert len(os.listdir("/proc/self/fd")) == len(before)
