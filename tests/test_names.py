"""Names of the package: a module, a public function and a class each have one of their own."""

import ast
from collections import defaultdict
from fnmatch import fnmatch
from pathlib import Path

import pytest

import stn_action

PACKAGE = Path(stn_action.__file__).parent
FILES = sorted(path for path in PACKAGE.rglob("*.py") if path.name != "__init__.py")
LONGEST = 320
"""Lines of a file."""


def owners(kind: type[ast.stmt] | tuple[type[ast.stmt], ...]) -> dict[str, list[str]]:
    found = defaultdict(list)
    for path in FILES:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, kind) and not node.name.startswith("_"):
                found[node.name].append(str(path.relative_to(PACKAGE)))
    return found


def twice(found: dict[str, list[str]]) -> dict[str, list[str]]:
    return {name: places for name, places in found.items() if len(places) > 1}


def test_no_two_modules_share_a_name():
    modules = defaultdict(list)
    for path in FILES:
        modules[path.stem].append(str(path.relative_to(PACKAGE)))
    assert twice(modules) == {}


@pytest.mark.parametrize("kind", [ast.FunctionDef, ast.ClassDef])
def test_no_two_public_functions_or_classes_share_a_name(kind):
    found = owners(kind)
    assert len(found) > 100
    assert twice(found) == {}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_file_is_long(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST


def test_no_folder_of_tests_is_passed_over(request):
    patterns = request.config.getini("norecursedirs")
    tests = Path(__file__).parent
    folders = {path.parent.relative_to(tests.parent) for path in tests.rglob("test_*.py")}
    assert Path("tests/build") in folders
    assert not [
        folder
        for folder in folders
        if any(fnmatch(part, pattern) for part in folder.parts for pattern in patterns)
    ]
