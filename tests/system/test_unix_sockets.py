# SPDX-License-Identifier: BSD-2-Clause
"""UNIX sockets on a kernel without unix_diag: what has a name was connected to, and by whom cannot be seen."""

import contextlib
import os
import socket
import sys

import pytest
from support.command import run

from tcpdrop.errors import NotFound
from tcpdrop.system import kernel, procfs
from tcpdrop.system.relays import Relays

pytestmark = pytest.mark.only_on("linux", reason="elsewhere these do not show")


@pytest.fixture
def three(tmp_path):
    """What a listener accepted, who has connected to it, and one of a pair."""
    with contextlib.ExitStack() as opened:
        listener = opened.enter_context(socket.socket(socket.AF_UNIX))
        listener.bind(f"{tmp_path}/a name")
        listener.listen()
        client = opened.enter_context(socket.socket(socket.AF_UNIX))
        client.connect(listener.getsockname())
        server, _ = listener.accept()
        opened.enter_context(server)
        one, other = socket.socketpair()
        opened.enter_context(one)
        opened.enter_context(other)
        yield server, client, one


@pytest.fixture
def no_unix_diag(monkeypatch):
    def refuse(scope=None):
        raise NotFound("not found")

    monkeypatch.setattr(kernel, "unix_sockets", refuse)


def inode(sock):
    return os.fstat(sock.fileno()).st_ino


def test_proc_tells_all_but_the_peers(three):
    numbers = [inode(sock) for sock in three]
    by_proc = {number: (peer, named) for number, peer, named in procfs.unix_sockets()}
    by_kernel = {number: named for number, _, named in kernel.unix_sockets()}
    assert [by_proc[number] for number in numbers] == [(None, True), (None, False), (None, False)]
    assert [by_kernel[number] for number in numbers] == [True, False, False]


def test_a_name_of_a_space_is_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as client:
        listener.bind(" ")
        listener.listen()
        client.connect(" ")
        with listener.accept()[0] as server:
            assert (inode(server), None, True) in procfs.unix_sockets()


def test_a_name_forges_no_socket_that_has_none(three):
    """The name of a socket stands there as it is, with the ends of its lines."""
    victim = inode(three[0])
    with socket.socket(socket.AF_UNIX) as forger:
        forger.bind(f"\0x\n0: 00000003 00000000 00000000 0001 03 {victim}\n0: x 03\n: 3 0 0 1 03 x\n")
        assert (victim, None, True) in procfs.unix_sockets()


def test_nobody_who_came_is_taken_for_nobody(three, no_unix_diag):
    relays, us = Relays([None]), os.getpid()
    hidden = [relays.partners(us, inner=False, only=[sock.fileno()]).hidden for sock in three]
    assert hidden == [{"came"}, {"beside", "asked"}, {"beside", "asked"}]


def test_another_namespace_whose_sockets_are_not_told(three, no_unix_diag):
    with open("/proc/thread-self/ns/net", "rb") as namespace:
        found = Relays([namespace.fileno()]).partners(os.getpid(), inner=False, only=[three[0].fileno()])
    assert found.unknown == {inode(three[0])}


WITHOUT = """
import sys
from tcpdrop import _tcpdrop
def refuse(scope=None):
    error = FileNotFoundError(2, "No such file or directory")
    error.step = "dump of UNIX sockets"
    raise error
_tcpdrop.unix_sockets = refuse
from tcpdrop.cli import command
command()
"""


@pytest.mark.privileged
def test_a_selection_says_that_who_came_cannot_be_seen(three, holder):
    pair = holder.pair()
    done = run(sys.executable, "-I", "-c", WITHOUT, "drop", "-n", "lport", str(pair.lport))
    assert "who has connected to a process above this one by a UNIX socket cannot be seen" in done.err
    for sock in three:
        sock.close()
