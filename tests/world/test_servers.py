# SPDX-License-Identifier: BSD-2-Clause
"""The main job against real servers: the sessions of one client are dropped, everybody else works on."""

from pathlib import Path

import pytest
from support import procnet
from support.servers import Pool, nginx, postgres, redis

from tcpdrop import cli

pytestmark = [pytest.mark.privileged, pytest.mark.only_on("linux", reason="servers of a Linux distribution")]

ONE, OTHER = "127.7.0.1", "127.7.0.2"


@pytest.fixture
def tcpdrop(capsys):
    """The command in this very process: the clients are ours, and a child would spare its parent's connections."""

    def call(*args):
        status = cli.main([str(arg) for arg in args])
        return status, *capsys.readouterr()

    return call


@pytest.mark.parametrize("server", [redis, nginx, postgres], ids=lambda server: server.__name__)
def test_the_sessions_of_one_client_are_dropped_and_everybody_else_works_on(server, tmp_path_factory, tcpdrop):
    with server(tmp_path_factory.mktemp(server.__name__)) as (kind, port, process):
        pool = Pool(kind, ONE, port, 5)
        others = [kind(OTHER, port) for _ in range(5)]
        assert all(pool.ask() for _ in range(5))
        assert all(other.ask() for other in others)
        ports = [client.port for client in pool.idle]

        status, out, err = tcpdrop("drop", "lport", port, "remote", ONE)
        assert status == 0, err
        assert sorted(out.splitlines()) == sorted(f"127.0.0.1 {port} {ONE} {client}: dropped" for client in ports)

        # The server lives, those of the other client never notice, and the pool mends itself.
        assert process.poll() is None
        assert len(procnet.listeners(port)) == 1
        assert all(other.ask() for other in others)
        assert all(pool.ask() for _ in range(10))
        assert pool.broken == 5

        # Only some of them, and again.
        assert tcpdrop("drop", "--limit=2", "--order=idlest", "lport", port, "remote", ONE)[1].count(": dropped\n") == 2
        assert all(pool.ask() for _ in range(10))
        assert pool.broken == 7
        assert all(other.ask() for other in others)
        for client in (*others, pool):
            client.close()


def test_by_the_name_of_the_process(tmp_path, tcpdrop):
    with redis(tmp_path) as (kind, port, process):
        client = kind(ONE, port)
        assert client.ask()
        name = Path(f"/proc/{process.pid}/comm").read_text(encoding="ascii").strip()
        assert tcpdrop("drop", "comm", name)[0] == 0
        with pytest.raises(OSError):
            client.ask()
        client.close()
        again = kind(ONE, port)
        assert again.ask()
        again.close()
