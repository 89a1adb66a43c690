"""Folders of frames for tests."""

from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np


def write_frames(
    folder: Path, frames: Iterable[np.ndarray], *, pattern: str = "{:05}.png", first: int = 1
) -> Path:
    """Write RGB images (H, W, 3) as the frames of a video."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, frame in enumerate(frames, start=first):
        assert cv2.imwrite(str(folder / pattern.format(number)), frame[..., ::-1])
    return folder


def gray_frames(number: int, size_hw: tuple[int, int] = (12, 16)) -> list[np.ndarray]:
    """Images of one gray each, ten times the number of the frame."""
    return [np.full((*size_hw, 3), 10 * index, np.uint8) for index in range(number)]
