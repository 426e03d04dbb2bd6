# SPDX-License-Identifier: BSD-2-Clause
"""What ./try and make say where something is missing, each in one line; tests/install/roots/ tries the rest in bare Debians."""

import os
import shutil
import sys

import pytest
from support.command import NOBODY, needs, run
from support.install import BASE, ROOT

pytestmark = pytest.mark.pure

TOOLS = ("sh", "dirname", "tr", "env", "rm", "touch", "grep", "cat", "id")

#: no index, nor any setting of ours
NO_INDEX = {
    "PIP_CONFIG_FILE": os.devnull,
    "PIP_INDEX_URL": "http://127.0.0.1:9/simple",
    "PIP_RETRIES": "0",
    "PIP_NO_INDEX": "",
    "PIP_FIND_LINKS": "",
}


@pytest.fixture
def clone(tmp_path):
    if not shutil.which("make") or not shutil.which("cc"):
        pytest.skip("no make or no C compiler here")
    place = tmp_path / "clone"
    for name in ("tools", "tcpdrop", "integrations"):
        (place / name).mkdir(parents=True)
    for name in ("try", "Makefile", "tools/venv.sh", "tools/needs.sh"):
        shutil.copy(ROOT / name, place / name)
    return place


@pytest.fixture
def host(tmp_path):
    """A PATH of few programs, and more of them: real ones by name, others by what they do."""
    place = tmp_path / "bin"
    place.mkdir()

    def add(*names, **scripts):
        for name in names:
            (place / name).symlink_to(shutil.which(name))
        for name, text in scripts.items():
            file = place / name.replace("_", "-")
            file.unlink(missing_ok=True)
            file.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
            file.chmod(0o755)
        return {"PATH": str(place)}

    add(*TOOLS)
    return add


def test_without_apt_the_names_are_said(clone, host):
    done = run(clone / "try", env=host(python3=f'exec {BASE} "$@"'))
    assert (done.status, done.out) == (1, "")
    assert done.err.splitlines() == [
        "Missing on this system: make gcc",
        "Those are Debian's names: install the like of them, and try again.",
    ]


def test_without_sudo_there_is_one_line_for_root(clone, host):
    env = host(python3=f'exec {BASE} "$@"', apt_get="echo ran >&2", id="echo 1000")
    done = run(clone / "try", "test", env=env)
    assert (done.status, done.out) == (1, "")
    assert done.err.splitlines()[1:] == [
        "There is no sudo here.  As root:  apt-get update && apt-get install -y --no-install-recommends make gcc iproute2"
    ]


@pytest.mark.parametrize("fails", ["update", "install"])
def test_a_mirror_that_does_not_answer(clone, host, fails):
    env = host(python3=f'exec {BASE} "$@"', apt_get=f'[ "$1" != {fails} ]', id="echo 0")
    done = run(clone / "try", env=env)
    assert (done.status, done.out) == (1, "")
    assert done.err.splitlines()[1:] == [
        "Installing it:  apt-get install -y --no-install-recommends make gcc",
        "That failed.  As root:  apt-get update && apt-get install -y --no-install-recommends make gcc",
    ]


LACKS = {
    "python3": (None, "python3 python3-dev python3-venv"),
    "the module venv": (f'[ "$3" = "import ensurepip" ] && exit 1; exec {BASE} "$@"', "python3-venv"),
    "the header": (f'case $3 in *Python.h*) exit 1;; esac; exec {BASE} "$@"', "python3-dev"),
}


@pytest.mark.parametrize("what", LACKS)
def test_make_names_the_package(clone, host, what):
    script, named = LACKS[what]
    env = host("make", "find", cc="exit 1", **({"python3": script} if script else {}))
    env.update(MAKEFLAGS="", MAKELEVEL="")  # not those of the make that runs the tests
    done = run(shutil.which("make"), ".venv/.made", "PYTHON=python3", cwd=clone, env=env)
    assert done.status == 2
    assert done.err.splitlines()[0] == f"missing here: {named} (./try installs it; on Debian or Ubuntu: apt-get install -y {named})"
    assert not (clone / ".venv").exists()


def test_a_python_that_is_too_old(clone, host):
    old = f'case $3 in *version_info*) exit 1;; esac; [ "$1" != -V ] || {{ echo Python 3.8.1; exit; }}; exec {BASE} "$@"'
    done = run("sh", "tools/venv.sh", ".venv", "python3", cwd=clone, env=host("make", cc="exit 1", python3=old))
    assert done == (1, "", "tcpdrop needs CPython 3.9 or newer, and python3 is Python 3.8.1: name another by PYTHON=...\n")


#: a Python whose venvs are made at once, and lack pip
QUICK = f'''[ "$1 $2" = "-m venv" ] || exec {BASE} "$@"
mkdir -p "$3/bin" && echo "exec false" >"$3/bin/python3" && chmod +x "$3/bin/python3"'''


def wrong(clone, kind):
    """Something else where .venv should be."""
    place = clone / ".venv"
    if kind == "a file":
        place.touch()
    elif kind == "a link":
        (clone / "other").mkdir()
        (clone / "other/precious").touch()
        place.symlink_to("other")
    elif kind == "a dangling link":
        place.symlink_to("nowhere")
    else:
        (place / "bin").mkdir(parents=True)
        (place / "bin/python3").symlink_to(BASE if kind == "half made" else "/nowhere/python3")
        (place / ".made").touch()


@pytest.mark.parametrize("kind", ["a file", "a link", "a dangling link", "half made", "of a Python that is gone"])
def test_what_is_no_venv_is_made_anew(clone, host, kind):
    wrong(clone, kind)
    done = run(
        "sh", "tools/venv.sh", ".venv", "python3", cwd=clone, env=host("make", "mkdir", "chmod", "false", cc="exit 1", python3=QUICK)
    )
    assert (done.status, done.out) == (1, "")
    first = "" if kind == "a dangling link" else ".venv does not work (half made, moved, or of an old Python): made anew\n"
    assert done.err.startswith(f"{first}no package index gives pip and setuptools")
    assert not (clone / ".venv").is_symlink()
    assert (clone / ".venv/bin/python3").read_text(encoding="utf-8") == "exec false\n"
    if kind == "a link":
        assert (clone / "other/precious").exists()


def test_without_an_index_it_is_said_what_would_do(clone):
    done = run("sh", "tools/venv.sh", ".venv", BASE, cwd=clone, env=NO_INDEX, timeout=300)
    assert (done.status, done.out) == (1, "")
    last = done.err.splitlines()[-1]
    assert last.startswith("no package index gives pip and setuptools (above is why): name a mirror by PIP_INDEX_URL=URL, or a directory")
    assert not (clone / ".venv/.made").exists(), "the next run makes it anew"


@pytest.mark.real_root
def test_what_another_user_made_is_left_to_that(clone):
    needs(*NOBODY)
    for name in (".venv", "build", "tcpdrop.egg-info"):
        (clone / name).mkdir()
    clone.chmod(0o777)
    done = run(*NOBODY, "sh", "tools/venv.sh", ".venv", sys.executable, cwd=clone)
    assert done == (
        *(1, ""),
        "another user made .venv build tcpdrop.egg-info here (root, by sudo?): as that user  rm -rf .venv build tcpdrop.egg-info\n",
    )
    assert (clone / ".venv").is_dir()
