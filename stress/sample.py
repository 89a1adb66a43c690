"""A small data set of class folders, a detector for it, and the settings of a run of a second."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from stn_action.config.schema import load_config, to_yaml
from stn_action.person.detectors.detector_base import Detections
from stn_action.person.store.tube_folder import write_tube_csv
from stn_action.person.tube import Tube
from stn_action.video.writer import write_video

STEPS = {"down": (0, 1), "left": (-1, 0), "right": (1, 0)}
"""How far the bright square of a class goes in each frame, (x, y)."""
SIZE_HW = 48, 64
SIDE = 12
COLOR = 250, 220, 40
DETECTOR = "python:stress.sample:BrightDetector"


class BrightDetector:
    """A detector of the bright square: exact, and fast enough for thousands of videos."""

    name = "bright squares 1"

    def detect(self, frames: Tensor) -> list[Detections]:
        """Find the bright pixels of each frame: see `Detector.detect`."""
        return [self._one(image) for image in frames.permute(0, 2, 3, 1).numpy()]

    def _one(self, image: np.ndarray) -> Detections:
        near = (np.abs(image.astype(int) - COLOR).max(axis=2) < 70).astype(np.uint8)
        if near.sum() < SIDE:
            return Detections(torch.empty(0, 4), torch.empty(0))
        x, y, width, height = cv2.boundingRect(near)
        box = torch.tensor([[x, y, x + width, y + height]], dtype=torch.float32)
        return Detections(box, torch.tensor([0.9]))


def corners_of(label: str, num_frames: int, random: np.random.Generator) -> np.ndarray:
    """Return where the square is: (T, 2) int64, (x, y) of its upper left corner."""
    start = random.integers((24, 12), (30, 18))
    reach = np.array(SIZE_HW[::-1]) - SIDE
    return np.clip(start + np.array(STEPS[label]) * np.arange(num_frames)[:, None], 0, reach)


def draw(corners: np.ndarray, random: np.random.Generator) -> Iterator[np.ndarray]:
    """Yield frames (H, W, 3) uint8 RGB of a bright square before noise.

    The gray of the upper left corner tells the frame's number.
    """
    background = random.integers(40, 120, (*SIZE_HW, 3), dtype=np.uint8)
    for number, (x, y) in enumerate(corners):
        image = background.copy()
        image[y : y + SIDE, x : x + SIDE] = COLOR
        image[:8, :8] = 5 * number % 200
        yield image


def write_sample(root: Path, *, train: int = 4, test: int = 2, seed: int = 0) -> Path:
    """Write videos in `root/{train,test}/<class>/`, and the boxes of the squares in `people`.

    Args:
        root: the folder; one that is complete is left as it is.
        train: videos of each class.
        test: videos of each class.
        seed: of the videos.
    """
    done = root / ".done"
    if done.exists():
        return root
    for part, number in (("train", train), ("test", test)):
        for place in range(number):
            for label, name in enumerate(STEPS):
                random = np.random.default_rng([seed, label, place, part == "test"])
                corners = corners_of(name, 12, random)
                path = f"{part}/{name}/{place}"
                write_video(root / f"{path}.mp4", draw(corners, random), fps=10)
                boxes = torch.from_numpy(np.concatenate([corners, corners + SIDE], 1)).float()
                tube = Tube(torch.arange(12), boxes, torch.ones(12))
                write_tube_csv(root / "people" / f"{path}.csv", tube)
    done.touch()
    return root


def sample_settings(root: Path, *more: str) -> list[str]:
    """Return overrides for a run of a second or two; later ones win."""
    return [
        "data.name=folders", f"data.root={root}", f"data.people={root / 'people'}",
        "data.num_workers=0", "data.crop.size=32", "data.crop.box_jitter=0.05",
        "data.clip={num_frames: 4, stride: 2}", "model.backbone=small3d", "model.dropout=0.2",
        "model.focus={at: stage3, heads: 2, glimpse: pooled, min_scale: 0.2, gain: 1000}",
        "optim={name: adamw, lr: 3e-3, relative_lr: 1e-3, warmup_epochs: 1}",
        "train.epochs=2", "train.batch_size=4", "train.eval_interval=1",
        "eval={num_clips: 2, num_crops: 1, batch_size: 8}", *more,
    ]  # fmt: skip


def write_settings(path: Path, settings: Sequence[str]) -> Path:
    """Write a YAML file of overrides."""
    path.write_text(to_yaml(load_config(None, settings)), encoding="utf-8")
    return path
