# SPDX-License-Identifier: BSD-2-Clause
"""The SunOS backend from end to end: built on the simulator beside the installed module, on real sockets.

What the kernel is told, and what it may answer, is tested in C (tests/c/sunos.mk);
docs/porting.md says what this proves and what it does not.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tcpdrop.model.rows import ROW

ROOT = Path(__file__).resolve().parents[2]
SMOKE = ROOT / "tests" / "sunos_smoke.py"

pytestmark = [
    pytest.mark.only_on("linux", reason="builds the simulator itself"),
    pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler"),
]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A directory with tcpdrop on the simulator."""
    pytest.importorskip("setuptools", reason="needs setuptools to build")
    place = tmp_path_factory.mktemp("sunos")
    command = [sys.executable, "setup.py", "-q", "build", f"--build-base={place / 'work'}", f"--build-lib={place / 'lib'}"]
    environment = {**os.environ, "TCPDROP_BACKEND": "sunos-sim"}
    environment.pop("TCPDROP_LIMITED_API", None)
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return place / "lib"


def run(built, *arguments, **environment):
    return subprocess.run(
        [sys.executable, *arguments],
        cwd="/",
        env={**os.environ, "PYTHONPATH": str(built), "PYTHONDONTWRITEBYTECODE": "1", **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.privileged
@pytest.mark.timeout(400)
@pytest.mark.parametrize("entries", ["172,200", "184,208", "68,96", "72,96", "56,84", "300,320"])
def test_every_generation_of_the_kernel(built, entries):
    """Listing, looking up, dropping by identity; the other end stays, the listener too."""
    done = run(built, str(SMOKE), TCPDROP_SIM_ENTRIES=entries)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "backend sunos" in done.stdout


def test_the_backend_says_its_name_and_can_list(built):
    done = run(built, "-c", "from tcpdrop import _tcpdrop as t; print(t.BACKEND, t.list_connections(0xFFE).stride)")
    assert done.stdout.split() == ["sunos", str(ROW.size)], done.stderr
