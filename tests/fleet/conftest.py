# SPDX-License-Identifier: BSD-2-Clause
"""What the tests with the fleets' own engines are given; without an engine they are skipped and say so."""

import os

import pytest
from support import engine
from support.holder import Holder, fresh_ports
from support.named import named
from support.sshd import login, server

from tcpdrop import _tcpdrop

__all__ = ["ansible", "login", "named", "server", "service"]  # fixtures


def pytest_collection_modifyitems(items):
    if _tcpdrop.BACKEND != "linux":
        return  # skipped by their own marks
    why = engine.absent()
    if why is None:
        return
    assert os.environ.get("TCPDROP_REQUIRE_PRIVILEGED") != "1", why  # as in CI
    for item in items:
        if item.path.name.startswith("test_ansible"):
            item.add_marker(pytest.mark.skip(reason=why))


@pytest.fixture
def ansible(tmp_path):
    """The real engine, in a directory of its own."""
    return engine.Engine(tmp_path)


@pytest.fixture
def service():
    """service(number) -> a port, and the server's ends of so many connections to it, whose clients are witnesses."""
    with Holder() as holder:

        def connect(number=1, **how):
            port = fresh_ports()["port"]
            return port, [holder.pair(port=port, victim="server", **how) for _ in range(number)]

        yield connect
