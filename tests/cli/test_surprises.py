# SPDX-License-Identifier: BSD-2-Clause
"""What nobody plans for: no traceback, and never status 1, which says that nothing matched."""

import json
import os
import sys

import pytest
from support.command import line, run, tcpdrop, words

pytestmark = [pytest.mark.privileged, pytest.mark.only_on("linux", reason="it drops on Linux")]

#: sh itself needs descriptors above these, so the limit comes after it
STARVED = """
import resource, sys
from tcpdrop.cli import main
resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[1]),) * 2)
sys.exit(main(sys.argv[2:]))
"""


def test_standard_input_that_cannot_be_read():
    fd = os.open(os.devnull, os.O_WRONLY)
    try:
        done = tcpdrop("drop", "--from", "-", stdin=fd)
    finally:
        os.close(fd)
    assert (done.status, done.out, done.err) == (2, "", "tcpdrop: --from -: Bad file descriptor\n")


@pytest.mark.parametrize("bad", [[], {}, None, 7, True, ["127.0.0.1"]], ids=json.dumps)
@pytest.mark.parametrize("key", ["local_addr", "remote_addr", "local_port", "cookie", "netns", "ifindex", "schema", "type"])
def test_a_line_with_a_value_of_another_kind(tmp_path, key, bad):
    entry = {"schema": 1, "type": "connection", "local_addr": "127.0.0.1", "local_port": 1, "remote_addr": "127.0.0.1", "remote_port": 2}
    entry = {**entry, "cookie": "1f", "netns": None, "ifindex": 0, key: bad}
    file = tmp_path / "victims"
    file.write_text(json.dumps(entry))
    done = tcpdrop("drop", "--from", file)
    assert "Traceback" not in done.err
    assert (done.status, done.out) in ((1, ""), (2, ""))


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
