# SPDX-License-Identifier: BSD-2-Clause
"""Where no descriptor is to be had: no traceback, and never status 1, which says that nothing matched."""

import sys

import pytest
from support.command import line, run, words

pytestmark = [pytest.mark.privileged, pytest.mark.only_on("linux", reason="it drops on Linux")]

#: sh itself needs descriptors above these, so the limit comes after it
STARVED = """
import resource, sys
from tcpdrop.cli import main
resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[1]),) * 2)
sys.exit(main(sys.argv[2:]))
"""


@pytest.mark.parametrize("limit", [3, 4, 5])
@pytest.mark.parametrize("form", ["classic", "drop", "list"])
def test_no_descriptors_to_be_had(holder, limit, form):
    pair = holder.pair()
    args = {"classic": words(pair), "drop": ["drop", f"lport {pair.lport}"], "list": ["list", f"lport {pair.lport}"]}[form]
    done = run(sys.executable, "-I", "-c", STARVED, str(limit), *args)
    assert done.status in (0, 3, 4), done.err
    if done.status:
        assert pair.alive()
        assert line(pair) not in done.out
