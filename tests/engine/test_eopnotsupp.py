# SPDX-License-Identifier: BSD-2-Clause
"""A kernel without INET_DIAG_DESTROY, as tests/c/no_destroy.c plays it: said, never silent."""

import errno

import pytest

pytestmark = [pytest.mark.privileged, pytest.mark.only_on("linux", reason="an option of that kernel")]

TRY = """
import errno, sys
from tcpdrop import _tcpdrop
tup = bytes.fromhex(sys.argv[1]), int(sys.argv[2]), bytes.fromhex(sys.argv[3]), int(sys.argv[4])
gone = tup[:3] + (1,)
for call in (lambda: _tcpdrop.probe(), lambda: _tcpdrop.abort(*tup), lambda: _tcpdrop.abort(*gone)):
    try:
        call()
        print("ok", end=" ")
    except OSError as e:
        print(e.errno, e.step, end=" ")
print(len(_tcpdrop.lookup(*tup)), len(_tcpdrop.list_connections(0xffe)) > 1)
"""


def arguments(pair):
    laddr, lport, raddr, rport = pair.tuple
    return laddr.hex(), lport, raddr.hex(), rport


@pytest.mark.parametrize("family", ["inet", "inet6", "mapped"])
def test_it_is_said_and_the_connection_lives(holder, run, no_destroy, family):
    pair = holder.pair(family)
    said = run(TRY, *arguments(pair), env=no_destroy)
    missing, gone = str(errno.EOPNOTSUPP), str(errno.ENOENT)
    assert said.split() == [missing, "destroy", missing, "destroy", gone, "look-up", "96", "True"]
    assert pair.alive()


def test_the_same_calls_without_the_shim(holder, run):
    """The control: it is the shim that makes the difference."""
    pair = holder.pair()
    code = TRY.replace("print(len(_tcpdrop.lookup(*tup)), len(_tcpdrop.list_connections(0xffe)) > 1)", "")
    assert run(code, *arguments(pair)).split() == ["ok", "ok", str(errno.ENOENT), "look-up"]
    assert pair.sock.errno("recv", 1) == errno.ECONNABORTED
