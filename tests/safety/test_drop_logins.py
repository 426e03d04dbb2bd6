# SPDX-License-Identifier: BSD-2-Clause
"""When the operator's own login cannot be told, the one that comes later may be it."""

import pytest

from tcpdrop import Filter
from tcpdrop.engine.run import Run
from tcpdrop.filters.selection import select
from tcpdrop.safety import logins
from tcpdrop.safety.guard import Guard
from tcpdrop.system import procfs

pytestmark = [pytest.mark.privileged, pytest.mark.only_on("linux", reason="sessions are found by /proc")]


@pytest.fixture
def hidden(holder, monkeypatch):
    """As in tmux; and the holder is a login service."""
    monkeypatch.setattr(logins, "may_be_ours", lambda session: True)
    monkeypatch.setattr(logins, "LOGIN_SERVICES", frozenset([procfs.command_of(holder.pid)]))


def test_a_login_that_comes_between_two_rounds_is_spared(holder, hidden):
    """--for an hour, and the operator logs in again."""
    first = holder.pair()
    run = Run(Guard())
    assert run.guard.warning
    run.round(select(Filter.local_port(first.lport), droppable=True))
    again = holder.pair()
    run.round(select(Filter.local_port(again.lport), droppable=True))
    assert run.report.counts == {"protected": 2}
    assert first.alive()
    assert again.alive()
