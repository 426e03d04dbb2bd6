# SPDX-License-Identifier: BSD-2-Clause
"""Who has the other end of a pipe: somebody, certainly nobody, or that cannot be seen."""

import contextlib
import errno
import os
import resource
import socket
import subprocess
import sys

import pytest

from tcpdrop import _tcpdrop
from tcpdrop.system import kernel, procfs
from tcpdrop.system.relays import Relays, may_be_fifo

pytestmark = [pytest.mark.privileged, pytest.mark.only_on("linux", reason="descriptors of others are borrowed")]


@pytest.fixture
def child():
    with subprocess.Popen(["sleep", "60"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        yield process
        process.kill()


def inode(child, fd):
    return os.stat(f"/proc/{child.pid}/fd/{fd}").st_ino


@pytest.mark.parametrize(("fd", "name"), [(0, "stdin"), (1, "stdout")])
def test_a_pipe_is_cut_when_its_other_end_is_closed(child, fd, name):
    assert kernel.pipe_is_cut(child.pid, fd, inode(child, fd)) is False
    getattr(child, name).close()
    assert kernel.pipe_is_cut(child.pid, fd, inode(child, fd)) is True


def test_what_is_not_that_pipe(child):
    child.stdin.close()
    for pid, fd, number in ((child.pid, 0, inode(child, 1)), (child.pid, 99, 1), (child.pid, 2, inode(child, 2)), (2**22, 0, 1)):
        assert kernel.pipe_is_cut(pid, fd, number) is False
        with pytest.raises(OSError) as caught:
            _tcpdrop.pipe_is_cut(pid, fd, number)
        assert caught.value.errno in (errno.ENOENT, errno.EBADF, errno.ESRCH)


def test_what_is_no_pipe(child, tmp_path):
    os.mkfifo(tmp_path / "fifo")
    fifo = os.open(tmp_path / "fifo", os.O_RDWR)
    with open(tmp_path / "file", "w", encoding="utf-8") as file:
        us = os.getpid()
        assert [kernel.is_fifo(f"/proc/self/fd/{fd}") for fd in (file.fileno(), fifo, child.stdin.fileno())] == [False, True, True]
        assert [may_be_fifo(os.readlink(f"/proc/self/fd/{fd}"), f"/proc/{us}/fdinfo/{fd}") for fd in (file.fileno(), fifo)] == [False, True]
    os.close(fifo)
    assert kernel.is_fifo("/proc/self/fd/99999") is None  # what is not there any more may have been one


def test_what_is_no_pipe_is_told_without_a_descriptor_of_it(child, tmp_path):
    """To close a duplicate asks the file's file system (FUSE's FLUSH, NFS), which may be dead."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    with open(tmp_path / "file", "w", encoding="utf-8") as file:
        resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits[1]))
        try:
            found = [kernel.is_fifo(f"/proc/self/fd/{fd}") for fd in (file.fileno(), child.stdin.fileno())]
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert found == [False, True]


class Many:
    """A process with many descriptors, and one end of a pipe, a pair, a FIFO and a terminal."""

    SOURCE = """
import os, sys
os.dup2(int(sys.argv[1]), 3000)
fifo = os.open(sys.argv[2], os.O_RDWR | os.O_NONBLOCK)
for _ in range(2000):
    os.dup(2)
print(flush=True)
sys.stdin.read()
"""

    def __init__(self, write, fifo, *also):
        words = [sys.executable, "-I", "-c", self.SOURCE, str(write), str(fifo)]
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=[write, *also])
        self.process.stdout.readline()

    def stop(self):
        self.process.communicate()


@pytest.fixture
def many(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    read, write = os.pipe()
    one = Many(write, tmp_path / "fifo")
    yield one.process.pid, read, write, tmp_path / "fifo"
    one.stop()
    os.close(read)
    with contextlib.suppress(OSError):
        os.close(write)


@pytest.mark.parametrize("blind", [True, False])
def test_who_has_many_descriptors_is_looked_at_whoever_else_has_the_end(many, monkeypatch, blind):
    """Another may have inherited it, and hand on nothing; and what does not show is no reason to miss what does."""
    pid, read, write, _ = many
    monkeypatch.setattr(procfs, "some_are_hidden", lambda: blind)
    with subprocess.Popen(["sleep", "60"], pass_fds=[write]) as also:
        os.close(write)
        found = Relays([None]).partners(os.getpid(), inner=False, only=[read])
        also.kill()
    assert (found.givers, found.hidden) == ({pid, also.pid}, set())


def test_who_has_many_descriptors_is_not_looked_at_for_what_nobody_has(many, child, monkeypatch):
    """A pipe that is cut, a file, a TCP socket."""
    pid, looked, real = many[0], [], procfs.streams_of
    child.stdin.close()
    with socket.socket() as tcp, open(__file__, encoding="utf-8") as file:
        monkeypatch.setattr(procfs, "streams_of", lambda one: looked.append(one) or real(one))
        relays = Relays([None])
        relays.partners(child.pid, inner=False, only=[0])
        relays.partners(os.getpid(), inner=False, only=[tcp.fileno(), file.fileno()])
        assert relays.partners(child.pid, inner=False, only=[1]).takers  # one who takes what it writes is enough
        assert child.pid in looked and pid not in looked
        assert relays.partners(os.getpid(), inner=False, only=[child.stdout.fileno()]).givers and pid in looked


def test_many_shares_a_terminal_and_a_pair_with_another(many):
    """Of either the one that is seen may be none that hands it on."""
    master, slave = os.openpty()
    one, other = socket.socketpair()
    with one, other, subprocess.Popen(["sleep", "60"], pass_fds=[master, other.fileno()]) as also:
        big = Many(other.fileno(), many[3], master)
        os.close(master)
        other.close()
        found = Relays([None]).partners(os.getpid(), inner=False, only=[slave, one.fileno()])
        big.stop()
        also.kill()
    os.close(slave)
    assert found.shown == found.paired == {also.pid, big.process.pid}


def test_who_has_many_descriptors_may_have_opened_a_fifo_as_others_have(many):
    pid, _, _, path = many
    fifo = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    try:
        assert pid in Relays([None]).partners(os.getpid(), inner=False, only=[fifo]).givers
    finally:
        os.close(fifo)


def test_who_has_many_descriptors_is_read_once_it_is_asked_for(many):
    pid, _, _, path = many
    fifo = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    try:
        assert os.getpid() in Relays([None]).partners(pid, inner=False).givers
    finally:
        os.close(fifo)


def test_a_pipe_that_is_cut_hides_nobody(child, monkeypatch):
    """The command that an engine has told all: it keeps the pipe of which nobody has the other end."""
    monkeypatch.setattr(procfs, "some_are_hidden", lambda: True)
    real = procfs.streams_of
    monkeypatch.setattr(procfs, "streams_of", lambda pid: iter(()) if pid == os.getpid() else real(pid))
    assert Relays([None]).partners(child.pid, inner=True).hidden == {"beside"}  # this process has both, and is not seen
    child.stdin.close()
    child.stdout.close()
    assert Relays([None]).partners(child.pid, inner=True).hidden == set()


def test_a_thread_that_has_ended_hides_none_of_the_others(child, monkeypatch):
    """Its table was found, and is gone before it is read."""
    monkeypatch.setattr(kernel, "thread_tables", lambda pid: [2**22, pid])
    found = [fdinfo for _, fdinfo in procfs.streams_of(child.pid)]
    assert f"/proc/{child.pid}/task/{child.pid}/fdinfo/0" in found
