"""The interface of all person detectors: frames to boxes of persons."""

from typing import NamedTuple, Protocol

import torch
from torch import Tensor


class Detections(NamedTuple):
    """The persons found in one frame, best first."""

    boxes: Tensor
    """(N, 4) float32 xyxy, pixels of the frame."""
    scores: Tensor
    """(N,) float32, in [0, 1]."""


class Detector(Protocol):
    """A detector of persons (class `person` of COCO) in images."""

    name: str
    """Network and its weights, as recorded in people files."""

    def detect(self, frames: Tensor) -> list[Detections]:
        """Find the persons in each frame.

        Args:
            frames: (B, 3, H, W) uint8 RGB, on the CPU.

        Returns:
            B detections, on the CPU.
        """
        ...


def check_frames(frames: Tensor) -> None:
    """Check that the frames are a batch that detectors accept.

    Raises:
        ValueError: `frames` is not uint8 (B, 3, H, W).
    """
    if frames.ndim != 4 or frames.shape[1] != 3 or frames.dtype != torch.uint8:
        raise ValueError(
            f"frames must be uint8 (B, 3, H, W), got {frames.dtype} {tuple(frames.shape)}"
        )
