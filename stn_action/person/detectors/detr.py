"""D-FINE and RF-DETR networks in ONNX files, run by ONNX Runtime, behind the Detector protocol.

Sources, as their authors' exports and evaluations have it: D-FINE, Peng et al. 2024, arXiv
2410.13842; RF-DETR, Robinson et al. 2025, arXiv 2511.09554. Both take RGB images that are resized
to the size of the input without regard to their aspect, and return a fixed number of boxes, best
ones once, so that nothing is left to suppress.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from stn_action.errors import InputError
from stn_action.extras import needs_extra
from stn_action.person.detectors.detector_base import Detections, check_frames
from stn_action.person.detectors.onnx_signature import OnnxSignature
from stn_action.weights import short_digest, short_reason

IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Mean and standard deviation."""
DFINE_PERSON = 0
"""Index of COCO's class `person` among the 80 that are numbered without gaps."""
RFDETR_PERSON, RFDETR_CLASSES = 1, 91
"""COCO's own number of the class `person`, and the numbers from 0 to 90."""

Found = tuple[np.ndarray, np.ndarray]
"""(N, 4) float32 xyxy, pixels of the frame, and (N,) float32 scores, of persons."""


class DetrLayout(NamedTuple):
    """How an export names its tensors, and what it expects and returns."""

    name: str
    inputs: tuple[str, ...]
    """The image first; the other one, if any, is the size (width, height) that boxes refer to."""
    outputs: tuple[str, ...]
    mean_and_std: tuple[tuple[float, float, float], tuple[float, float, float]] | None
    """What pixels in [0, 1] are normalized with; None: they are not."""
    antialias: bool
    """How images were made smaller in training."""
    shapes: Callable[[int], list[tuple[int, ...]]]
    """The shapes of the outputs for N boxes."""
    persons: Callable[[Sequence[np.ndarray], tuple[int, int]], Found]
    """The outputs for a frame of (width, height) to the persons in it."""

    def fits(self, signature: OnnxSignature) -> bool:
        """Return whether a file has these inputs, and at least these outputs."""
        return set(signature.inputs) == set(self.inputs) and set(self.outputs) <= set(
            signature.outputs
        )

    def __str__(self) -> str:
        return f"{self.name} ({', '.join(self.inputs)} to {', '.join(self.outputs)})"


class DetrDetector:
    """A network of one of `DETR_LAYOUTS`, run frame by frame."""

    def __init__(
        self, path: Path, layout: DetrLayout, signature: OnnxSignature, side: int | None = None,
        *, min_score: float,
    ) -> None:  # fmt: skip
        """Read the network, and run it once.

        Args:
            path: the ONNX file.
            layout: of the file.
            signature: of the file.
            side: of the square input, pixels, where the file leaves it open.
            min_score: weaker detections are dropped.

        Raises:
            InputError: the file cannot be run, its outputs are not those of the layout, or the
                package onnxruntime is missing.
        """
        self.path, self.layout, self.min_score = path, layout, min_score
        self.size_hw = _input_size(path, signature.inputs[layout.inputs[0]], side)
        self._session = _session(path)
        self._check_output()
        height, width = self.size_hw
        self.name = f"onnx:{path.name} {short_digest(path)} {width}x{height}"

    def detect(self, frames: Tensor) -> list[Detections]:
        """Find the persons: see `Detector.detect`."""
        check_frames(frames)
        return [self._persons(frame) for frame in frames]

    def _persons(self, frame: Tensor) -> Detections:
        size_wh = frame.shape[2], frame.shape[1]
        outputs = self._run(self._image(frame), size_wh)
        boxes, scores = map(torch.from_numpy, self.layout.persons(outputs, size_wh))
        keep = scores >= self.min_score
        boxes, scores = boxes[keep].float(), scores[keep].float()
        order = scores.argsort(descending=True, stable=True)
        return Detections(boxes[order], scores[order])

    def _image(self, frame: Tensor) -> np.ndarray:
        """Convert a frame (3, H, W) uint8 RGB to the input (1, 3, *size_hw) float32."""
        image = F.interpolate(
            frame[None].float().div(255),
            self.size_hw,
            mode="bilinear",
            antialias=self.layout.antialias,
        )
        if self.layout.mean_and_std is not None:
            mean, std = (torch.tensor(one)[:, None, None] for one in self.layout.mean_and_std)
            image = (image - mean) / std
        return image.numpy()

    def _run(self, image: np.ndarray, size_wh: tuple[int, int]) -> list[np.ndarray]:
        given = image, np.array([size_wh], dtype=np.int64)
        fed = dict(zip(self.layout.inputs, given, strict=False))
        return self._session.run(list(self.layout.outputs), fed)

    def _check_output(self) -> None:
        height, width = self.size_hw
        zeros = np.zeros((1, 3, height, width), np.float32)
        try:
            outputs = self._run(zeros, (width, height))
        except Exception as error:  # noqa: BLE001  (the library's errors are of many kinds)
            raise InputError(
                f"{self.path}: this {self.layout.name} network cannot be run on an image of "
                f"{width}x{height} pixels ({short_reason(error)})"
            ) from None
        found = [one.shape for one in outputs]
        number = found[0][1] if len(found[0]) > 1 else 0
        expected = self.layout.shapes(number)
        if found != expected:
            names = ", ".join(self.layout.outputs)
            raise InputError(
                f"{self.path}: the outputs {names} of this {self.layout.name} network are {found}, "
                f"expected {expected}; export a detector that was trained on COCO"
            )


def dfine_persons(outputs: Sequence[np.ndarray], size_wh: tuple[int, int]) -> Found:
    """Return the persons of a D-FINE network, whose boxes are in pixels of the frame already.

    Args:
        outputs: labels (1, N), boxes (1, N, 4) and scores (1, N).
        size_wh: unused; the network was given it.
    """
    labels, boxes, scores = (one[0] for one in outputs)
    keep = labels == DFINE_PERSON
    return boxes[keep], scores[keep]


def rfdetr_persons(outputs: Sequence[np.ndarray], size_wh: tuple[int, int]) -> Found:
    """Return the persons of an RF-DETR network.

    Args:
        outputs: boxes (1, N, 4) as center and size, relative to the image, and the logits (1, N,
            91) of COCO's categories by their own numbers.
        size_wh: of the frame.
    """
    boxes, logits = (one[0] for one in outputs)
    scale = np.tile(np.array(size_wh, dtype=np.float32), 2)
    center, half = boxes[:, :2], boxes[:, 2:] / 2
    corners = np.concatenate([center - half, center + half], axis=1) * scale
    return corners, 1 / (1 + np.exp(-logits[:, RFDETR_PERSON].clip(-80, 80)))


DETR_LAYOUTS = (
    DetrLayout(
        "D-FINE", ("images", "orig_target_sizes"), ("labels", "boxes", "scores"), None,
        antialias=True, shapes=lambda n: [(1, n), (1, n, 4), (1, n)], persons=dfine_persons,
    ),
    DetrLayout(
        "RF-DETR", ("input",), ("dets", "labels"), IMAGENET,
        antialias=False, shapes=lambda n: [(1, n, 4), (1, n, RFDETR_CLASSES)],
        persons=rfdetr_persons,
    ),
)  # fmt: skip
"""D-FINE's is also that of RT-DETR and its successors."""


def _input_size(path: Path, shape: tuple[int | None, ...], side: int | None) -> tuple[int, int]:
    declared = shape[2:] if len(shape) == 4 else (None, None)
    height, width = declared
    if height is None or width is None:
        if side is None:
            raise InputError(
                f"{path}: its input is not declared as an image of one size; give the side of the "
                f"square it was trained with: onnx:{path}@640"
            )
        return side, side
    if side is not None and (side, side) != declared:
        raise InputError(
            f"{path}: the network was exported for images of {width}x{height} pixels, got @{side}; "
            "leave it out"
        )
    return height, width


def _session(path: Path) -> Any:
    with needs_extra(f"{path}: a D-FINE or RF-DETR network"):
        import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = torch.get_num_threads()
    wanted = "CUDAExecutionProvider", "CPUExecutionProvider"
    present = [one for one in wanted if one in onnxruntime.get_available_providers()]
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=present)
    except Exception as error:  # noqa: BLE001  (the library's errors are of many kinds)
        raise InputError(
            f"{path}: is not an ONNX network that ONNX Runtime can read ({short_reason(error)})"
        ) from None
