# SPDX-License-Identifier: BSD-2-Clause
"""The plan of the package (docs/design.md, section 3): imports go one way, and few modules touch C."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

pytestmark = pytest.mark.pure

PACKAGE = Path(__file__).parents[1] / "tcpdrop"
#: a file imports from its own storey or from one further up this list
STOREYS = ("errors", "model", "system", "filters", "safety", "engine", "capabilities", "api", "cli")
#: imports that only say where a name is: nothing runs
TABLES_OF_CONTENTS = ("__init__", "__main__")


def modules() -> dict[str, ast.Module]:
    """dotted name below tcpdrop -> its tree."""
    return {
        path.relative_to(PACKAGE).with_suffix("").as_posix().replace("/", "."): ast.parse(path.read_text("utf-8"))
        for path in sorted(PACKAGE.rglob("*.py"))
    }


MODULES = modules()


def guarded(tree: ast.Module) -> set[ast.AST]:
    """What stands under `if TYPE_CHECKING`: types alone."""
    return {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }


def imported(name: str, *, types: bool = False) -> set[str]:
    """The modules of ours that a module imports, wherever in it."""
    package = name.split(".")[:-1]
    skipped = set() if types else guarded(MODULES[name])
    found = set()
    for node in ast.walk(MODULES[name]):
        if not isinstance(node, ast.ImportFrom) or not node.level or node in skipped:
            continue
        base = package[: len(package) - (node.level - 1)] + (node.module.split(".") if node.module else [])
        for alias in node.names:
            target = ".".join([*base, alias.name])
            target = target if target in MODULES or target == "_tcpdrop" else ".".join(base)
            found.add(target if target in MODULES or target == "_tcpdrop" else f"{target}.__init__".lstrip("."))
    return found - {name}


def storey(name: str) -> int:
    return STOREYS.index(name.split(".")[0])


@pytest.mark.parametrize("name", [name for name in MODULES if name not in TABLES_OF_CONTENTS])
def test_imports_go_up_the_list_or_stay(name: str) -> None:
    below = {other for other in imported(name) - {"_tcpdrop", "__init__"} if storey(other) > storey(name)}
    assert not below, f"{name} imports {sorted(below)}, which stand further down: {' '.join(STOREYS)}"


def test_there_is_no_circle() -> None:
    edges = {name: imported(name) & MODULES.keys() for name in MODULES if name not in TABLES_OF_CONTENTS}
    finished: set[str] = set()

    def visit(name: str, way: tuple[str, ...]) -> None:
        assert name not in way, f"a circle: {' -> '.join((*way[way.index(name) :], name))}"
        if name not in finished:
            for other in sorted(edges.get(name, ())):
                visit(other, (*way, name))
            finished.add(name)

    for name in edges:
        visit(name, ())


def test_few_modules_touch_c() -> None:
    doors = sorted(name for name in MODULES if "_tcpdrop" in imported(name))
    assert len(doors) <= 5, doors


def test_few_files_stand_at_the_top() -> None:
    assert len([name for name in MODULES if "." not in name]) <= 6


def test_no_two_modules_have_one_name() -> None:
    names = [name.rpartition(".")[2] for name in MODULES if not name.endswith("__init__")]
    assert sorted(set(names)) == sorted(names)


def test_imports_inside_functions_are_few() -> None:
    inside = sum(
        isinstance(node, (ast.Import, ast.ImportFrom)) and bool(getattr(node, "level", 0)) and node not in guarded(tree)
        for tree in MODULES.values()
        for function in ast.walk(tree)
        if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef))
        for node in ast.walk(function)
    )
    assert inside <= 50
