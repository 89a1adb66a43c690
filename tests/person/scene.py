"""A scene of colored people whose ways are known, and a detector that sees colors."""

from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from stn_action.person.detectors.detector_base import Detections
from stn_action.video.writer import write_video

HEIGHT, WIDTH, LENGTH, FPS = 120, 240, 60, 30.0
SIZE = 24, 60
"""Width and height of a person."""
MARGIN = 60
"""What of a wall is beyond each side, pixels."""
COLORS = ((230, 60, 60), (60, 230, 60), (60, 60, 230))


def crossing(length: int = LENGTH) -> Tensor:
    """(2, T, 4): one goes right, one left, on nearly the same line; the first hides the second."""
    time = torch.arange(length)
    left = torch.stack([10 + 3 * time, WIDTH - 34 - 3 * time])  # (2, T)
    top = torch.tensor([[30.0], [34.0]]).expand(2, length)
    return torch.stack([left, top, left + SIZE[0], top + SIZE[1]], dim=-1).float()


def standing(length: int = LENGTH, left: float = 150.0) -> Tensor:
    """(1, T, 4): one who stands still."""
    return torch.tensor([left, 40, left + SIZE[0], 40 + SIZE[1]]).expand(1, length, 4).clone()


def draw(
    boxes: Tensor, *, textured: bool = False, shifts: list[int] | None = None
) -> list[np.ndarray]:
    """Images of (P, T, 4) people; the first in the list stand in front.

    Where the background is textured, `shifts` moves it to the right, pixels in each frame.
    """
    images, wall = [], _wall()
    for frame, now in enumerate(boxes.transpose(0, 1).round().int().tolist()):
        image = np.full((HEIGHT, WIDTH, 3), 25, dtype=np.uint8)
        if textured:
            left = MARGIN - (shifts[frame] if shifts else 0)
            image[:] = wall[:, left : left + WIDTH]
        for (x0, y0, x1, y1), color in reversed(list(zip(now, COLORS, strict=False))):
            cv2.rectangle(image, (x0, y0), (x1 - 1, y1 - 1), color, -1)
        images.append(image)
    return images


def _wall() -> np.ndarray:
    dark = np.random.default_rng(0).integers(0, 100, (15, 40, 3), dtype=np.uint8)
    size = WIDTH + 2 * MARGIN, HEIGHT
    return cv2.resize(dark, size, interpolation=cv2.INTER_NEAREST)


def write_scene(path: Path, boxes: Tensor) -> Path:
    write_video(path, draw(boxes), fps=FPS, crf=8)
    return path


def write_damaged_scene(path: Path, boxes: Tensor) -> Path:
    """A scene of which a twentieth of the bytes, in its middle, is noise: some frames are lost."""
    write_video(path, draw(boxes), fps=FPS, crf=8, gop=12)
    content = bytearray(path.read_bytes())
    start, end = content.index(b"mdat") + 4, content.index(b"moov") - 4
    middle, half = (start + end) // 2, len(content) // 40
    noise = np.random.default_rng(0).integers(0, 256, 2 * half, dtype=np.uint8)
    content[middle - half : middle + half] = noise.tobytes()
    path.write_bytes(content)
    return path


class ColorDetector:
    """What is visible of each color, as boxes without a name; the more of it, the surer."""

    name = "colors 1"

    def detect(self, frames: Tensor) -> list[Detections]:
        return [self._one(image) for image in frames.permute(0, 2, 3, 1).numpy()]

    def _one(self, image: np.ndarray) -> Detections:
        boxes, scores = [], []
        for color in COLORS:
            near = (np.abs(image.astype(int) - color).max(axis=2) < 60).astype(np.uint8)
            if near.sum() < 80:
                continue
            x, y, width, height = cv2.boundingRect(near)
            boxes.append([x, y, x + width, y + height])
            scores.append(0.3 + 0.6 * near.sum() / (SIZE[0] * SIZE[1]))
        order = np.argsort(scores)[::-1].copy()
        return Detections(
            torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)[order],
            torch.tensor(scores, dtype=torch.float32)[order],
        )
