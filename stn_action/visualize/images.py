"""Images as uint8 (H, W, 3) RGB arrays: conversion, resizing, text, PNG files."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from stn_action.disk.atomic_file import write_file
from stn_action.errors import InputError

Image = NDArray[np.uint8]
Color = tuple[int, int, int]

WHITE: Color = (255, 255, 255)
BLACK: Color = (0, 0, 0)
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_FONT_PIXELS = 22
"""Height in pixels of a capital letter of the font at scale 1."""


def as_image(frame: Image | Tensor) -> Image:
    """Return a frame as a contiguous image.

    Args:
        frame: an array (H, W, 3) or a tensor (3, H, W), uint8 RGB.

    Raises:
        ValueError: it is neither.
    """
    if isinstance(frame, Tensor):
        image = frame.detach().cpu().numpy()
        image = image.transpose(1, 2, 0) if image.ndim == 3 else image
    else:
        image = frame
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(
            "a frame must be a uint8 array (H, W, 3) or tensor (3, H, W), got "
            f"{frame.dtype} {tuple(frame.shape)}"
        )
    return np.ascontiguousarray(image)


def resize_image(image: Image, size_hw: tuple[int, int]) -> Image:
    """Resize an image: by area average when it shrinks, by cubic interpolation when it grows."""
    shrinks = size_hw[0] < image.shape[0]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return as_image(cv2.resize(image, size_hw[::-1], interpolation=method).astype(np.uint8))


def blank_image(size_hw: tuple[int, int], color: Color) -> Image:
    """Return an image of one color."""
    return np.full((*size_hw, 3), color, dtype=np.uint8)


def text_width(text: str, height: int) -> int:
    """Return the width in pixels of `text` whose capital letters are `height` pixels high."""
    (width, _), _ = cv2.getTextSize(_plain(text), _FONT, height / _FONT_PIXELS, _stroke(height))
    return width


def put_text(
    image: Image, text: str, left: int, baseline: int, *, height: int, color: Color
) -> None:
    """Draw text on an image, in place.

    Args:
        image: the image to draw on.
        text: one line. The font has ASCII letters only; others become question marks.
        left: x of the first letter, pixels.
        baseline: y of the letters' baseline, pixels.
        height: of capital letters, pixels.
        color: RGB.
    """
    scale, stroke = height / _FONT_PIXELS, _stroke(height)
    cv2.putText(
        image, _plain(text), (left, baseline), _FONT, scale, color, stroke, lineType=cv2.LINE_AA
    )


def fit_text(text: str, height: int, max_width: int) -> str:
    """Return `text`, shortened with dots if it is wider than `max_width` pixels."""
    if text_width(text, height) <= max_width:
        return text
    for end in range(len(text) - 1, 0, -1):
        shorter = text[:end].rstrip() + "..."
        if text_width(shorter, height) <= max_width:
            return shorter
    return ""


def save_png(path: str | Path, image: Image) -> None:
    """Write an image as a PNG file and create missing folders.

    Raises:
        InputError: the name does not end in .png, or the file cannot be written.
        ValueError: `image` is not uint8 (H, W, 3).
    """
    path = Path(path)
    if path.suffix.lower() != ".png":
        raise InputError(f"{path}: images are written as PNG, so the name must end in .png")
    encoded, data = cv2.imencode(".png", as_image(image)[:, :, ::-1])
    if not encoded:
        raise ValueError(f"{path}: an image of {image.shape} cannot be encoded")
    write_file(path, data.tobytes(), sync=False)


def _plain(text: str) -> str:
    return text.encode("ascii", "replace").decode()


def _stroke(height: int) -> int:
    return max(1, round(height / 12))
