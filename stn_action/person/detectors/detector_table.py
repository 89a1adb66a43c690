"""Frames to boxes of persons: the Detector protocol, and detectors by name."""

from importlib import import_module
from pathlib import Path
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from stn_action.errors import InputError

KINDS = "torchvision:NAME[=WEIGHTS_FILE], onnx:PATH[@SIDE] or python:MODULE:NAME"
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
            `=FILE` from a file), `onnx:PATH`, a YOLOX network (with `@SIDE` for another input
            side than the file's, pixels), or `python:MODULE:NAME`, your own class or function that
            is called without arguments and gives a `Detector`.
        min_score: weaker detections are dropped. ByteTrack makes use of weak ones.
        device: of torchvision's networks; None: the GPU where there is one.

    Raises:
        InputError: there is no such detector, or its weights cannot be had.
    """
    kind, _, rest = spec.partition(":")
    if kind == "torchvision" and rest:
        from stn_action.person.detectors.torchvision_detector import TorchvisionDetector

        name, _, weights = rest.partition("=")
        where = device or ("cuda" if torch.cuda.is_available() else "cpu")
        return TorchvisionDetector(name, weights or None, min_score=min_score, device=where)
    if kind == "onnx" and rest:
        from stn_action.person.detectors.yolox import YoloxDetector

        path, _, side = rest.rpartition("@") if "@" in Path(rest).name else (rest, "", "")
        if side and not side.isdigit():
            raise InputError(f"--detector {spec}: the side after @ must be a number of pixels")
        return YoloxDetector(path, int(side) if side else None, min_score=min_score)
    if kind == "python" and ":" in rest:
        return _imported(spec, *rest.split(":", 1))
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


def _imported(spec: str, module: str, name: str) -> Detector:
    try:
        make = getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise InputError(
            f"--detector {spec}: {error}; expected python:MODULE:NAME, a module that Python finds "
            "(PYTHONPATH) and a name in it"
        ) from None
    detector = make()
    if not hasattr(detector, "detect") or not hasattr(detector, "name"):
        raise InputError(
            f"--detector {spec}: what it gives has no `detect` or no `name`; see "
            "stn_action.person.detectors.detector_table.Detector"
        )
    return detector
