# SPDX-License-Identifier: BSD-2-Clause
"""docs/testing.md runs as it stands there, on a real PostgreSQL and a real Redis, as root and as an ordinary user."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support import servers
from support.command import NOBODY, needs, run
from support.wait import until

from tcpdrop.system import procfs

pytestmark = [pytest.mark.privileged, pytest.mark.only_on("linux", reason="descriptors")]

PAGE = Path(__file__).resolve().parents[2] / "docs" / "testing.md"

#: what a reader has anyway: where the servers are
GIVEN = """
import types, pytest

@pytest.fixture
def postgresql():
    return types.SimpleNamespace(port={postgres}, url="postgresql+pg8000://tester@127.0.0.1:{postgres}/postgres")

@pytest.fixture
def redis_server():
    return types.SimpleNamespace(port={redis})
"""


def blocks():
    return re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.M | re.S)


@pytest.fixture(scope="module")
def ports(tmp_path_factory):
    place = tmp_path_factory.mktemp
    with servers.postgres(place("postgres")) as (_, postgres, _), servers.redis(place("redis")) as (_, redis, _):
        yield {"postgres": postgres, "redis": redis}


@pytest.fixture
def recipe(tmp_path, ports):
    """The page's fixture as conftest.py, its tests as modules; anybody may read them."""
    fixture, *tests = blocks()
    (tmp_path / "conftest.py").write_text(fixture + GIVEN.format(**ports), encoding="utf-8")
    for number, code in enumerate(tests):
        (tmp_path / f"test_{number}.py").write_text(code, encoding="utf-8")
    return tmp_path


@pytest.fixture
def sshd(tmp_path):
    """One that an ordinary user cannot look into: whatever root's servers accepted may be a login."""
    program = tmp_path / "sshd"
    shutil.copy(shutil.which("sleep"), program)
    with subprocess.Popen([program, "1000"]) as process:
        try:
            until(lambda: procfs.command_of(process.pid) == "sshd", "sshd to run")
            yield
        finally:
            process.kill()


@pytest.mark.usefixtures("sshd")
@pytest.mark.parametrize("who", [(), NOBODY], ids=["root", "nobody"])
def test_the_recipe(recipe, who):
    pytest.importorskip("sqlalchemy")
    pytest.importorskip("pg8000")
    pytest.importorskip("redis")
    wrapper = needs(*who) if who else ()
    argv = [sys.executable, "-I", "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--rootdir={recipe}", recipe]
    done = run(*wrapper, *argv, env={"PYTHONDONTWRITEBYTECODE": "1", "PYTEST_ADDOPTS": "", "HOME": "/"}, cwd=recipe)
    assert done.status == 0, done.out + done.err
    number = sum(code.count("\ndef test_") for code in blocks())
    assert re.search(rf"^{number} passed", done.out, re.M), done.out
