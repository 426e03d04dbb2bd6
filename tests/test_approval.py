# SPDX-License-Identifier: BSD-2-Clause
"""Never more than was approved: bounds, limits and questions, however a run is asked for."""

import pytest
from support.command import line, tcpdrop

import tcpdrop as package

pytestmark = [pytest.mark.privileged, pytest.mark.only_on("linux", reason="what is dropped is Linux's here")]


def lport(pairs):
    return "lport " + ",".join(str(pair.lport) for pair in pairs)


def test_a_limit_binds_what_is_read_from_a_file(holder, tmp_path):
    pairs = [holder.pair(), holder.pair()]
    file = tmp_path / "victims"
    file.write_text("".join(f"{line(pair)}\n" for pair in pairs))
    done = tcpdrop("drop", "--from", file, "--limit", "1")
    assert (done.status, done.out) == (0, f"{line(pairs[0])}: dropped\n")
    assert pairs[1].alive()


def test_an_order_needs_what_a_file_does_not_have(holder, tmp_path):
    pair = holder.pair()
    file = tmp_path / "victims"
    file.write_text(f"{line(pair)}\n")
    assert tcpdrop("drop", "--from", file, "--order", "oldest").status == 2
    assert pair.alive()


@pytest.mark.parametrize("limit", [-1, True, "1", 1.5])
def test_a_limit_that_is_no_number_of_connections(holder, limit):
    """[:-1] would be all but one of them."""
    pairs = [holder.pair(), holder.pair()]
    with pytest.raises((TypeError, ValueError)):
        package.drop(lport(pairs), limit=limit)
    assert all(pair.alive() for pair in pairs)


@pytest.mark.parametrize("option", ["-4", "-6"])
def test_a_family_alone_is_no_selection(holder, option):
    """`drop -4 $UNSET` must not be every IPv4 connection of the host."""
    pair = holder.pair()
    done = tcpdrop("drop", option)
    assert (done.status, done.out) == (2, "")
    assert "nothing is selected" in done.err
    assert pair.alive()
