# SPDX-License-Identifier: BSD-2-Clause
"""Who has the other end of a pipe: somebody, certainly nobody, or that cannot be seen."""

import errno
import os
import subprocess

import pytest

from tcpdrop import _tcpdrop
from tcpdrop.system import kernel, procfs
from tcpdrop.system.relays import Relays

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


def test_a_pipe_that_is_cut_hides_nobody(child, monkeypatch):
    """The command that an engine has told all: it keeps the pipe of which nobody has the other end."""
    monkeypatch.setattr(procfs, "some_are_hidden", lambda: True)
    real = procfs.streams_of
    monkeypatch.setattr(procfs, "streams_of", lambda pid: iter(()) if pid == os.getpid() else real(pid))
    assert Relays([None]).partners(child.pid, inner=True).hidden == {"beside"}  # this process has both, and is not seen
    child.stdin.close()
    child.stdout.close()
    assert Relays([None]).partners(child.pid, inner=True).hidden == set()
