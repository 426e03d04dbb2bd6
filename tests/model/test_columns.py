# SPDX-License-Identifier: BSD-2-Clause
"""Many rows at once give what each row gives: columns, and the lines that C makes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcpdrop import _tcpdrop
from tcpdrop.model.columns import column, picked
from tcpdrop.model.connection import Connection
from tcpdrop.model.rows import COOKIE, LADDR, LPORT, ROW, ROW_FIELDS, RPORT, packed_addr, reader

octets = st.binary(min_size=4, max_size=4)
MAPPED = bytes(10) + b"\xff\xff"
v4 = octets.map(lambda address: (4, address + bytes(12)))
mapped = octets.map(lambda address: (6, MAPPED + address))
v6 = st.one_of(st.binary(min_size=16, max_size=16), st.sampled_from([bytes(16), bytes(15) + b"\1", bytes(12) + b"\x7f\0\0\1"])).map(
    lambda address: (6, address)
)

any_end = st.one_of(v4, mapped, v6)


@st.composite
def packed_rows(draw, ends=any_end):
    def one():
        family, laddr = draw(ends)
        raddr = draw(ends.filter(lambda end: end[0] == family))[1]
        row = draw(st.tuples(*[st.integers(0, 2**size - 1) for size in (64, 64, 64, 64, 16, 16)]))
        rest = draw(st.tuples(*[st.integers(0, 2**size - 1) for size in (8, 8, 8, *[32] * 8)]))
        return ROW.pack(laddr, raddr, *row, family, *rest)

    return b"".join(one() for _ in range(draw(st.integers(0, 5))))


@given(packed_rows())
def test_a_column_is_that_field_of_each_row(data):
    rows = list(ROW.iter_unpack(data))
    for place in range(len(ROW_FIELDS)):
        assert list(column(data, place)) == [row[place] for row in rows]


@given(packed_rows(), st.sets(st.integers(0, len(ROW_FIELDS) - 1)).map(sorted))
def test_several_fields_of_each_row(data, places):
    assert list(reader(*places).iter_unpack(data)) == [tuple(row[place] for place in places) for row in ROW.iter_unpack(data)]


@given(st.lists(st.integers()), st.data())
def test_picked_is_each_value_by_its_number(values, data):
    step = data.draw(st.sampled_from([1, 2, 3, 7, -1]))
    numbers = range(len(values))[::step]
    for some in (numbers, list(numbers)):
        assert list(picked(values, some)) == [values[number] for number in numbers]


@given(packed_rows(), st.sampled_from([b"", b": dropped"]))
def test_lines_are_what_a_connection_says_of_itself(data, behind):
    lines = _tcpdrop.classic_lines(data, behind).split(b"\n") if data else []
    assert [line.decode() for line in lines] == [f"{Connection(row)}{behind.decode()}" for row in ROW.iter_unpack(data)]


def test_the_longest_line():
    longest = bytes.fromhex("1111") * 8
    data = ROW.pack(longest, longest, 0, 0, 0, 0, 65535, 65535, 6, *[0] * 11)
    end = ":".join(["1111"] * 8)
    assert _tcpdrop.classic_lines(data * 3) == b"\n".join([f"{end} 65535 {end} 65535".encode()] * 3)
    row = ROW.unpack(data)
    assert row[LPORT] == row[RPORT] == 65535
    assert packed_addr(row, LADDR) == longest


@pytest.mark.parametrize("rows", [b"x", bytes(ROW.size - 1), bytes(ROW.size + 1)])
def test_half_a_row_is_refused(rows):
    with pytest.raises(ValueError, match="not a whole number of packed rows"):
        _tcpdrop.classic_lines(rows)


def test_no_rows_no_lines():
    assert _tcpdrop.classic_lines(b"", b": dropped") == b""
    assert list(column(b"", COOKIE)) == [] == list(reader(LADDR).iter_unpack(b""))
