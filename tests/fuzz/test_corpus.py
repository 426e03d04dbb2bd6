# SPDX-License-Identifier: BSD-2-Clause
"""The fuzzer's seeds, and each finding of its, through what it calls: the fuzzer itself is make fuzz."""

import random
from pathlib import Path

import pytest
from targets import TARGETS

CORPUS = Path(__file__).parent / "corpus"

pytestmark = pytest.mark.pure


@pytest.mark.parametrize("name", TARGETS)
def test_the_corpus(name):
    files = sorted((CORPUS / name).iterdir())
    assert files
    for file in files:
        data = file.read_bytes()
        TARGETS[name](data)
        for cut in range(0, len(data), max(1, len(data) // 16)):  # and some of its beginnings
            TARGETS[name](data[:cut])


@pytest.mark.parametrize("name", TARGETS)
def test_pieces_of_the_corpus_put_together(name):
    """A little of what the fuzzer does, where there is none; always the same."""
    files = [file.read_bytes() for file in sorted((CORPUS / name).iterdir())]
    chance = random.Random(name)
    for _ in range(150):
        first, second = chance.choice(files), chance.choice(files)
        data = bytearray(first[: chance.randrange(len(first) + 1)] + second[chance.randrange(len(second) + 1) :])
        if data:
            data[chance.randrange(len(data))] = chance.choice(b"\0\n \"'#%:.[]0\xff")
        TARGETS[name](bytes(data))


def test_each_directory_is_a_target_s():
    assert {place.name for place in CORPUS.iterdir()} == set(TARGETS)
