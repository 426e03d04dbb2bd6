# SPDX-License-Identifier: BSD-2-Clause
"""Which sockets have a tuple: the same answer whether each interface is asked for or the table is looked through, and how often."""

import struct

import pytest
from support.command import line, tcpdrop
from support.sockets import if_nametoindex

from tcpdrop.model.four_tuple import FourTuple
from tcpdrop.model.rows import COOKIE
from tcpdrop.system import kernel, lookups
from tcpdrop.system.lookups import Lookups

pytestmark = [pytest.mark.privileged, pytest.mark.only_on("linux", reason="interfaces of Linux")]


@pytest.fixture(params=["exact", "table", "batch"])
def way(request, monkeypatch):
    """As beside few interfaces, beside thousands, and as of many lines."""
    if request.param != "exact":
        monkeypatch.setattr(lookups, "REQUESTS_FOR_ONE", 0)
        monkeypatch.setattr(lookups, "REQUESTS", 0)
    return request.param


def found(way, *quads):
    """The cookies of the sockets of each tuple."""
    look = Lookups()
    rows = look.rows_of_each(list(quads)) if way == "batch" else [look.rows(quad) for quad in quads]
    return [sorted(row[COOKIE] for row in some) for some in rows]


@pytest.mark.parametrize("family", ["inet", "inet6", "mapped"])
@pytest.mark.parametrize("device", [b"", b"lo"], ids=["unbound", "bound"])
def test_every_way_finds_the_same(holder, way, family, device):
    pair = holder.pair(family, device=device)
    here, there = FourTuple(*pair.tuple), FourTuple(*pair.mirrored)
    absent = FourTuple(pair.laddr, 1, pair.raddr, 2)
    one, other, none = found(way, here, there, absent)
    assert (len(one), len(other), none) == (1, 1, [])
    assert one != other
    assert found(way, here, here, absent) == [one, one, []]
    bound = [FourTuple(*pair.tuple, dev) for dev in ("lo", str(if_nametoindex("lo")), "25lo")]
    assert found(way, *bound) == [one if device else []] * 3


def test_an_interface_that_there_is_none_of(holder, way):
    pair = holder.pair()
    with pytest.raises(ValueError, match="there is no interface 'nosuch'"):
        found(way, FourTuple(*pair.tuple, "nosuch"), FourTuple(*pair.tuple))


def test_a_tuple_and_its_mirror_in_one_request(holder, way, asked):
    pair = holder.pair(device=b"lo")
    quad = FourTuple(*pair.tuple)
    (one,), (other,) = Lookups().with_mirror(quad)
    assert [[one[COOKIE]], [other[COOKIE]]] == found(way, quad, quad.mirror())
    assert Lookups().with_mirror(FourTuple(*pair.tuple, "lo")) == ([one], [other])
    asked.update(dict.fromkeys(asked, 0))
    assert Lookups().with_mirror(stale(1)[0]) == ([], [])
    assert asked == {
        "interfaces": 0,
        "ifindices": 1,
        **({"list_connections": 0, "look_up_each": 1} if way == "exact" else {"list_connections": 2, "look_up_each": 2}),
    }


@pytest.fixture
def asked(monkeypatch):
    """How often the kernel was asked for what."""
    counts = {"interfaces": 0, "ifindices": 0, "list_connections": 0, "look_up_each": 0}

    def counted(name):
        real = getattr(kernel, name)

        def call(*args, **kwargs):
            counts[name] += 1
            return real(*args, **kwargs)

        return call

    for name in counts:
        monkeypatch.setattr(kernel, name, counted(name))
    return counts


def stale(number):
    return [FourTuple(b"\x7f\0\0\1", 1 + place, b"\x7f\0\0\1", 9) for place in range(number)]


@pytest.mark.parametrize("number", [2000, 4000])
def test_many_stale_lines_are_one_look_and_one_request(asked, monkeypatch, number):
    """Each would otherwise be asked for on each of 3,000 interfaces."""
    real = kernel.ifindices
    monkeypatch.setattr(kernel, "ifindices", lambda *args, **kwargs: real(*args, **kwargs) + struct.pack("3000I", *range(1000, 4000)))
    assert Lookups().rows_of_each(stale(number)) == [[]] * number
    assert asked == {"interfaces": 0, "ifindices": 1, "list_connections": 1, "look_up_each": 1}


@pytest.mark.parametrize("number", [1, 100])
def test_few_lines_ask_no_dump(asked, number):
    """Exact requests never dump, however many sockets there are, and names of interfaces nobody needs."""
    assert Lookups().rows_of_each(stale(number)) == [[]] * number
    assert asked == {"interfaces": 0, "ifindices": 1, "list_connections": 0, "look_up_each": 1}


def test_two_thousand_lines_of_which_one_is_there(holder, tmp_path):
    pair = holder.pair(device=b"lo")
    file = tmp_path / "victims"
    file.write_text("".join(f"{quad}\n" for quad in stale(2000)) + f"{line(pair)}\n", encoding="utf-8")
    for options, word in (["-n"], "would drop"), ([], "dropped"):
        done = tcpdrop("drop", "--from", file, *options)
        assert (done.status, done.out) == (0, f"{line(pair)}: {word}\n")
        assert "2000 already gone" in done.err
    assert pair.state() is None
