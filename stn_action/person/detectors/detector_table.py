"""Person detectors by name: one row per kind, built on demand."""

from collections.abc import Callable
from pathlib import Path

import torch

from stn_action.errors import InputError
from stn_action.person.detectors.detector_base import Detector
from stn_action.user_code import user_object, user_result

KINDS = "torchvision:NAME[=WEIGHTS_FILE], onnx:PATH[@SIDE] or python:MODULE:NAME"
DEFAULT = "torchvision:fasterrcnn_mobilenet_v3_large_320_fpn"


def build_detector(spec: str, *, min_score: float = 0.1, device: str | None = None) -> Detector:
    """Build a detector from its name.

    Args:
        spec: `torchvision:NAME`, a detection network of torchvision with its COCO weights (with
            `=FILE` from a file), `onnx:PATH`, a YOLOX, D-FINE or RF-DETR network (with `@SIDE` the
            side of its square input in pixels, where the file leaves it open, and for YOLOX another
            one than the file's), or `python:MODULE:NAME` (or `python:FILE.py:NAME`), your own
            class or function that is called without arguments and returns a `Detector`.
        min_score: weaker detections are dropped. ByteTrack makes use of weak ones.
        device: of torchvision's networks; None: the GPU if there is one.

    Raises:
        InputError: there is no such detector, or its weights are not available.
    """
    kind, _, rest = spec.partition(":")
    if kind not in DETECTORS or not rest or (kind == "python" and ":" not in rest):
        raise InputError(
            f"--detector must be {KINDS}, got {spec!r}; to use existing boxes run "
            "`python tools/convert_people.py`"
        )
    return DETECTORS[kind](rest, min_score, device)


def _torchvision(rest: str, min_score: float, device: str | None) -> Detector:
    from stn_action.person.detectors.torchvision_detector import TorchvisionDetector

    name, _, weights = rest.partition("=")
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    return TorchvisionDetector(name, weights or None, min_score=min_score, device=device)


def _onnx(rest: str, min_score: float, device: str | None) -> Detector:
    from stn_action.person.detectors.onnx_detector import open_onnx_detector

    path, _, side = rest.rpartition("@") if "@" in Path(rest).name else (rest, "", "")
    if side and (not side.isdigit() or int(side) == 0):
        raise InputError(f"--detector onnx:{rest}: the side after @ must be a number of pixels")
    return open_onnx_detector(path, int(side) if side else None, min_score=min_score)


def _python(rest: str, min_score: float, device: str | None) -> Detector:
    name = f"python:{rest}"
    detector = user_result(user_object(name, "--detector"), f"--detector {name}")
    if not hasattr(detector, "detect") or not hasattr(detector, "name"):
        raise InputError(
            f"--detector {name}: the result has no `detect` or no `name`; see "
            "stn_action.person.detectors.detector_base.Detector"
        )
    return detector


DETECTORS: dict[str, Callable[[str, float, str | None], Detector]] = {
    "torchvision": _torchvision,
    "onnx": _onnx,
    "python": _python,
}
"""Kind, as the text before the first colon, to a function of the rest, the minimum score and the
device."""
