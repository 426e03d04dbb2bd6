# SPDX-License-Identifier: BSD-2-Clause
"""By which device the operator comes: where the kernel does not say, nobody says that it is no tunnel."""

import errno

import pytest

from tcpdrop import NotPermitted
from tcpdrop.model.rows import ends_of
from tcpdrop.safety.session import OwnSession
from tcpdrop.safety.ways_in import follow_everywhere
from tcpdrop.system import kernel

pytestmark = pytest.mark.only_on("linux", reason="tells routes")


@pytest.mark.parametrize("told", [True, False])
def test_a_route_that_may_not_be_asked_makes_the_carrier_unknown(holder, monkeypatch, told):
    pair = holder.pair()
    session = OwnSession()
    session.add(holder.pid)
    assert pair.tuple in {ends_of(row) for row, _ in session.rows()}

    def refuse(*_):
        raise NotPermitted("not permitted", errno=errno.EPERM)

    if not told:
        monkeypatch.setattr(kernel, "routes", refuse)
    follow_everywhere(session)
    assert session.relay_unseen == ("" if told else "by which device your connection comes cannot be told: not permitted")
