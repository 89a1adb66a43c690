"""Frames to boxes of persons: the Detector protocol, and detectors by name."""

from pathlib import Path
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from stn_action.errors import InputError

KINDS = "torchvision:NAME[=WEIGHTS_FILE] or onnx:PATH[@SIDE]"
DEFAULT = "torchvision:fasterrcnn_mobilenet_v3_large_320_fpn"


class Detections(NamedTuple):
    """The persons found in one frame, best first."""

    boxes: Tensor
    """(N, 4) float32 xyxy, pixels of the frame."""
    scores: Tensor
    """(N,) float32, in [0, 1]."""


class Detector(Protocol):
    """Finds persons (class `person` of COCO) in pictures."""

    name: str
    """Network and its weights, as people files record it."""

    def detect(self, frames: Tensor) -> list[Detections]:
        """Find the persons in each frame.

        Args:
            frames: (B, 3, H, W) uint8 RGB, on the CPU.

        Returns:
            B detections, on the CPU.
        """
        ...


def build_detector(spec: str, *, min_score: float = 0.1, device: str | None = None) -> Detector:
    """Build a detector out of its name.

    Args:
        spec: `torchvision:NAME`, a detection network of torchvision with its COCO weights (with
            `=FILE` from a file), or `onnx:PATH`, a YOLOX network (with `@SIDE` for another input
            side than the file's, pixels).
        min_score: weaker detections are dropped. ByteTrack makes use of weak ones.
        device: of torchvision's networks; None: the GPU where there is one.

    Raises:
        InputError: there is no such detector, or its weights cannot be had.
    """
    kind, _, rest = spec.partition(":")
    if kind == "torchvision" and rest:
        from stn_action.person.torchvision_detector import TorchvisionDetector

        name, _, weights = rest.partition("=")
        where = device or ("cuda" if torch.cuda.is_available() else "cpu")
        return TorchvisionDetector(name, weights or None, min_score=min_score, device=where)
    if kind == "onnx" and rest:
        from stn_action.person.yolox import YoloxDetector

        path, _, side = rest.rpartition("@") if "@" in Path(rest).name else (rest, "", "")
        if side and not side.isdigit():
            raise InputError(f"--detector {spec}: the side after @ must be a number of pixels")
        return YoloxDetector(path, int(side) if side else None, min_score=min_score)
    raise InputError(
        f"--detector must be {KINDS}, got {spec!r}; boxes that you have already are read by "
        "`python tools/convert_people.py`"
    )


def check_frames(frames: Tensor) -> None:
    """Refuse what no detector takes.

    Raises:
        ValueError: `frames` is not uint8 (B, 3, H, W).
    """
    if frames.ndim != 4 or frames.shape[1] != 3 or frames.dtype != torch.uint8:
        raise ValueError(
            f"frames must be uint8 (B, 3, H, W), got {frames.dtype} {tuple(frames.shape)}"
        )
