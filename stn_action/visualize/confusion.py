"""The confusion matrix as a picture."""

from collections.abc import Sequence

import cv2
import numpy as np
from torch import Tensor

from stn_action.visualize.images import (
    BLACK,
    WHITE,
    Color,
    Image,
    blank,
    fit_text,
    put_text,
    text_width,
)

_LIGHT: Color = (246, 248, 252)
_DARK: Color = (8, 48, 107)
_MANY_CLASSES = 20
"""Beyond this, cells are small and hold no numbers."""
_MARGIN = 16


def draw_confusion(matrix: Tensor, class_names: Sequence[str], title: str = "") -> Image:
    """Rows are true classes, columns predicted ones; a cell's shade is its share of its row.

    Args:
        matrix: (C, C) counts, not negative.
        class_names: C names.
        title: above the picture.

    Raises:
        ValueError: the matrix is not (C, C) for C names, or holds a negative or no number.
    """
    num_classes = len(class_names)
    if matrix.shape != (num_classes, num_classes) or num_classes == 0:
        raise ValueError(
            f"matrix must be ({num_classes}, {num_classes}) for {num_classes} class names, "
            f"got {tuple(matrix.shape)}"
        )
    counts = matrix.detach().cpu().double().numpy()
    if not (counts >= 0).all():
        raise ValueError("matrix must hold counts, none of them negative")
    few = num_classes <= _MANY_CLASSES
    cell, text = (64, 12) if few else (17, 9)
    names = [fit_text(name, text, 240) for name in class_names]
    label_width = max(text_width(name, text) for name in names) + text
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1e-9)
    body = _body(counts, shares, cell, text, numbers=few)

    head_height = _MARGIN + (2 * text + _MARGIN if title else 0) + 3 * text
    top, left = head_height + label_width, _MARGIN + 3 * text + label_width
    axis = "predicted class (shade: share of the row)"
    width = left + max(body.shape[1], text_width(axis, text)) + _MARGIN
    picture = blank((top + body.shape[0] + _MARGIN, width), WHITE)
    picture[top : top + body.shape[0], left : left + body.shape[1]] = body
    middles = [round((index + 0.5) * cell) for index in range(num_classes)]
    for name, middle in zip(names, middles, strict=True):
        start = left - text_width(name, text) - text // 2
        put_text(picture, name, start, top + middle + text // 2, height=text, color=BLACK)
        _put_upright(picture, name, left + middle, top - text // 2, text)
    if title:
        put_text(picture, fit_text(title, text + 1, width - 2 * _MARGIN), _MARGIN,
                 _MARGIN + text, height=text + 1, color=BLACK)  # fmt: skip
    put_text(picture, axis, left, head_height - text, height=text, color=BLACK)
    _put_upright(picture, "true class", _MARGIN + text // 2, top + body.shape[0], text)
    return picture


def _body(counts: np.ndarray, shares: np.ndarray, cell: int, text: int, *, numbers: bool) -> Image:
    """The cells alone, with a thin light line between them."""
    light, dark = np.array(_LIGHT), np.array(_DARK)
    colors = light + np.sqrt(shares)[..., None] * (dark - light)
    body = np.repeat(np.repeat(colors.round().astype(np.uint8), cell, axis=0), cell, axis=1)
    body = np.ascontiguousarray(body)
    body[cell - 1 :: cell] = body[:, cell - 1 :: cell] = (214, 220, 230)
    if numbers:
        for row, column in np.argwhere(counts > 0):
            number = f"{counts[row, column]:g}"
            left = column * cell + (cell - text_width(number, text)) // 2
            baseline = row * cell + (cell + text) // 2
            color = WHITE if shares[row, column] > 0.2 else BLACK
            put_text(body, number, int(left), int(baseline), height=text, color=color)
    return body


def _put_upright(picture: Image, text: str, middle: int, bottom: int, height: int) -> None:
    """Write text that runs upwards, its middle line at x = `middle`, its start at y = `bottom`."""
    line = blank((2 * height, text_width(text, height) + height), WHITE)
    put_text(line, text, 0, round(1.5 * height), height=height, color=BLACK)
    upright = cv2.rotate(line, cv2.ROTATE_90_COUNTERCLOCKWISE)
    left = middle - height
    picture[bottom - upright.shape[0] : bottom, left : left + upright.shape[1]] = np.minimum(
        picture[bottom - upright.shape[0] : bottom, left : left + upright.shape[1]], upright
    )
