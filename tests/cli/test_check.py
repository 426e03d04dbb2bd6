# SPDX-License-Identifier: BSD-2-Clause
"""tcpdrop check on this very host: what it says with the right and without, and that its last line works."""

import json
import platform
import shutil
import sys
from pathlib import Path

import pytest
from support.command import COMMAND, NOBODY, line, run, tcpdrop, words
from support.rights import missing

from tcpdrop import __version__, _tcpdrop

pytestmark = [pytest.mark.privileged, pytest.mark.only_on("linux", "sunos", reason="drops")]


def test_check_without_the_right(powerless):
    status, out, err = tcpdrop("check", wrapper=powerless)
    assert (status, err) == (3, "")
    assert "\nlist             yes\n" in out
    assert "\nkernel can drop  yes\n" in out
    assert "\nyou may drop     no\n" in out
    assert f"\nproblem          {missing(powerless)}\n" in out
    works = f"sudo {COMMAND} LADDR LPORT RADDR RPORT" if powerless == NOBODY else "nothing: see the problem above"
    assert out.endswith(f"\nworks here       {works}\n")


def test_check_with_the_right():
    status, out, err = tcpdrop("check")
    assert (status, err) == (0, "")
    assert "\nyou may drop     yes\n" in out
    assert "problem" not in out
    assert out.endswith(f"\nworks here       {COMMAND} LADDR LPORT RADDR RPORT\n")


def test_check_says_the_version_and_the_interpreter():
    second, first = tcpdrop("check").out.splitlines()[:2]
    words = first.split()
    assert words[:2] == ["tcpdrop", f"{__version__},"]
    assert words[2:4] == ["Python", platform.python_version()]
    assert run(words[4].strip("()"), "-I", "-c", "import tcpdrop; print(tcpdrop.__version__)").out == f"{__version__}\n"
    assert second.endswith(f"({_tcpdrop.BACKEND})")


def test_the_line_of_check_works(holder):
    """Copied, with the words filled in."""
    pair = holder.pair()
    works = tcpdrop("check").out.splitlines()[-1].split(None, 2)[2]
    for name, value in zip(("LADDR", "LPORT", "RADDR", "RPORT"), words(pair)):
        works = works.replace(name, value, 1)
    assert run("sh", "-c", works) == (0, f"{line(pair)}: dropped\n", "")


@pytest.mark.only_on("linux", reason="an option of that kernel")
@pytest.mark.real_root
def test_check_on_a_kernel_that_cannot(no_destroy):
    status, out, err = tcpdrop("check", env=no_destroy)
    assert (status, err) == (0, "")  # the other way is open to root
    assert "\nlist             yes\n" in out
    assert "\nkernel can drop  no\n" in out
    assert "\nworks            every connection that a process holds, through its descriptor\n" in out
    assert "\nproblem          this kernel is built without CONFIG_INET_DIAG_DESTROY\n" in out
    assert out.endswith(f"\nworks here       {COMMAND} LADDR LPORT RADDR RPORT\n")
    entry = json.loads(tcpdrop("check", "--json", env=no_destroy).out)
    assert (entry["ok"], entry["supported"], entry["descriptors"]["others"]) == (True, False, True)
    assert entry["fix"].startswith("CONFIG_INET_DIAG_DESTROY=y")


@pytest.mark.parametrize("option", ["--json", "--jsonl"])
def test_json_check(option):
    done = tcpdrop("check", option)
    assert (done.status, done.err) == (0, "")
    entry = json.loads(done.out)
    assert (entry["schema"], entry["type"], entry["ok"], entry["problems"]) == (1, "check", True, [])
    assert (entry["backend"], entry["listing"], entry["supported"], entry["permitted"]) == (_tcpdrop.BACKEND, True, True, True)


@pytest.mark.only_on("linux", reason="where it is installed")
@pytest.mark.parametrize("how", ["PYTHONPATH", "the working directory", "a link", "a module"])
def test_the_command_that_works_does(tmp_path, how):
    """Typed into a shell as it is printed, where no variable of ours is; also of a place whose name needs quotes."""
    site, package = tmp_path / "it's a site", Path(_tcpdrop.__file__).parent
    command, where = [sys.executable, "-m", "tcpdrop"], {}
    if how == "a link":
        site.mkdir()
        (site / "tcpdrop").symlink_to(COMMAND)
        command = [site / "tcpdrop"]
    elif how != "a module":
        package = shutil.copytree(package, site / "tcpdrop", ignore=shutil.ignore_patterns("__pycache__"))
        where = {"env": {"PYTHONPATH": str(site)}} if how == "PYTHONPATH" else {"cwd": site}
    printed = json.loads(run(*command, "check", "--json", **where).out)["command"]
    typed = run("env", "-i", "PATH=/usr/bin:/bin", "sh", "-c", printed.replace("LADDR LPORT RADDR RPORT", "paths --salt"))
    assert (typed.status, typed.err) == (0, ""), printed
    assert Path(typed.out.strip()).is_relative_to(package)
