# SPDX-License-Identifier: BSD-2-Clause
"""What several tests of the command are given."""

import pytest
from support.command import needs
from support.rights import WHO
from support.service import Service


@pytest.fixture
def service(holder):
    """service(number) -> a listener with so many clients."""
    made = []

    def start(number, address="127.0.0.1"):
        made.append(Service(holder, number, address))
        return made[-1]

    yield start
    for each in made:
        each.close()


@pytest.fixture(params=WHO)
def powerless(request):
    """A user who may not drop what others have."""
    return needs(*WHO[request.param])
