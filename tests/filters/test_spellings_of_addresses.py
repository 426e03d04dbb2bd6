# SPDX-License-Identifier: BSD-2-Clause
"""An address in a filter or a selector, in the spellings that the classic form takes as well."""

import pytest

from tcpdrop import Filter

pytestmark = [pytest.mark.pure]

SAME = {
    "10.0.0.1": ["10.0.0.1/32", "::ffff:10.0.0.1", "::ffff:10.0.0.1/128", "[10.0.0.1]", " 10.0.0.1", "10.0.0.1 "],
    "10.0.0.1:443": ["10.0.0.1.443", "[10.0.0.1]:443", "10.0.0.1/32:443", "::ffff:10.0.0.1.443", "[::ffff:10.0.0.1]:443"],
    "2001:db8::1": ["2001:db8::1/128", "[2001:db8::1]", "2001:DB8:0::1", "[2001:db8::1]/128"],
    "[2001:db8::1]:443": ["2001:db8::1.443", "[2001:db8::1].443", "[2001:db8::1]/128:443"],
}


@pytest.mark.parametrize("plain", SAME)
def test_spellings_of_one_address(plain):
    for spelling in SAME[plain]:
        assert Filter.remote(spelling) == Filter.remote(plain), spelling
        assert Filter(f"remote {spelling}") == Filter.remote(plain), spelling
    assert Filter(str(Filter.remote(plain))) == Filter.remote(plain)


@pytest.mark.only_on("linux", reason="dev cannot be answered elsewhere")
@pytest.mark.parametrize(
    ("spelling", "text"),
    [
        ("fe80::1%va", "remote fe80::1 and dev va"),
        ("[fe80::1%va]:8080", "remote [fe80::1]:8080 and dev va"),
        ("[fe80::1]%va:8080", "remote [fe80::1]:8080 and dev va"),
        ("fe80::1%va:8080", "remote [fe80::1]:8080 and dev va"),
        ("[fe80::1]%eth0.100:8080", "remote [fe80::1]:8080 and dev eth0.100"),
        ("fe80::%va/64", "remote fe80::/64 and dev va"),
        ("[fe80::1%25va]:80", "remote [fe80::1]:80 and dev 25va"),
        ("10.0.0.1%lo:80", "remote 10.0.0.1:80 and dev lo"),
        ("10.0.0.1%2", "remote 10.0.0.1 and dev 2"),
    ],
)
def test_an_interface_behind_an_address_is_one_more_condition(spelling, text):
    assert Filter.remote(spelling) == Filter(f"remote {spelling}") == Filter(text)
    assert Filter.remote([spelling, "10.9.9.9"]) == Filter(f"remote 10.9.9.9 or ({text})")


def test_what_may_be_two_addresses_is_refused_with_both():
    with pytest.raises(
        ValueError, match=r"may be port 100 or interface eth0\.100: write 'fe80::1%eth0:100' or 'fe80::1' and dev eth0\.100"
    ):
        Filter.remote("fe80::1%eth0.100")
