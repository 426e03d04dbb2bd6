# SPDX-License-Identifier: BSD-2-Clause
"""The listing as _tcpdrop hands it out: a sequence of packed rows."""

import struct
import sys

import pytest

from tcpdrop import _tcpdrop
from tcpdrop.model.rows import ESTABLISHED, INFO, ROW, STATE


@pytest.fixture
def table(holder):
    pairs = [holder.pair() for _ in range(3)]
    table = _tcpdrop.list_connections(1 << ESTABLISHED)
    assert len(table) >= 6
    yield table
    for pair in pairs:
        pair.close()


def test_table_is_a_sequence_of_bytes(table):
    assert table.stride == ROW.size == len(table[0])
    assert list(table) == [table[i] for i in range(len(table))]
    assert b"".join(table) == table.tobytes()
    assert table[-1] == table[len(table) - 1]
    assert table[-len(table)] == table[0] == table[False]
    assert table[0] in table
    assert _tcpdrop.list_connections(2, details=1).stride == ROW.size + INFO.size


@pytest.mark.parametrize("index", [10**6, -(10**6)])
def test_table_index_out_of_range(table, index):
    with pytest.raises(IndexError):
        table[index]
    with pytest.raises(IndexError):
        table[len(table)]
    with pytest.raises(IndexError):
        table[-len(table) - 1]
    with pytest.raises(IndexError):
        table[2**80]
    for wrong in (1.0, "1", None, slice(1)):
        with pytest.raises(TypeError):
            table[wrong]


def test_table_cannot_be_changed(table):
    for change in (
        lambda: table.__setitem__(0, b""),
        lambda: table.__delitem__(0),
        lambda: setattr(table, "stride", 1),
        lambda: table.append(b""),
    ):
        with pytest.raises((TypeError, AttributeError)):
            change()
    with pytest.raises(TypeError):
        table[0] = b""
    with pytest.raises(TypeError):
        memoryview(table)


def test_table_comes_only_from_a_listing():
    with pytest.raises(TypeError):
        _tcpdrop.Table()


@pytest.mark.skipif(sys.implementation.name == "pypy", reason="PyPy gives every type of C attributes and subclasses")
def test_table_is_closed(table):
    with pytest.raises(AttributeError):
        table.new = 1
    with pytest.raises(TypeError):
        type("Mine", (_tcpdrop.Table,), {})
    if sys.version_info >= (3, 10):
        with pytest.raises(TypeError):
            _tcpdrop.Table.mine = 1


def test_empty_table():
    table = _tcpdrop.list_connections(0)
    assert len(table) == 0
    assert list(table) == []
    assert table.tobytes() == b""
    with pytest.raises(IndexError):
        table[0]


def test_rows_outlive_their_table(holder):
    holder.pair()
    table = _tcpdrop.list_connections(1 << ESTABLISHED)
    rows, copies = list(table), [bytes(bytearray(row)) for row in table]
    del table
    assert rows == copies
    assert {ROW.unpack(row)[STATE] for row in rows} == {ESTABLISHED}


def test_abort_rows_checks_its_indices(table):
    for indices, kind in ((b"\0", ValueError), (struct.pack("=I", len(table)), IndexError), (struct.pack("=I", 2**32 - 1), IndexError)):
        with pytest.raises(kind):
            _tcpdrop.abort_rows(table, indices)
    for wrong in ([], None, b"", _tcpdrop):
        with pytest.raises(TypeError):
            _tcpdrop.abort_rows(wrong, b"")
