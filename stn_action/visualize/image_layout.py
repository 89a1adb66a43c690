"""Images put together: beside each other, below each other, with lines of text between."""

from collections.abc import Sequence

import numpy as np

from stn_action.visualize.images import (
    WHITE,
    Color,
    Image,
    blank,
    fit_text,
    put_text,
    text_width,
)
from stn_action.visualize.legend import STRIP_COLOR


def hstack_images(images: Sequence[Image]) -> Image:
    """Images in a row, tops aligned, on the strips' color."""
    height = max(len(image) for image in images)
    return np.concatenate([_padded(image, height, 0) for image in images], axis=1)


def vstack_images(images: Sequence[Image]) -> Image:
    """Images one below the other, left edges aligned, on the strips' color."""
    width = max(image.shape[1] for image in images)
    return np.concatenate([_padded(image, 0, width) for image in images])


def center_image(image: Image, width: int) -> Image:
    """At least so wide, the image in the middle, on the strips' color."""
    left = blank((len(image), max(0, width - image.shape[1]) // 2), STRIP_COLOR)
    return _padded(np.concatenate([left, image], axis=1), 0, width)


def draw_paragraph(text: str, width: int, text_height: int, *, color: Color = WHITE) -> Image:
    """Text in as many lines as it needs, on the strips' color.

    Args:
        text: broken at spaces; a word that is wider than all is shortened.
        width: of the result, pixels.
        text_height: of capital letters, pixels.
        color: of the text.
    """
    room = width - 2 * text_height
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and text_width(longer, text_height) <= room:
            lines[-1] = longer
        else:
            lines.append(fit_text(word, text_height, room))
    pitch = round(1.9 * text_height)
    strip = blank((pitch * len(lines), width), STRIP_COLOR)
    for number, line in enumerate(lines):
        baseline = number * pitch + round(1.45 * text_height)
        put_text(strip, line, text_height, baseline, height=text_height, color=color)
    return strip


def _padded(image: Image, height: int, width: int) -> Image:
    """At least so high and wide, the image in the upper left."""
    size_hw = (max(height, image.shape[0]), max(width, image.shape[1]))
    padded = blank(size_hw, STRIP_COLOR)
    padded[: image.shape[0], : image.shape[1]] = image
    return padded
