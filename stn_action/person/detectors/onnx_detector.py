"""Detectors in ONNX files, told apart by the inputs and outputs that the file declares."""

from pathlib import Path

from stn_action.errors import InputError
from stn_action.person.detectors.detector_base import Detector
from stn_action.person.detectors.detr import DETR_LAYOUTS, DetrDetector
from stn_action.person.detectors.onnx_signature import OnnxSignature, read_signature
from stn_action.person.detectors.yolox import ROW, YoloxDetector


def open_onnx_detector(path: str | Path, side: int | None = None, *, min_score: float) -> Detector:
    """Open a detector in an ONNX file: YOLOX, D-FINE or RF-DETR.

    Args:
        path: the file.
        side: of the square input, pixels; None: as the file declares.
        min_score: weaker detections are dropped.

    Raises:
        InputError: the file cannot be read, its layout is unknown, or it cannot be run.
    """
    path = Path(path)
    signature = read_signature(path)
    for layout in DETR_LAYOUTS:
        if layout.fits(signature):
            return DetrDetector(path, layout, signature, side, min_score=min_score)
    if is_yolox(signature):
        return YoloxDetector(path, side, min_score=min_score)
    known = [f"YOLOX (one image to rows of {ROW} numbers)", *map(str, DETR_LAYOUTS)]
    raise InputError(
        f"{path}: the layout of this network is unknown: {signature}; known are "
        f"{'; '.join(known)}; wrap another one in Python: --detector python:MODULE:NAME"
    )


def is_yolox(signature: OnnxSignature) -> bool:
    """Return whether a network has one input and one output (1, cells, 85), or an open shape."""
    if len(signature.inputs) != 1 or len(signature.outputs) != 1:
        return False
    (shape,) = signature.outputs.values()
    return not shape or (len(shape) == 3 and shape[-1] in (ROW, None))
