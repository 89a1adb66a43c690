"""The table of rooms: a room imports exactly the rooms that its row names, all of them below it."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

import stn_action

PACKAGE = Path(stn_action.__file__).parent
PAGE = PACKAGE.parent / "docs/architecture.md"
CHOICES = "choices"
"""Stands for the files `*_choices.py`, which hold names and import nothing but `typing`."""
BELOW: list[set[str]] = [
    {"errors", "checksum", "tool_examples", CHOICES},
    {"extras", "user_code"},
    {"disk", "launch"},
    {"torch_file"},
    {"batch", "cli", "progress", "distributed", "weights", "workers"},
    {"geometry", "video", "config"},
    {"person", "models", "visualize"},
    {"data", "training"},
    {"evaluation"},
    {"build"},
    {"export"},
    {"predictor", "jobs"},
    {"runs"},
    {"__init__"},
    {"entry_point"},
]
"""Layers from the bottom: a room imports from lower layers only."""
HEAVY = {
    "accelerate": {"distributed.py"},
    "av": {
        "jobs/inspection.py", "video/container.py", "video/decoding.py", "video/indexing.py",
        "video/live_stream.py", "video/planar_frame.py", "video/plane_converter.py",
        "video/pyav.py", "video/stored_planes.py", "video/swscale.py", "video/writer.py",
    },
    "decord": {"video/decord_backend.py"},
    "h5py": {"person/formats/digit_struct.py"},
    "onnxruntime": {"export/export_forms.py", "person/detectors/detr.py"},
    "onnxscript": {"export/export_forms.py"},
    "matplotlib": {
        "visualize/chart_figure.py", "visualize/charts.py", "visualize/confusion.py",
        "visualize/paper_figure.py", "visualize/timeline_chart.py", "visualize/winner_maps.py",
    },
    "requests": {"disk/download.py"},
    "pytorchvideo": {"models/backbones/pytorchvideo_trunks.py"},
    "tensorboard": {"training/curve_file.py"},
    "torch.utils.tensorboard": {"training/curve_file.py"},
    "timm": {"models/backbones/timm_trunks.py"},
    "torchmetrics": {"evaluation/metrics.py"},
    "trackers": {"person/tracker.py"},
    "transformers": {"models/backbones/huggingface_trunks.py"},
    "huggingface_hub": {"models/backbones/huggingface_trunks.py"},
}  # fmt: skip
"""Package to the only files that import it."""


def imported_names(source: str) -> set[str]:
    """Every module named by an import, those inside functions too."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            names |= {module} | {f"{module}.{alias.name}" for alias in node.names}
    return names


def room_of(module: str) -> str:
    """`geometry` of `geometry.theta`, a file or a dotted name below the package."""
    *_, last = module.split(".")
    return CHOICES if last.endswith("_choices") else module.split(".")[0]


def rooms_named(source: str) -> set[str]:
    """The rooms of the package that a file imports from."""
    own = [name.removeprefix("stn_action.") for name in imported_names(source)]
    modules = {name for name in own if is_module(name)}
    return {room_of(name) for name in modules}


def is_module(name: str) -> bool:
    path = PACKAGE.joinpath(*name.split("."))
    is_package = (path / "__init__.py").is_file() and path != PACKAGE
    return is_package or path.with_suffix(".py").is_file()


def files() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts)


def actual_table() -> dict[str, set[str]]:
    table: dict[str, set[str]] = {}
    for path in files():
        room = room_of(name_of(path))
        found = rooms_named(path.read_text(encoding="utf-8")) - {room}
        table.setdefault(room, set()).update(found)
    return table


def written_table() -> dict[str, set[str]]:
    """The rows of docs/architecture.md."""
    rows = re.findall(r"^\| `(\w+)` \|[^|]*\|([^|]*)\|$", PAGE.read_text(encoding="utf-8"), re.M)
    return {room: set(re.findall(r"`(\w+)`", allowed)) for room, allowed in rows}


def test_a_room_imports_exactly_what_its_row_on_the_page_names():
    assert actual_table() == written_table()


def test_imports_run_downwards():
    layer = {room: number for number, rooms in enumerate(BELOW) for room in rooms}
    table = written_table()
    assert table.keys() == layer.keys()
    upward = [
        (room, other)
        for room, allowed in table.items()
        for other in allowed
        if layer[other] >= layer[room]
    ]
    assert upward == []


@pytest.mark.parametrize(
    ("source", "rooms"),
    [
        ("import stn_action.models.heads", {"models"}),
        ("from stn_action.runs import train", {"runs"}),
        ("def f():\n    from stn_action.build.data import loader", {"build"}),
        ("from stn_action import predictor", {"predictor"}),
        ("from stn_action.errors import InputError\nimport torch", {"errors"}),
        ("from stn_action.geometry.transform_choices import Family", {CHOICES}),
    ],
)
def test_every_kind_of_import_is_seen(source, rooms):
    assert rooms_named(source) - {"geometry"} == rooms - {"geometry"}


@pytest.mark.parametrize("path", files(), ids=name_of)
def test_imports_are_absolute_and_name_the_defining_file(path):
    names = names_imported_by(path)
    assert not [name for name in names if name.startswith(".")]
    if path.name != "__init__.py":
        from_packages = {
            f"{package}.{member}"
            for package, _, member in (name.rpartition(".") for name in names)
            if package.startswith("stn_action")
            and (PACKAGE.parent / package.replace(".", "/") / "__init__.py").is_file()
        }
        assert {name for name in from_packages if not is_module(name[11:])} == set()


@pytest.mark.parametrize("path", [p for p in files() if p.stem.endswith("_choices")], ids=name_of)
def test_files_of_choices_import_nothing_heavy(path):
    names = imported_names(path.read_text(encoding="utf-8"))
    assert {name.split(".")[0] for name in names} <= {"typing"}


def test_only_packages_are_without_code():
    for path in PACKAGE.rglob("__init__.py"):
        if path.parent != PACKAGE:
            assert len(ast.parse(path.read_text(encoding="utf-8")).body) == 1, path


@cache
def names_imported_by(path: Path) -> set[str]:
    return imported_names(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("package", HEAVY)
def test_a_heavy_dependency_is_imported_by_its_adapters_alone(package):
    users = {
        path.relative_to(PACKAGE).as_posix()
        for path in files()
        if any(f"{name}.".startswith(f"{package}.") for name in names_imported_by(path))
    }
    assert users == HEAVY[package]
