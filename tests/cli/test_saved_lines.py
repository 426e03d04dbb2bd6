# SPDX-License-Identifier: BSD-2-Clause
"""Lines that name connections: what -l prints and --from reads means the same socket as before."""

import pytest
from support.command import COMMAND, line, run, tcpdrop

pytestmark = [pytest.mark.privileged, pytest.mark.only_on("linux", reason="interfaces and network namespaces of Linux")]


@pytest.fixture
def saved(tmp_path):
    """Write lines to a file: --from and its name."""

    def write(*lines):
        file = tmp_path / "victims"
        file.write_text("".join(f"{one}\n" for one in lines))
        return "--from", file

    return write


@pytest.mark.parametrize("dev", ["", "%lo"])
def test_a_socket_bound_to_an_interface_is_found(holder, saved, dev):
    pair = holder.pair(device=b"lo")
    text = line(pair).replace("127.0.0.1 ", f"127.0.0.1{dev} ", 1)
    assert tcpdrop("drop", *saved(text)) == (0, f"{line(pair)}: dropped\n", "")


def test_an_interface_that_there_is_none_of(holder, saved):
    pair = holder.pair()
    assert tcpdrop("drop", *saved(line(pair).replace("127.0.0.1 ", "127.0.0.1%nodev ", 1)))[:2] == (2, "")
    assert pair.alive()


def test_commands_for_another_namespace_say_so(holder, other_namespace, saved):
    """The same tuple may be another connection here."""
    theirs, _ = other_namespace
    pair = theirs.pair()
    done = tcpdrop("drop", "-l", f"--netns={theirs.pid}", f"lport {pair.lport}")
    assert (done.status, done.out) == (0, f"tcpdrop --netns={theirs.pid} {line(pair)}\n")
    assert tcpdrop("drop", *saved(done.out.strip()), "-n")[:2] == (0, f"{line(pair)}: would drop\n")
    assert run("sh", "-c", done.out.replace("tcpdrop", str(COMMAND), 1))[:2] == (0, f"{line(pair)}: dropped\n")
