"""The import table of the design: a room imports only from the rooms it names."""

import ast
from pathlib import Path

import pytest

import stn_action

PACKAGE = Path(stn_action.__file__).parent
ROOMS = {
    "errors": set(),
    "command": {"errors"},
    "config": {"errors", "config_data", "config_file", "config_types"},
    "config_data": {"config_types"},
    "config_file": {"errors"},
    "config_types": set(),
    "weights": {"errors"},
    "geometry": {"errors"},
    "video": {"errors"},
    "person": {"errors", "geometry", "video", "weights"},
    "data": {"errors", "geometry", "video", "person"},
    "models": {"errors", "geometry", "weights"},
    "training": {"errors", "geometry", "models"},
    "visualize": {"errors", "geometry", "video", "person", "models.focus"},
}
EVERYTHING = {"experiment", "__init__"}
HEAVY = {
    "av": "video/pyav.py",
    "decord": "video/decord_backend.py",
    "timm": "models/backbones.py",
    "pytorchvideo": "models/backbones.py",
}


def imported_modules(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names.add(node.module or "")
    return names


def files() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_run_downwards(path):
    room = room_of(path)
    if room in EVERYTHING:
        return
    allowed = ROOMS[room] | {room}
    for name in imported_modules(path):
        if name.split(".")[0] != "stn_action":
            continue
        inner = name.removeprefix("stn_action.")
        assert any(inner == room or inner.startswith(room + ".") for room in allowed), (
            f"{path.relative_to(PACKAGE)} imports {name}; {room} may import {sorted(allowed)}"
        )


@pytest.mark.parametrize("package", HEAVY)
def test_a_heavy_dependency_has_one_adapter(package):
    users = {
        str(path.relative_to(PACKAGE))
        for path in files()
        if any(name.split(".")[0] == package for name in imported_modules(path))
    }
    assert len(users) <= 1 or package in {"av"}, users
