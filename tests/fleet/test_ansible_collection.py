# SPDX-License-Identifier: BSD-2-Clause
"""The collection as a thing: Ansible's own checks of its modules, its documentation, its archive, its licences."""

import ast
import json
import re
import shutil
import sys
import tarfile
from importlib import metadata, util
from pathlib import Path

import pytest
from support.command import run
from support.engine import BIN, collections

import tcpdrop as package
from tcpdrop.engine.outcome import fate
from tcpdrop.errors import OUTCOMES
from tcpdrop.model.connection import JSON_KEYS

yaml = pytest.importorskip("yaml", reason="no ansible-core here (make test-ansible installs it)")

MODULES = ("tcp_connection_info", "tcp_drop")
HOME = Path(collections(), "ansible_collections", "tcpdrop", "net")
FILES = sorted(HOME.rglob("*.py"))


@pytest.fixture
def env(tmp_path):
    (tmp_path / "ansible.cfg").touch()
    return {
        "ANSIBLE_COLLECTIONS_PATH": collections(),
        "ANSIBLE_CONFIG": str(tmp_path / "ansible.cfg"),
        "ANSIBLE_HOME": str(tmp_path / "home"),
        "ANSIBLE_NOCOLOR": "1",
        "LC_ALL": "C.UTF-8",
    }


@pytest.fixture
def documented(env):
    done = run(BIN / "ansible-doc", "-t", "module", "-j", *(f"tcpdrop.net.{name}" for name in MODULES), env=env)
    assert done.status == 0, done.err
    assert done.err == ""
    return {name.rpartition(".")[2]: entry for name, entry in json.loads(done.out).items()}


def test_validate_modules(env, tmp_path):
    """ansible-test's own validator, called as ansible-test calls it, without what that downloads."""
    place = Path(util.find_spec("ansible_test").origin).parent / "_util" / "controller" / "sanity" / "validate-modules"
    files = [HOME / "plugins" / "modules" / f"{name}.py" for name in MODULES]
    done = run(
        *(sys.executable, place / "validate.py", "--arg-spec", "--format", "json", "--collection", "ansible_collections/tcpdrop/net"),
        *("--collection-version", package.__version__, "--output", tmp_path / "found.json"),
        *(file.relative_to(HOME) for file in files),
        env={**env, "PYTHONPATH": f"{place}:{collections()}"},
        cwd=HOME,
    )
    assert done.status == 0, done.out + done.err
    assert json.loads((tmp_path / "found.json").read_text(encoding="utf-8")) == {}


def test_ansible_doc_renders_them(env):
    done = run(BIN / "ansible-doc", "-t", "module", *(f"tcpdrop.net.{name}" for name in MODULES), env=env)
    assert (done.status, done.err) == (0, "")
    for word in ("local_addr", "return_limit", "EXAMPLES", "RETURN VALUES"):
        assert done.out.count(word) >= len(MODULES)


def test_the_documentation_is_complete(documented):
    common = {
        "local_addr",
        "local_port",
        "remote_addr",
        "remote_port",
        "states",
        "pid",
        "process",
        "user",
        "netns",
        "filter",
        "return_limit",
    }
    more = {"max_drops", "all", "include_self", "protect", "duration", "rate", "reason"}
    wanted = {"tcp_connection_info": common, "tcp_drop": common | more}
    for name, entry in documented.items():
        assert set(entry["doc"]["options"]) == wanted[name]
        assert all(option["description"] for option in entry["doc"]["options"].values())
        rows = entry["return"]["connections"]["contains"]
        assert set(rows) == {*JSON_KEYS, *fate("listed")}
        assert entry["doc"]["attributes"]["check_mode"]["support"] == "full"
        for task in yaml.safe_load(entry["examples"]):
            for action in set(task) & {f"tcpdrop.net.{module}" for module in MODULES}:
                assert set(task[action]) <= wanted[action.rpartition(".")[2]]
            assert task["name"]
    options = documented["tcp_drop"]["doc"]["options"]
    assert (options["all"]["default"], options["include_self"]["default"]) == (False, False)
    assert "100 unless given" in str(options["max_drops"]["description"]), "what the module does where it is not set"
    assert documented["tcp_drop"]["doc"]["attributes"]["diff_mode"]["support"] == "full"
    said = json.dumps(documented["tcp_drop"]["return"]["connections"]["contains"]["outcome"])
    assert set(re.findall(r"V\((\w+)\)", said)) == set(OUTCOMES) - {"listed"}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_file_parses_on_python_3_6_and_says_its_licence(file):
    text = file.read_text(encoding="utf-8")
    ast.parse(text, feature_version=(3, 6))
    gpl = file.parent.name == "modules"
    assert f"SPDX-License-Identifier: {'GPL-3.0-or-later' if gpl else 'BSD-2-Clause'}\n" in text
    assert ("GNU General Public License v3.0+" in text) == gpl
    assert "\n__metaclass__ = type\n" in text


def test_python_3_6_itself_compiles_them(tmp_path):
    found = [shutil.which("python3.6"), *sorted(Path.home().glob(".pyenv/versions/3.6.*/bin/python3.6"))]
    old = next((path for path in found if path and run(path, "-V").status == 0), None)
    if old is None:
        pytest.skip("no CPython 3.6 here")
    code = "import sys\nfor path in sys.argv[1:]: compile(open(path, encoding='utf-8').read(), path, 'exec')"
    done = run(old, "-c", code, *FILES)
    assert done.status == 0, done.err


def test_only_the_public_library_is_called():
    for file in FILES:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                assert not any(alias.name.startswith("tcpdrop.") for alias in node.names), file
            if isinstance(node, ast.ImportFrom):
                assert not (node.module or "").startswith("tcpdrop"), file
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "tcpdrop":
                assert node.attr in package.__all__, (file, node.attr)


def test_the_archive(env, tmp_path):
    """ansible-galaxy builds it without network, and installs what it built."""
    source = tmp_path / "source"
    shutil.copytree(HOME, source, ignore=shutil.ignore_patterns("__pycache__"))
    galaxy = BIN / "ansible-galaxy"
    done = run(galaxy, "collection", "build", source, "--output-path", tmp_path, env=env, cwd=tmp_path)
    assert done.status == 0, done.err
    archive = tmp_path / f"tcpdrop-net-{package.__version__}.tar.gz"
    with tarfile.open(archive) as tar:
        names = {name for name in tar.getnames() if Path(name).suffix}
    assert {str(file.relative_to(HOME)) for file in FILES} <= names
    env = {**env, "ANSIBLE_COLLECTIONS_PATH": str(tmp_path / "installed")}
    done = run(galaxy, "collection", "install", "--offline", archive, "-p", tmp_path / "installed", env=env, cwd=tmp_path)
    assert done.status == 0, done.err
    done = run(BIN / "ansible-doc", "-t", "module", "-j", *(f"tcpdrop.net.{name}" for name in MODULES), env=env)
    assert (done.status, done.err) == (0, "")
    shown = [Path(entry["doc"]["filename"]) for entry in json.loads(done.out).values()]
    assert [path.stem for path in shown if tmp_path in path.parents] == list(MODULES)


def test_the_versions_cannot_drift():
    galaxy = yaml.safe_load((HOME / "galaxy.yml").read_text(encoding="utf-8"))
    changes = yaml.safe_load((HOME / "changelogs" / "changelog.yaml").read_text(encoding="utf-8"))
    assert galaxy["version"] == package.__version__ == list(changes["releases"])[-1]
    runtime = yaml.safe_load((HOME / "meta" / "runtime.yml").read_text(encoding="utf-8"))
    assert sorted(runtime["action_groups"]["tcpdrop"]) == sorted(MODULES)
    assert metadata.version("ansible-core") >= re.findall(r"[\d.]+", runtime["requires_ansible"])[0]
