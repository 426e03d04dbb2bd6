# SPDX-License-Identifier: BSD-2-Clause
"""pip, without an index and without our own configuration; and what it builds from."""

import os
import shutil
import sys
from pathlib import Path

from .command import run

ROOT = Path(__file__).resolve().parents[2]
#: the interpreter that made the venv of these tests
BASE = Path(sys.base_prefix, "bin", f"python{sys.version_info[0]}.{sys.version_info[1]}")
SYSTEM = Path("/usr/bin/python3")

#: pip neither asks an index nor reads a file of settings, and installs where it is told
PIP = {
    "PIP_NO_INDEX": "1",
    "PIP_CONFIG_FILE": os.devnull,
    "PIP_CONSTRAINT": "",
    "PIP_BREAK_SYSTEM_PACKAGES": "1",
    "PIP_ROOT_USER_ACTION": "ignore",
}


def sources(place):
    """A copy of what the build reads; pip leaves build/ in a source tree."""
    place.mkdir(parents=True)
    for name in ("src", "tcpdrop", "integrations", "docs", "bin", "tests/sim"):
        shutil.copytree(ROOT / name, place / name, ignore=shutil.ignore_patterns("__pycache__", "*.so"))
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE", "MANIFEST.in"):
        shutil.copy(ROOT / name, place)
    return place


def pip(python, *arguments, env=None, wrapper=(), **how):
    """pip for that interpreter; its own, or ours where it has none (--python)."""
    own = run(python, "-m", "pip", "--version").status == 0
    command = [python, "-m", "pip"] if own else [sys.executable, "-m", "pip", "--python", python]
    done = run(*wrapper, *command, "--disable-pip-version-check", *arguments, env={**PIP, **(env or {})}, **{"timeout": 300, **how})
    assert done.status == 0, done
    return done.out


def venv(place, *options, python=BASE):
    done = run(python, "-m", "venv", "--without-pip", *options, place)
    assert done.status == 0, done
    return place
