# SPDX-License-Identifier: BSD-2-Clause
"""tcpdrop demo: the newcomer's first minute works for everybody and touches nothing else."""

import re

import pytest
from support import procnet
from support.backends import BACKENDS
from support.command import NO_CAPABILITIES, NOBODY, needs, tcpdrop

from tcpdrop import _tcpdrop

pytestmark = [pytest.mark.privileged, pytest.mark.only_on("linux", "sunos", reason="drops")]

SHOWN = r"""1\. A server listens on 127\.0\.0\.1 port (?P<port>\d+); two clients are connected to it\.
2\. The kernel lists the first as  ESTABLISHED 127\.0\.0\.1:(?P<client>\d+) 127\.0\.0\.1:(?P=port)
3\. We drop it{how}
       127\.0\.0\.1 (?P=client) 127\.0\.0\.1 (?P=port): dropped
4\. The client reads: (?P<fate>\w+Error): .+
   The server reads: {peer}
5\. The second client still talks to the server, and the server accepts new ones\.
"""
PEER = (
    "ConnectionResetError: Connection reset by peer"
    if BACKENDS[_tcpdrop.BACKEND].tells_peer
    else "nothing has come; here the peer is told when it next sends"
)
THE_REAL_WAY = r", as root would type it:  tcpdrop 127\.0\.0\.1 (?P=client) 127\.0\.0\.1 (?P=port)"
OWN_DESCRIPTOR = r" through its own descriptor, {why}:"


def shows(done, how, fate="ConnectionAbortedError"):
    assert (done.status, done.err) == (0, "")
    found = re.fullmatch(SHOWN.replace("{how}", how).replace("{peer}", PEER), done.out)
    assert found, done.out
    assert found["fate"] == fate
    return found


def test_as_root(holder):
    pair = holder.pair()
    listener = holder.listener()
    before = {s for s in procnet.sockets() if s.state in (1, 10)}
    done = tcpdrop("demo")
    shown = shows(done, THE_REAL_WAY)
    assert max(map(len, done.out.splitlines())) <= 80
    assert {s for s in procnet.sockets() if s.state in (1, 10)} == before
    assert not procnet.listeners(int(shown["port"]))
    assert pair.alive()
    listener.close()


WHO = {
    "an ordinary user": (NOBODY, "as the connection is our own; 'tcpdrop check' says what others' would take"),
    "root without capabilities": (NO_CAPABILITIES, "as this kernel or container allows"),
}


@pytest.mark.only_on("linux", reason="its own descriptor drops it")
@pytest.mark.parametrize("kind", WHO)
def test_without_any_right(holder, kind):
    """Its own connection needs none, on any Linux."""
    wrapper, why = WHO[kind]
    pair = holder.pair()
    shows(tcpdrop("demo", wrapper=needs(*wrapper)), OWN_DESCRIPTOR.replace("{why}", why), fate="ConnectionResetError")
    assert pair.alive()


@pytest.mark.only_on("linux", reason="an option of that kernel")
@pytest.mark.real_root
def test_on_a_kernel_without_destroy(holder, no_destroy):
    pair = holder.pair()
    shows(tcpdrop("demo", env=no_destroy), THE_REAL_WAY, fate="ConnectionResetError")
    assert pair.alive()


def test_twice_in_a_row():
    for _ in range(2):
        assert tcpdrop("demo").status == 0


def test_where_there_is_no_loopback():
    """A fresh namespace: one line, and no traceback."""
    done = tcpdrop("demo", wrapper=needs("unshare", "--net"))
    assert done.status == 3
    assert re.fullmatch(r"tcpdrop: .+\n", done.err), done.err
