# SPDX-License-Identifier: BSD-2-Clause
"""The pictures of the README: the script that makes them runs, and what they show is what the program says."""

import html
import inspect
import re
import sys
from pathlib import Path

import pytest
from support.command import needs, run

from tcpdrop.cli import check

pytestmark = [pytest.mark.privileged, pytest.mark.only_on("linux", reason="the pictures are of Linux")]

ROOT = Path(__file__).resolve().parents[2]
PICTURES = ROOT / "docs" / "pictures"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The pictures of this program."""
    needs("unshare", "-nm", "sh", "-c", 'ip link >/dev/null && "$@"', "sh")
    place = tmp_path_factory.mktemp("pictures")
    done = run(sys.executable, ROOT / "tools" / "pictures.py", place, timeout=120)
    assert done.status == 0, done.err
    return place


def lines(file):
    """What stands in a picture, line by line: numbers are each run's own."""
    rows = {}
    for height, text in re.findall(r'<text x="[^"]+" y="(\d+)"[^>]*>([^<]*)</text>', file.read_text(encoding="utf-8")):
        rows[height] = rows.get(height, "") + html.unescape(text)
    return [re.sub(r"[\d.]+k?", "0", " ".join(row.split())) for row in rows.values()]


@pytest.mark.parametrize("name", ["question", "top"])
def test_a_picture_shows_what_the_program_says(made, name):
    assert sorted(lines(PICTURES / f"{name}.svg")) == sorted(lines(made / f"{name}.svg")), "make pictures"


def test_the_picture_of_check_has_the_program_s_words(made):
    """What is said of a host is that host's own."""
    assert lines(made / "check.svg")[0] == lines(PICTURES / "check.svg")[0] == "# tcpdrop check"
    found = re.findall(r">([a-z][a-z ]{3,15}?) {2,}\S", (PICTURES / "check.svg").read_text(encoding="utf-8"))
    assert {"system", "list", "session", "works here"} <= set(found)
    assert all(f'"{label} ' in inspect.getsource(check) for label in found), found


def test_no_path_of_a_machine_is_in_a_picture():
    for file in PICTURES.glob("*.svg"):
        text = re.sub(r"<svg [^>]*>|</\w+>|/>", "", file.read_text(encoding="utf-8"))
        assert not [path for path in re.findall(r"(?<![\w.])/[\w/.-]+", text) if not path.startswith(("/opt/tcpdrop/", "/N"))], file


def test_the_readme_shows_each():
    shown = re.findall(r"!\[[^\]]+\]\(docs/pictures/(\w+)\.svg\)", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert sorted(shown) == sorted(file.stem for file in PICTURES.glob("*.svg"))
