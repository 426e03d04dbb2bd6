# SPDX-License-Identifier: BSD-2-Clause
"""Wheels of this tree, made once."""

import os
import re
import shutil
import sys

import pytest
from support.install import ROOT, pip, sources


@pytest.fixture(scope="session")
def source(tmp_path_factory):
    return sources(tmp_path_factory.mktemp("source") / "tree")


@pytest.fixture(scope="session")
def wheels(source, tmp_path_factory):
    """{"abi3": for every CPython, "own": for this one}"""
    place = tmp_path_factory.mktemp("wheels")
    for name, limited in (("abi3", "1"), ("own", "")):
        env = {"TCPDROP_LIMITED_API": limited, "TCPDROP_BACKEND": os.environ.get("TCPDROP_BACKEND", "")}
        shutil.rmtree(source / "build", ignore_errors=True)  # setuptools would take the other module from there
        pip(sys.executable, "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", place / name, source, env=env)
    return {name: next((place / name).glob("*.whl")) for name in ("abi3", "own")}


@pytest.fixture(scope="session")
def version():
    return re.search(r'__version__ = "(.*)"', (ROOT / "tcpdrop/__init__.py").read_text(encoding="utf-8"))[1]
