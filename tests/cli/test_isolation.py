# SPDX-License-Identifier: BSD-2-Clause
"""The installed command runs its own code, whatever lies about; and as little of it as it can."""

import os
import subprocess
import sys

import pytest
from support.command import COMMAND, run, tcpdrop, words
from support.services import NO_PORT

STRAY = ("tcpdrop.py", "argparse.py", "socket.py", "errno.py", "struct.py", "json.py", "sitecustomize.py", "usercustomize.py")


@pytest.fixture
def stray(tmp_path):
    """A directory of modules that must not be run."""
    ran = tmp_path / "ran"
    place = tmp_path / "stray"
    place.mkdir()
    for name in STRAY:
        (place / name).write_text(f"open({str(ran)!r}, 'a').write({name!r})\n", encoding="utf-8")
    (place / "tcpdrop").mkdir()
    (place / "tcpdrop" / "__init__.py").write_text(f"open({str(ran)!r}, 'a').write('package')\n", encoding="utf-8")
    return place, ran


FORMS = [["--version"], ["check"], ["127.0.0.1", "1", "127.0.0.1", "2"], ["--json", "check"], ["localhost", "http", "localhost", "2"], []]


@pytest.mark.parametrize("arguments", FORMS, ids=" ".join)
def test_stray_modules_are_not_run(stray, arguments):
    place, ran = stray
    normal = tcpdrop(*arguments)
    strange = {
        "PYTHONPATH": f"{place}:.",
        "PYTHONSTARTUP": str(place / "tcpdrop.py"),
        "PYTHONHOME": str(place),
        "PYTHONUSERBASE": str(place),
        "PYTHONINSPECT": "1",
    }
    assert tcpdrop(*arguments, cwd=place) == normal
    assert tcpdrop(*arguments, cwd=place, env=strange) == normal
    assert not ran.exists()


def test_the_strays_would_run_otherwise(stray):
    """The control."""
    place, ran = stray
    run(sys.executable, "-c", "import tcpdrop", cwd=place)
    assert "tcpdrop.py" in ran.read_text(encoding="utf-8") or "package" in ran.read_text(encoding="utf-8")


def test_a_symlink_elsewhere(tmp_path):
    link = tmp_path / "tcpdrop"
    link.symlink_to(COMMAND)
    again = tmp_path / "drop-it"
    again.symlink_to("tcpdrop")
    for name in (link, again):
        assert run(name, "--version") == tcpdrop("--version")
    assert run("./tcpdrop", "--version", cwd=tmp_path) == tcpdrop("--version")
    assert run("sh", "-c", "tcpdrop --version", env={"PATH": f"{tmp_path}:{os.environ['PATH']}"}) == tcpdrop("--version")


def test_by_a_relative_path_and_by_sh():
    directory, name = os.path.split(COMMAND)
    assert run(f"./{name}", "--version", cwd=directory) == tcpdrop("--version")
    assert run("sh", COMMAND, "--version") == tcpdrop("--version")
    assert run("sh", name, "--version", cwd=directory) == tcpdrop("--version")
    assert run("sh", "-c", "tcpdrop --version", cwd=directory, env={"PATH": f":{os.environ['PATH']}"}) == tcpdrop("--version")
    assert run("sh", "-c", f"PATH={directory}; tcpdrop --version") == tcpdrop("--version")


def test_a_directory_with_a_blank(tmp_path):
    """The interpreter beside the command, whatever the path looks like."""
    place = tmp_path / "a b'$c"
    place.mkdir()
    (place / "tcpdrop").write_bytes(COMMAND.read_bytes())
    (place / "tcpdrop").chmod(0o755)
    (place / "python3").write_text('#!/bin/sh\necho "$0" "$1" "$3"\n', encoding="utf-8")
    (place / "python3").chmod(0o755)
    assert run(place / "tcpdrop", "x y").out == f"{place}/python3 -I x y\n"


def test_arguments_arrive_as_they_were_typed():
    """Through sh, and nothing is split or expanded."""
    assert "'a b *': not a host name" in tcpdrop("a b *", "1", "127.0.0.1", "2").err
    assert r"'$(id)\n': not a host name" in tcpdrop("$(id)\n", "1", "127.0.0.1", "2").err
    assert f"'`id`' {NO_PORT}" in tcpdrop("127.0.0.1", "`id`", "127.0.0.1", "2").err


# ---- the fast path

SLOW = {
    *("argparse", "socket", "enum", "dataclasses", "typing", "json", "logging", "re", "ipaddress", "subprocess", "threading", "ctypes"),
    *("inspect", "asyncio", "selectors", "functools", "collections", "contextlib", "tempfile", "importlib.metadata", "pathlib"),
}


def imported(*arguments):
    """(status, what the command imports beyond a bare interpreter)"""

    def names(*argv):
        done = subprocess.run([sys.executable, "-I", "-X", "importtime", *argv], capture_output=True, text=True, timeout=60)
        said = [text for text in done.stderr.splitlines() if text.startswith("import time:")]
        return done.returncode, {text.rpartition("|")[2].strip() for text in said}

    _, bare = names("-c", "pass")
    status, found = names(COMMAND, *arguments)
    return status, found - bare


def test_version_imports_next_to_nothing():
    status, found = imported("--version")
    assert status == 0
    assert not found & SLOW
    assert "tcpdrop._tcpdrop" not in found


@pytest.mark.privileged
@pytest.mark.only_on("linux", reason="a drop")
@pytest.mark.parametrize("options", [[], ["-n"], ["--netns=/proc/self/ns/net"], ["--include-self"], ["-q", "-4"]], ids=" ".join)
def test_the_classic_form_imports_little(holder, options):
    pair = holder.pair()
    status, found = imported(*options, *words(pair))
    assert status == 0
    assert "tcpdrop._tcpdrop" in found
    assert not found & SLOW
    assert len(found) <= 30, found


@pytest.mark.privileged
@pytest.mark.only_on("linux", reason="there are zones to look for elsewhere")
def test_what_is_not_found_imports_little():
    status, found = imported("127.0.0.1", "1", "127.0.0.1", "2")
    assert status == 1
    assert len(found) <= 30, found


@pytest.mark.privileged
def test_neither_does_not_found_nor_a_mistake():
    for status, operands in ((1, ["127.0.0.1", "1", "127.0.0.1", "2"]), (2, ["10.1", "1", "127.0.0.1", "2"]), (2, ["--bogus"])):
        assert imported(*operands)[0] == status
        assert not imported(*operands)[1] & SLOW


@pytest.mark.privileged
def test_what_is_slow_is_loaded_when_it_is_needed():
    """The control: names do need the resolver, and JSON its module."""
    assert "socket" in imported("localhost", "1", "127.0.0.1", "2")[1]
    assert "json" in imported("--json", "127.0.0.1", "1", "127.0.0.1", "2")[1]


#: what only a person at a terminal is shown
FOR_PEOPLE = {f"tcpdrop.cli.{name}" for name in ("top", "colours", "hostnames", "choosing", "meant", "help")} | {"curses", "threading"}


@pytest.mark.privileged
@pytest.mark.parametrize("command", ["list", "list -p", "list -r", "list --jsonl", "drop -n", "drop --yes"])
def test_a_script_loads_nothing_that_people_are_shown(holder, command):
    pair = holder.pair()
    status, found = imported(*command.split(), f"lport {pair.lport} rport {pair.rport}")
    assert status == 0
    assert not found & FOR_PEOPLE


def test_importing_the_package_is_cheap():
    code = "import sys; before = set(sys.modules); import tcpdrop; print(sorted(set(sys.modules) - before))"
    assert run(sys.executable, "-I", "-c", code).out == "['tcpdrop']\n"
