# SPDX-License-Identifier: BSD-2-Clause
"""tcpdrop paths: the files for Ansible and Salt are installed with the library that they call."""

import json
import os
import sys
from pathlib import Path

import pytest
from support.command import run, tcpdrop

import tcpdrop as package

ROOT = Path(__file__).resolve().parents[2]
HOME = Path(package.__file__).parent / "integrations"
ENGINES = ("ansible", "salt")


@pytest.mark.parametrize("engine", ENGINES)
def test_one_directory_and_nothing_else(engine):
    assert tcpdrop("paths", f"--{engine}") == (0, f"{HOME / engine}\n", "")
    assert run(sys.executable, "-I", "-m", "tcpdrop", "paths", f"--{engine}") == (0, f"{HOME / engine}\n", "")


def test_both():
    assert tcpdrop("paths") == (0, f"ansible  {HOME / 'ansible'}\nsalt     {HOME / 'salt'}\n", "")
    said = json.loads(tcpdrop("--json", "paths").out)
    assert said == {"schema": 1, "type": "paths", "ansible": str(HOME / "ansible"), "salt": str(HOME / "salt")}
    assert json.loads(tcpdrop("--jsonl", "paths", "--salt").out) == {"schema": 1, "type": "paths", "salt": str(HOME / "salt")}


@pytest.mark.parametrize("arguments", [["--ansible", "--salt"], ["x"], ["--dry-run"]], ids=" ".join)
def test_wrong_usage(arguments):
    done = tcpdrop("paths", *arguments)
    assert (done.status, done.out) == (2, "")
    assert done.err.count("\n") == 1


@pytest.mark.parametrize("engine", ENGINES)
def test_every_file_of_the_source_is_installed_as_it_is(engine):
    def files(place):
        return {str(file.relative_to(place)): file.read_bytes() for file in place.rglob("*") if file.is_file() and file.suffix != ".pyc"}

    wanted = files(ROOT / "integrations" / engine)
    assert wanted
    assert files(HOME / engine) == wanted, "make build"


def test_an_installation_without_them_says_so(monkeypatch, capsys, tmp_path):
    from tcpdrop.cli import main, paths

    monkeypatch.setattr(paths, "__file__", str(tmp_path / "site" / "tcpdrop" / "cli" / "paths.py"))
    assert main(["paths", "--salt"]) == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert "are not here (expected in " in err
    (tmp_path / "site" / "integrations").mkdir(parents=True)  # a source tree
    assert main(["paths", "--salt"]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'site' / 'integrations' / 'salt'}\n"


def test_a_path_that_is_no_utf8(monkeypatch, capfdbinary, tmp_path):
    """A shell opens what one path says; what people and programs read has the one spelling of such bytes."""
    from tcpdrop.cli import main, paths

    place = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    (place / "integrations" / "salt").mkdir(parents=True)
    monkeypatch.setattr(paths, "__file__", str(place / "tcpdrop" / "cli" / "paths.py"))
    said = {}
    for form in (["--salt"], ["--salt", "--json"], []):
        assert main(["paths", *form]) == 0
        sys.stdout.flush()
        said[" ".join(form)] = capfdbinary.readouterr().out
    raw = said["--salt"].removesuffix(b"\n")
    assert raw == os.fsencode(place) + b"/integrations/salt"
    assert os.path.isdir(raw)
    spelled = f"{tmp_path}/caf\\udce9/integrations/salt"
    assert json.loads(said["--salt --json"])["salt"] == spelled
    assert said[""].decode().splitlines()[1] == f"salt     {spelled}"
