"""A data set of class folders so small that training on it takes a second, and its settings."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from stn_action.config.schema import Config, load_config, to_yaml
from stn_action.person.store.tube_folder import write_tube_csv
from stn_action.person.tube import Tube
from stn_action.video.writer import write_video

CLASSES = {"down": (0, 2), "left": (-2, 0), "right": (2, 0)}
"""How far the bright square goes in each frame, (x, y)."""
SIZE_HW = (48, 64)
SIDE = 12
PER_CLASS = {"train": 4, "test": 2}
SHORT = ("train/down/1", "test/left/1")
"""These have fewer frames than a clip needs."""
WITHOUT_PERSON = "train/left/2"


class Finished(NamedTuple):
    """A run that has ended."""

    folder: Path
    printed: str


def write_tiny(root: Path) -> Path:
    """Videos in `root/{train,test}/<class>/`, person boxes in `people`, regions in `regions`."""
    for part, number in PER_CLASS.items():
        for label, name in enumerate(CLASSES):
            for index in range(number):
                random = np.random.default_rng([label, index, part == "test"])
                write_one(root, f"{part}/{name}/{index}", random)
    return root


def write_one(root: Path, name: str, random: np.random.Generator) -> None:
    num_frames = 3 if name in SHORT else 12
    step = np.array(CLASSES[name.split("/")[1]])
    start = random.integers((26, 4), (28, 8)) if num_frames > 3 else np.array((26, 10))
    corners = start + step * np.arange(num_frames)[:, None]
    write_video(root / f"{name}.mp4", images(corners, random), fps=10)
    squares = torch.from_numpy(np.concatenate([corners, corners + SIDE], 1)).float()
    numbers, scores = torch.arange(num_frames), torch.ones(num_frames)
    write_tube_csv(root / "regions" / f"{name}.csv", Tube(numbers, squares, scores))
    if name != WITHOUT_PERSON:
        around = squares + torch.tensor([-6, -4, 6, 4])
        write_tube_csv(root / "people" / f"{name}.csv", Tube(numbers, around, scores))


def images(corners: np.ndarray, random: np.random.Generator) -> Iterator[np.ndarray]:
    background = random.integers(40, 120, (*SIZE_HW, 3), dtype=np.uint8)
    for x, y in corners:
        image = background.copy()
        image[y : y + SIDE, x : x + SIDE] = (250, 220, 40)
        yield image


def tiny_settings(root: Path, *more: str) -> list[str]:
    """Overrides for a run of a second or two; later ones win."""
    return [
        "data.name=folders", f"data.root={root}", f"data.people={root / 'people'}",
        f"data.regions={root / 'regions'}", "data.num_workers=0", "data.crop.size=32",
        "data.crop.box_jitter=0.05", "data.clip={num_frames: 4, stride: 2}",
        "model.backbone=small3d", "model.dropout=0.2",
        "model.focus={at: stage3, heads: 2, glimpse: pooled, min_scale: 0.2, gain: 1000}",
        "optim={name: adamw, lr: 3e-3, relative_lr: 1e-3, warmup_epochs: 1}",
        "train.epochs=2", "train.batch_size=4", "train.eval_interval=1",
        "eval={num_clips: 2, num_crops: 1, batch_size: 8, shuffled_theta: true}", *more,
    ]  # fmt: skip


def tiny_config(root: Path, *more: str) -> Config:
    return load_config(None, tiny_settings(root, *more))


def write_config(path: Path, settings: list[str]) -> Path:
    """A YAML file of settings that were given as overrides."""
    path.write_text(to_yaml(load_config(None, settings)))
    return path


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def same(one: Any, other: Any) -> bool:
    """Whether two checkpoints hold the same to the last bit."""
    if isinstance(one, torch.Tensor):
        return isinstance(other, torch.Tensor) and torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other
