"""Results of a run or a job, compared with those of one that nothing disturbed."""

import csv
import json
from pathlib import Path
from typing import Any

import torch

from stn_action.errors import InputError
from stn_action.person.store.people_file import PeopleFile
from stn_action.training.checkpoint import load_checkpoint

TIMES = {"seconds", "data_wait", "time"}
"""What differs from run to run."""
CHECKPOINTS = "last.pt", "best.pt"


def unlike_run(folder: Path, reference: Path, *, tolerance: float = 0.0) -> list[str]:
    """Return how a finished training differs from another one.

    Args:
        folder: of the run.
        reference: of the other.
        tolerance: relative, of weights, metrics and predictions; 0: bit-equal.
    """
    faults = []
    for name in CHECKPOINTS:
        if (reference / name).exists() != (folder / name).exists():
            faults.append(f"{name} exists in one of two runs: {folder}, {reference}")
        elif (folder / name).exists():
            mine, theirs = (_content(path / name, tolerance) for path in (folder, reference))
            faults += [f"{name}: {place} differs" for place in _unlike(mine, theirs, tolerance)]
    mine, theirs = (metrics_of(path) for path in (folder, reference))
    faults += [f"metrics.jsonl: {place} differs" for place in _unlike(mine, theirs, tolerance)]
    mine, theirs = (_predictions(path / "test_predictions.csv") for path in (folder, reference))
    return faults + [f"predictions: {place} differs" for place in _unlike(mine, theirs, tolerance)]


def unlike_people(file: Path, reference: Path) -> list[str]:
    """Return how a people file differs from another one."""
    one, other = PeopleFile(file), PeopleFile(reference)
    if one.names() != other.names():
        return [f"people of {len(one)} videos in place of {len(other)}"]
    return [
        f"people of {mine.name} differ"
        for mine, theirs in zip(one, other, strict=True)
        if not _same_people(mine, theirs)
    ]


def unlike_files(folder: Path, reference: Path, pattern: str) -> list[str]:
    """Return how the files of a pattern differ from those of another folder, by their bytes."""
    mine, theirs = (
        {path.relative_to(root): path.read_bytes() for path in sorted(root.rglob(pattern))}
        for root in (folder, reference)
    )
    names = sorted(mine.keys() ^ theirs.keys())
    names += [name for name in sorted(mine.keys() & theirs.keys()) if mine[name] != theirs[name]]
    return [f"{name} differs" for name in names]


def broken_checkpoints(folder: Path) -> list[str]:
    """Return which checkpoints of a run that was stopped cannot be loaded."""
    faults = []
    for name in CHECKPOINTS:
        try:
            if (folder / name).exists():
                load_checkpoint(folder / name)
        except InputError as error:
            faults.append(f"not intact: {error}")
    return faults


def metrics_of(folder: Path) -> list[dict[str, Any]]:
    """Return the lines of `metrics.jsonl` without times."""
    text = (folder / "metrics.jsonl").read_text(encoding="utf-8")
    lines = [json.loads(line) for line in text.splitlines()]
    return [{key: value for key, value in one.items() if key not in TIMES} for one in lines]


def _content(path: Path, tolerance: float) -> dict[str, Any]:
    """Return what must be equal; of runs that are only nearly equal the weights alone."""
    content = load_checkpoint(path)
    if tolerance:
        return {"network": content["network"], "epoch": content["epoch"]}
    return {key: value for key, value in content.items() if key not in {"config", *TIMES}}


def _predictions(path: Path) -> list[list[Any]]:
    """Return the rows; the numbers in them as numbers, without the class chosen by them."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = [[*row[:3], *row[4:]] for row in csv.reader(file)]
    return [rows[0], *([*row[:3], *map(float, row[3:])] for row in rows[1:])]


def _unlike(one: Any, other: Any, tolerance: float, place: str = "") -> list[str]:
    """Return the places at which two values differ, the first of each tensor and list."""
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        if one.shape != other.shape:
            return [f"{place} (shape)"]
        equal = torch.equal(one, other) or (
            tolerance > 0 and torch.allclose(one, other, rtol=tolerance, atol=tolerance)
        )
        return [] if equal else [f"{place} (by {_distance(one, other):.2g})"]
    if isinstance(one, dict) and isinstance(other, dict):
        if one.keys() != other.keys():
            return [f"{place}: keys {sorted(map(str, one.keys() ^ other.keys()))}"]
        return [
            f for key in one for f in _unlike(one[key], other[key], tolerance, f"{place}/{key}")
        ]
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        if len(one) != len(other):
            return [f"{place}: {len(one)} items in place of {len(other)}"]
        pairs = enumerate(zip(one, other, strict=True))
        return [f for n, (a, b) in pairs for f in _unlike(a, b, tolerance, f"{place}/{n}")]
    if tolerance and isinstance(one, float) and isinstance(other, float):
        return (
            [] if abs(one - other) <= tolerance * max(1, abs(other)) else [f"{place} {one} {other}"]
        )
    return [] if one == other or (one != one and other != other) else [f"{place} {one} {other}"]


def _distance(one: torch.Tensor, other: torch.Tensor) -> float:
    return float((one.double() - other.double()).abs().max())


def _same_people(one: Any, other: Any) -> bool:
    if (one.num_frames, one.checksum, len(one.tubes)) != (
        other.num_frames, other.checksum, len(other.tubes),
    ):  # fmt: skip
        return False
    return all(
        torch.equal(mine.boxes, theirs.boxes)
        and torch.equal(mine.frame_indices, theirs.frame_indices)
        for mine, theirs in zip(one.tubes, other.tubes, strict=True)
    )
