# SPDX-License-Identifier: BSD-2-Clause
"""Where the C module cannot be loaded: one line that says why and what to do, and no traceback."""

import shutil
import sys
import zipapp

import pytest
from support.command import run
from support.install import ROOT

pytestmark = pytest.mark.pure

FORMS = (["127.0.0.1", "1", "127.0.0.1", "2"], ["list"], ["check"], ["demo"])
ASK = "import sys; sys.path.insert(0, sys.argv[1]); import tcpdrop; tcpdrop.connections()"


@pytest.fixture
def package(tmp_path):
    """Ours without what is compiled, in a place of its own."""
    shutil.copytree(ROOT / "tcpdrop", tmp_path / "site/tcpdrop", ignore=shutil.ignore_patterns("__pycache__", "*.so"))
    return tmp_path / "site"


@pytest.mark.parametrize("words", FORMS, ids=" ".join)
def test_a_zipapp_says_that_it_cannot(package, tmp_path, words, version):
    zipapp.create_archive(package, tmp_path / "tcpdrop.pyz", main="tcpdrop.cli:main")
    done = run(sys.executable, "-I", tmp_path / "tcpdrop.pyz", *words)
    assert done.err == f"tcpdrop: a C module cannot be loaded from an archive ({tmp_path}/tcpdrop.pyz/tcpdrop): install the wheel\n"
    assert run(sys.executable, "-I", tmp_path / "tcpdrop.pyz", "--version").out == f"tcpdrop {version}\n"


@pytest.mark.parametrize("words", FORMS, ids=" ".join)
def test_the_wheel_itself_says_that_it_cannot(wheels, words):
    done = run(sys.executable, "-m", "tcpdrop", *words, env={"PYTHONPATH": str(wheels["own"])})
    assert (done.status, done.out) == (3, "")
    assert done.err == f"tcpdrop: a C module cannot be loaded from an archive ({wheels['own']}/tcpdrop): install the wheel\n"


@pytest.mark.parametrize("words", FORMS, ids=" ".join)
def test_the_source_tree_says_what_to_type(package, words):
    (package / "setup.py").touch()
    done = run(sys.executable, "-m", "tcpdrop", *words, cwd=package)
    assert (done.status, done.out, done.err.count("\n")) == (3, "", 1)
    assert done.err.startswith("tcpdrop: this is the source tree, in which nothing is built: ./try makes ")


def test_another_python_s_module(package):
    (package / "tcpdrop/_tcpdrop.cpython-377-x86_64-linux-gnu.so").touch()
    done = run(sys.executable, "-I", "-c", ASK, package)
    assert done.err.splitlines()[-1].startswith(f"ImportError: the C module in {package}/tcpdrop is not for {sys.executable} (")
    assert done.err.endswith("): install tcpdrop with that Python\n")


def test_a_module_that_does_not_load(package):
    """Of another libc or machine, say: the reason is the loader's."""
    (package / "tcpdrop/_tcpdrop.abi3.so").write_bytes(b"no such thing")
    done = run(sys.executable, "-m", "tcpdrop", "list", cwd=package)
    assert (done.status, done.err.count("\n")) == (3, 1), done
    assert "_tcpdrop.abi3.so: " in done.err


def test_the_command_of_the_source_tree_says_what_to_type(tmp_path):
    """As long as nothing is built there, and when it is."""
    tree = tmp_path / "a clone"
    shutil.copytree(ROOT / "bin", tree / "bin")
    (tree / "setup.py").touch()
    for advice in ("./try makes .venv/bin/tcpdrop", f"type {tree}/.venv/bin/tcpdrop"):
        for how in ((), ("python3",)):
            done = run(*how, tree / "bin/tcpdrop", "list", env={"PATH": "/usr/bin:/bin"})
            assert done == (3, "", f"tcpdrop: this is the source tree, in which nothing is installed: {advice}\n")
        (tree / ".venv/bin").mkdir(parents=True, exist_ok=True)
        (tree / ".venv/bin/tcpdrop").touch(mode=0o755)
