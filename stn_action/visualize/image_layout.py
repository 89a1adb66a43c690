"""Layout of images in rows and columns, with lines of text between them."""

from collections.abc import Sequence

import numpy as np

from stn_action.visualize.images import (
    WHITE,
    Color,
    Image,
    blank_image,
    fit_text,
    put_text,
    text_width,
)
from stn_action.visualize.legend import STRIP_COLOR


def hstack_images(images: Sequence[Image]) -> Image:
    """Concatenate images in a row, tops aligned, padded with the strips' color."""
    height = max(len(image) for image in images)
    return np.concatenate([_padded(image, height, 0) for image in images], axis=1)


def vstack_images(images: Sequence[Image]) -> Image:
    """Concatenate images in a column, left edges aligned, padded with the strips' color."""
    width = max(image.shape[1] for image in images)
    return np.concatenate([_padded(image, 0, width) for image in images])


def center_image(image: Image, width: int) -> Image:
    """Pad an image to at least `width` on both sides alike, with the strips' color."""
    left = blank_image((len(image), max(0, width - image.shape[1]) // 2), STRIP_COLOR)
    return _padded(np.concatenate([left, image], axis=1), 0, width)


def draw_paragraph(
    text: str,
    width: int,
    text_height: int,
    *,
    color: Color = WHITE,
    ground: Color = STRIP_COLOR,
) -> Image:
    """Draw text in as many lines as it needs.

    Args:
        text: broken at spaces; a word wider than a line is shortened.
        width: of the result, pixels.
        text_height: of capital letters, pixels.
        color: of the text.
        ground: color of the strip.
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
    strip = blank_image((pitch * len(lines), width), ground)
    for number, line in enumerate(lines):
        baseline = number * pitch + round(1.45 * text_height)
        put_text(strip, line, text_height, baseline, height=text_height, color=color)
    return strip


def _padded(image: Image, height: int, width: int) -> Image:
    """Pad an image at the bottom and on the right to at least `height` and `width`."""
    size_hw = (max(height, image.shape[0]), max(width, image.shape[1]))
    padded = blank_image(size_hw, STRIP_COLOR)
    padded[: image.shape[0], : image.shape[1]] = image
    return padded
