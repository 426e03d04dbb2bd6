# SPDX-License-Identifier: BSD-2-Clause
"""The table of the filter language: each row does what it says, and there is no other list of its words."""

import shlex

import pytest

from tcpdrop.cli import options
from tcpdrop.errors import FilterError
from tcpdrop.filters import Filter, from_selectors, literal
from tcpdrop.filters.filter import SELECTORS
from tcpdrop.filters.nodes import walk
from tcpdrop.filters.parser import parse
from tcpdrop.filters.vocabulary import COMPARED, KEYWORDS, LIST, NOTHING, PORTS, SYSTEMS, WORDS, refusal

pytestmark = pytest.mark.pure

ROWS = list(dict.fromkeys(WORDS.values()))
each = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)


@each
@pytest.mark.parametrize("system", SYSTEMS)
def test_its_example_is_answered_on_its_systems_and_refused_elsewhere(row, system):
    if system not in row.systems:
        with pytest.raises(FilterError, match=f"^{row.name} cannot be answered on {SYSTEMS[system]}$"):
            parse(row.example, system)
        return
    node = parse(row.example, system)
    assert {predicate.word for predicate, _ in walk(node)} == {"state" if row.name == "exclude" else row.name}
    assert parse(str(node), system) == node and refusal(node, system) == ""


@each
def test_its_aliases_mean_the_same(row):
    for alias in row.aliases:
        assert row.example.startswith(row.name) and WORDS[alias] is row
        assert parse(row.example.replace(row.name, alias, 1), "any") == parse(row.example, "any")


@each
def test_it_takes_what_it_says(row):
    for text, works in (
        (row.name, row.takes == NOTHING),
        (f"{row.name} =", False),
        (row.example, True),
        (f"{row.example},", False),
    ):
        if works:
            parse(text, "any")
        else:
            with pytest.raises(FilterError):
                parse(text, "any")
    word, *value = shlex.split(row.example)
    comparable = row.takes in (PORTS, COMPARED)
    if comparable or row.takes == NOTHING:
        return
    with pytest.raises(FilterError, match=f"{word} takes no operator"):
        parse(f"{word} = {value[0]}", "any")


@each
def test_the_literal_constructor_makes_what_the_language_does(row):
    if not row.keyword or row.takes == NOTHING:
        return
    _, *rest = shlex.split(row.example)
    if row.takes == COMPARED:
        assert literal.compared(row.keyword, rest[1], rest[0]) == parse(row.example, "any")
        return
    if row.takes == PORTS and len(rest) == 2:
        rest = ["80,1000-2000"]
    given = rest[0].split(",") if row.takes in (LIST, PORTS) else rest[0]
    assert literal.made(row.keyword, given) == parse(f"{row.name} {shlex.join([rest[0]])}", "any")


def test_keywords_are_those_of_the_library_and_of_the_options():
    assert set(SELECTORS) < set(KEYWORDS)
    assert set(SELECTORS) | {"idle", "age"} == options.SELECTORS
    with pytest.raises(TypeError, match=", ".join(SELECTORS)):
        from_selectors(local="10.0.0.1")


@pytest.mark.parametrize("word", ["lport", "inode", "mine", "exclude", "", "remote_addr"])
def test_what_is_no_measure_is_a_filter_error(word):
    with pytest.raises(FilterError, match=r"is no measure; there are idle, age, rtt, .*retrans$"):
        Filter.measure(word, 1)
