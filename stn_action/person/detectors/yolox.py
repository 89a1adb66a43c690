"""YOLOX networks in ONNX files, run by OpenCV, behind the Detector protocol.

Source: Ge et al. 2021, arXiv 2107.08430; input and output as the authors' export writes them: BGR
0 to 255, scaled to fit into a square padded with gray 114; one row of 85 per cell of three grids
(strides 8, 16, 32): center relative to the cell and log size, both in strides, objectness, and the
scores of 80 classes.
"""

import re
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor
from torchvision.ops import nms

from stn_action.errors import InputError
from stn_action.person.detectors.detector_base import Detections, check_frames
from stn_action.weights import short_digest

STRIDES = (8, 16, 32)
GRAY = 114
ROW = 85
PERSON = 0
"""Index of COCO's class `person` among the 80."""
NMS_IOU = 0.45
"""As in the authors' demo."""


class YoloxDetector:
    """A YOLOX network, run frame by frame: OpenCV on a CPU is not faster for batches (measured)."""

    def __init__(self, path: str | Path, side: int | None = None, *, min_score: float) -> None:
        """Read the network.

        Args:
            path: the ONNX file.
            side: of the square input, pixels, a multiple of 32; None: as the file declares.
            min_score: weaker detections are dropped.

        Raises:
            InputError: the file cannot be read, or its output is not that of YOLOX.
        """
        self.path, self.min_score = Path(path), min_score
        self._network = _read(self.path)
        self.side = side or _declared_side(self._network, self.path)
        if self.side % max(STRIDES):
            raise InputError(f"{path}: the side must be a multiple of 32 pixels, got {self.side}")
        self.corners, self.strides = _cells(self.side)
        self._check_output()
        self.name = f"onnx:{self.path.name} {short_digest(self.path)} {self.side}"

    def detect(self, frames: Tensor) -> list[Detections]:
        """Find the persons: see `Detector.detect`."""
        check_frames(frames)
        images = frames.permute(0, 2, 3, 1).numpy()  # (B, H, W, 3)
        return [self._persons(image) for image in images]

    def _persons(self, image: np.ndarray) -> Detections:
        scale = min(self.side / image.shape[0], self.side / image.shape[1])
        rows = self._run(letterbox(image, self.side, scale))
        boxes, scores = decode_rows(rows, self.corners, self.strides)
        boxes = boxes / scale
        keep = scores >= self.min_score
        boxes, scores = torch.from_numpy(boxes[keep]), torch.from_numpy(scores[keep])
        best = nms(boxes, scores, NMS_IOU)
        return Detections(boxes[best], scores[best])

    def _run(self, blob: np.ndarray) -> np.ndarray:
        """Run the network: (1, 3, side, side) to rows (cells, 85)."""
        self._network.setInput(blob)
        return self._network.forward()[0]

    def _check_output(self) -> None:
        expected = (len(self.corners), ROW)
        try:
            shape = self._run(np.zeros((1, 3, self.side, self.side), np.float32)).shape
        except cv2.error as error:
            raise InputError(
                f"{self.path}: OpenCV cannot run this network on a {self.side} pixel square "
                f"({_first_line(error)}); expected a YOLOX network, or give its side: "
                f"onnx:{self.path}@640"
            ) from None
        if shape != expected:
            raise InputError(
                f"{self.path}: the output is {shape}, expected {expected} (cells, box and scores) "
                f"for a YOLOX network on a {self.side} pixel square; export it without decoding "
                "and with COCO's 80 classes"
            )


def letterbox(image: np.ndarray, side: int, scale: float) -> np.ndarray:
    """Scale an image into the upper left of a gray square.

    Args:
        image: (H, W, 3) uint8 RGB.
        side: of the square, pixels.
        scale: square pixels per image pixel.

    Returns:
        (1, 3, side, side) float32 BGR in [0, 255].
    """
    height, width = image.shape[:2]
    size = max(1, min(side, int(width * scale))), max(1, min(side, int(height * scale)))
    square = np.full((side, side, 3), GRAY, dtype=np.uint8)
    square[: size[1], : size[0]] = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)
    return cv2.dnn.blobFromImage(square, swapRB=True)


def decode_rows(
    rows: np.ndarray, corners: np.ndarray, strides: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Convert the network's rows to boxes in the square and the scores of the class person.

    Args:
        rows: (N, 85).
        corners: (N, 2) upper left of each row's cell, in cells.
        strides: (N, 1) side of each row's cell, pixels.

    Returns:
        (N, 4) float32 xyxy, pixels of the square, and (N,) float32.
    """
    centers = (rows[:, :2] + corners) * strides
    halves = np.exp(np.minimum(rows[:, 2:4], 10)) * strides / 2
    boxes = np.concatenate([centers - halves, centers + halves], axis=1)
    return boxes.astype(np.float32), (rows[:, 4] * rows[:, 5 + PERSON]).astype(np.float32)


def _cells(side: int) -> tuple[np.ndarray, np.ndarray]:
    corners, strides = [], []
    for stride in STRIDES:
        cells = side // stride
        y, x = np.divmod(np.arange(cells * cells), cells)
        corners.append(np.stack([x, y], axis=1))
        strides.append(np.full((cells * cells, 1), stride))
    return np.concatenate(corners), np.concatenate(strides)


def _read(path: Path) -> cv2.dnn.Net:
    try:
        return cv2.dnn.readNetFromONNX(str(path))
    except cv2.error as error:
        raise InputError(
            f"{path}: is not an ONNX network that OpenCV can read ({_first_line(error)})"
        ) from None


def _declared_side(network: cv2.dnn.Net, path: Path) -> int:
    """Return the side that the file declares, from OpenCV's description of the network."""
    found = re.search(r"<Input> \w+ \[1 x 3 x (\d+) x (\d+)\]", network.dump())
    if found is None or found[1] != found[2]:
        raise InputError(
            f"{path}: its input is not declared as one square image of three channels; give the "
            f"side of a YOLOX network: onnx:{path}@640"
        )
    return int(found[1])


def _first_line(error: cv2.error) -> str:
    return " ".join(str(error.err or error).split())[:150]
