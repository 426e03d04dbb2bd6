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
from support.command import words

from tcpdrop.model.rows import ROW

ROOT = Path(__file__).resolve().parents[2]
SMOKE = ROOT / "tests" / "sunos_smoke.py"

pytestmark = [
    pytest.mark.only_on("linux", reason="builds the simulator itself"),
    pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler"),
]


def build(source, place, **environment):
    """Build the tree on the simulator: a directory with tcpdrop, and what the build said."""
    pytest.importorskip("setuptools", reason="needs setuptools to build")
    command = [sys.executable, "setup.py", "-q", "build", f"--build-base={place / 'work'}", f"--build-lib={place / 'lib'}"]
    environment = {**os.environ, "TCPDROP_BACKEND": "sunos-sim", **environment}
    environment.pop("TCPDROP_LIMITED_API", None)
    done = subprocess.run(command, cwd=source, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return place / "lib", done.stderr


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A directory with tcpdrop on the simulator."""
    return build(ROOT, tmp_path_factory.mktemp("sunos"))[0]


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


# ---- headers that are not those that we know


@pytest.fixture(scope="module")
def estranged(tmp_path_factory):
    """The same, where one of the assertions on the system's headers fails."""
    place = tmp_path_factory.mktemp("estranged")
    for part in ("src", "tcpdrop", "tests/sim"):
        shutil.copytree(ROOT / part, place / part)
    for part in ("setup.py", "pyproject.toml", "README.md", "LICENSE", "bin", "docs"):
        (shutil.copytree if (ROOT / part).is_dir() else shutil.copy)(ROOT / part, place / part)
    with open(place / "src" / "sunos_abi.c", "a") as file:
        file.write('_Static_assert(sizeof(char) == 2, "another tcp_ioc_abort_conn_t");\n')
    found, said = build(place, place)
    assert "another tcp_ioc_abort_conn_t" in said
    assert "dropping is left out" in said
    return found


def test_an_assertion_that_fails_leaves_listing_and_check(estranged, holder):
    pair = holder.pair()
    listed = run(estranged, "-m", "tcpdrop", "list", f"lport {pair.lport}")
    assert listed.returncode == 0, listed.stderr
    assert str(pair.lport) in listed.stdout
    check = run(estranged, "-m", "tcpdrop", "check")
    assert check.returncode == 3, check.stderr
    assert "list             yes" in check.stdout
    assert "kernel can drop  no" in check.stdout
    assert "tcp_ioc_abort_conn_t" in check.stdout


def test_an_assertion_that_fails_is_what_a_drop_says(estranged, holder):
    pair = holder.pair()
    for form in (words(pair), ["drop", f"lport {pair.lport}"]):
        done = run(estranged, "-m", "tcpdrop", *form)
        assert done.returncode == 3
        assert "not supported (tcp_ioc_abort_conn_t: ENOSYS; built where the system's headers have no tcp_ioc_abort_conn_t" in done.stderr
        assert "Traceback" not in done.stderr
    assert pair.alive()


# ---- ENOTSUP and EOPNOTSUPP are two numbers there


@pytest.fixture(scope="module")
def apart(tmp_path_factory):
    """tcpdrop on the simulator, with the number that ENOTSUP has on SunOS."""
    place = tmp_path_factory.mktemp("apart")
    (place / "apart.h").write_text("#include <errno.h>\n#undef ENOTSUP\n#define ENOTSUP 48\n")
    return build(ROOT, place, CFLAGS=f"{os.environ.get('CFLAGS', '')} -include {place / 'apart.h'}")[0]


APART = "import errno, sys; errno.ENOTSUP = 48; errno.errorcode[48] = 'ENOTSUP'; from tcpdrop.cli import main; sys.exit(main(sys.argv[1:]))"


def test_what_is_not_supported_is_so_by_either_number(apart, holder):
    """C says ENOTSUP for another zone, for descriptors and for /proc; each is told from a failure."""
    pair = holder.pair()
    asked = run(apart, "-c", "from tcpdrop import _tcpdrop as t\ntry: t.socket_of(1, 1)\nexcept OSError as error: print(error.errno)")
    assert asked.stdout == "48\n", asked
    listed = run(apart, "-c", APART, "list", "--zone", "5")
    assert (listed.returncode, listed.stderr.count("\n")) == (3, 1), listed
    dropped = run(apart, "-c", APART, *words(pair))
    assert (dropped.returncode, dropped.stderr) == (0, ""), dropped
