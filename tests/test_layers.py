"""The import table of the design: a room imports only from the rooms it names."""

import ast
from pathlib import Path

import pytest

import stn_action

PACKAGE = Path(stn_action.__file__).parent
ROOMS = {
    "errors": set(),
    "checksum": set(),
    "cli": {"errors"},
    "progress": {"errors"},
    "batch": {"errors"},
    "precision": set(),
    "distributed": {"errors", "precision"},
    "weights": {"errors"},
    "geometry": {"errors"},
    "video": {"errors"},
    "config": {
        "errors",
        "checksum",
        "precision",
        "data.data_choices",
        "evaluation.evaluation_choices",
        "geometry.transform_choices",
        "models.model_choices",
        "person.person_choices",
        "training.training_choices",
        "video.video_choices",
    },
    "person": {"errors", "checksum", "weights", "geometry", "video"},
    "models": {"errors", "weights", "geometry"},
    "data": {"errors", "batch", "checksum", "geometry", "video", "person"},
    "training": {"errors", "batch", "distributed", "progress", "geometry", "models"},
    "visualize": {"errors", "geometry"},
    "evaluation": {"errors", "batch", "distributed", "geometry", "models", "training"},
}
UNSETTLED = {"build", "runs", "jobs", "predictor", "__init__"}
"""Rooms that were moved into place and have no row yet."""
HEAVY = {
    "av": {
        "video/pyav.py",
        "video/container.py",
        "video/decoding.py",
        "video/writer.py",
        "jobs/inspection.py",
    },
    "decord": {"video/decord_backend.py"},
    "matplotlib": {"visualize/charts.py", "visualize/confusion.py", "visualize/chart_figure.py"},
    "timm": {"models/backbones/timm_trunks.py"},
    "pytorchvideo": {"models/backbones/pytorchvideo_trunks.py"},
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
    if room in UNSETTLED:
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
def test_a_heavy_dependency_is_imported_in_its_adapters_alone(package):
    users = {
        str(path.relative_to(PACKAGE))
        for path in files()
        if any(name.split(".")[0] == package for name in imported_modules(path))
    }
    assert users == HEAVY[package]
