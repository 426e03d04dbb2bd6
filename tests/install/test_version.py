# SPDX-License-Identifier: BSD-2-Clause
"""tools/version.py: every place that names the version is of one mind, before and after."""

import re
import shutil
import sys

import pytest
from support.command import run
from support.install import ROOT

pytestmark = pytest.mark.pure


@pytest.fixture
def tree(tmp_path):
    for name in ("tools/version.py", "tcpdrop/__init__.py", "debian/changelog", "contrib/tcpdrop.spec", "CHANGELOG.md"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    shutil.copytree(ROOT / "integrations", tmp_path / "integrations", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def version(tree, *arguments):
    return run(sys.executable, tree / "tools/version.py", *arguments)


def test_ours():
    done = version(ROOT)
    assert (done.status, done.err) == (0, "")


def test_a_new_one_is_set_everywhere(tree):
    old = version(tree).out.strip()
    assert version(tree, "7.8.9") == (0, "7.8.9\n", "")
    changelog = (tree / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(r"## Unreleased\n\n## 7\.8\.9 - \d{4}-\d\d-\d\d\n", changelog)
    # what is left of the old one is history
    for file in tree.rglob("*"):
        if file.is_file() and file.name not in ("changelog", "changelog.yaml", "CHANGELOG.md"):
            lines = [line for line in file.read_text(encoding="utf-8", errors="replace").splitlines() if old in line]
            assert all("version_added" in line or line.startswith("* ") for line in lines), (file, lines)


def test_a_place_that_was_forgotten(tree):
    file = tree / "contrib/tcpdrop.spec"
    file.write_text(file.read_text(encoding="utf-8").replace("Version:        ", "Version:        9"), encoding="utf-8")
    done = version(tree)
    assert done.status == 1
    assert "the places differ: " in done.err


@pytest.mark.parametrize("wrong", ["1", "v1.2.3", "1.2", "1.2.3.4", "one"])
def test_no_version(tree, wrong):
    assert version(tree, wrong).status == 1
