# SPDX-License-Identifier: BSD-2-Clause
"""What no other test of the pure parsers comes by: make coverage."""

import pytest

from tcpdrop.errors import FilterError
from tcpdrop.filters import lexer, literal, parser, values
from tcpdrop.model import addresses, globs, spellings

pytestmark = pytest.mark.pure


def test_a_filter_is_text():
    with pytest.raises(TypeError, match="a filter is text, not int"):
        lexer.join([3])


def test_an_escape_beyond_unicode():
    with pytest.raises(FilterError, match="expected"):
        lexer.tokens('"\\U99999999"')


def test_words_of_other_protocols():
    with pytest.raises(FilterError, match="TCP connections are all there is here"):
        parser.parse("udp")


def test_what_is_no_measure_and_no_comparison():
    with pytest.raises(FilterError, match="'lport' is no measure"):
        literal.compared("lport", 1, "<")
    with pytest.raises(FilterError, match="'~' is not a comparison"):
        literal.compared("rtt", 1, "~")


def test_values_of_the_wrong_kind():
    with pytest.raises(TypeError, match="rtt cannot be"):
        literal.compared("rtt", 1.5, "<")
    with pytest.raises(ValueError, match="an address must stand before %"):
        values._without_dev("%lo")
    with pytest.raises(ValueError, match="is not a user id"):
        values.uid("99999999999")
    with pytest.raises(ValueError, match="a name is empty"):
        values.name("")
    with pytest.raises(ValueError, match="as IPv4"):
        addresses.pack_prefix("::ffff:192.0.2.1/96")


def test_patterns_are_not_kept_for_ever():
    for number in range(1100):
        assert globs.glob(f"a{number}*")(f"a{number}b")
    assert len(globs._GLOBS) <= 1001


@pytest.mark.parametrize("name", ["[ab]", "a[b", "[!a]", "a*[b]?"])
def test_a_name_that_is_spelled_as_a_pattern_is_found_by_it(name):
    """Whoever copies it means that process: a rule protects it."""
    assert globs.glob(name)(name) and not globs.glob(name)(f"{name}c")


def test_a_state_of_proc_is_one_number():
    with pytest.raises(ValueError, match="is not a state as /proc/net/tcp has it"):
        spellings._proc(["0:", "0100007F:0016", "0100007F:0017", "0A:1"])


def test_a_port_is_digits():
    with pytest.raises(ValueError, match="'x' is not a port number"):
        addresses.parse_port("x")


def test_bytes_that_are_no_text_come_back():
    for text in ("a\udcffb", "plain", "\\udczz"):
        assert addresses.typed_bytes(addresses.spelled_bytes(text)) == text
