# SPDX-License-Identifier: BSD-2-Clause
"""What --from makes of text that nobody expects: it is read, or refused with one line; never a traceback."""

import io
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tcpdrop.cli.saved import read
from tcpdrop.errors import Error, FilterError

pytestmark = pytest.mark.pure

ENTRY = {
    "local_addr": "127.0.0.1",
    "local_port": 1,
    "remote_addr": "127.0.0.1",
    "remote_port": 2,
    "cookie": "1f",
    "ifindex": 0,
    "netns": None,
}
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=8)
    | st.sampled_from([ENTRY, 1, "connection", "error", "summary", "check"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["schema", "type", "connections", "error", "summary", *ENTRY]), inner, max_size=5)
    ),
    max_leaves=8,
)
pieces = st.one_of(
    values.map(json.dumps),
    values.map(lambda value: json.dumps(value, indent=2)),
    st.text(max_size=12),
    st.sampled_from(
        ["\n", "{", "}", "[", "]", "[]", ",", ":", '"', "#", "\0", "\ufeff", "\ud800", "[::1]:1 [::1]:2", "{}", "\r\n", "NaN", "\x1b[31m"]
    ),
)


@settings(deadline=None)
@given(st.lists(pieces, max_size=6).map("".join))
def test_any_text_is_read_or_refused_with_one_line(tmp_path_factory, text):
    file = tmp_path_factory.getbasetemp() / "any"
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        found = read(str(file), None)
    except (FilterError, Error) as error:
        assert str(error).isprintable(), ascii(str(error))
        assert str(error).startswith("--from: ")
    else:
        assert all(one.local.port and one.remote.port for one in found)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("\n\n{", 3),
        ('{"schema": 1,\n "type": "summary"}\nx', 3),
        ('[\n{"schema": 1}\n]', 1),
        ('{"schema": 1, "type": "summary"}{"schema": 2}', 1),
        ('{"schema": 1, "type": "summary"}\n\n[1]', 3),
        ("# [\n[ ::1", 2),
        ('{"schema": 1, "connections": [{"local_addr": "::1"}]}', 1),
        ("\ufeff# one\r\n\ufeff# two\r\n\ufeffx", 3),  # files put together, each with its mark
        pytest.param("# one\n10.0.0.1%nosuch:1 10.0.0.2:2", 2, marks=pytest.mark.only_on("linux", reason="interfaces")),
        pytest.param("10.0.0.1%lo:1 10.0.0.2%7777:2", 1, marks=pytest.mark.only_on("linux", reason="interfaces")),
    ],
)
def test_the_line_that_is_named(tmp_path, text, line):
    file = tmp_path / "victims"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(FilterError, match=rf"^--from: line {line} cannot be read: "):
        read(str(file), None)


def test_what_is_nested_too_deeply_says_so(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b'{"a":' * 100_000)))
    with pytest.raises(FilterError, match=r"^--from: line 1 cannot be read: it is nested too deeply$"):
        read("-", None)
