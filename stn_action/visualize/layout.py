"""Pictures put together: beside each other, below each other, with lines of text between."""

from collections.abc import Sequence

import numpy as np

from stn_action.visualize.legend import STRIP_COLOR
from stn_action.visualize.picture import (
    WHITE,
    Color,
    Picture,
    blank,
    fit_text,
    put_text,
    text_width,
)


def beside(pictures: Sequence[Picture]) -> Picture:
    """Pictures in a row, tops aligned, on the strips' colour."""
    height = max(len(picture) for picture in pictures)
    return np.concatenate([_padded(picture, height, 0) for picture in pictures], axis=1)


def stacked(pictures: Sequence[Picture]) -> Picture:
    """Pictures one below the other, left edges aligned, on the strips' colour."""
    width = max(picture.shape[1] for picture in pictures)
    return np.concatenate([_padded(picture, 0, width) for picture in pictures])


def centred(picture: Picture, width: int) -> Picture:
    """At least so wide, the picture in the middle, on the strips' colour."""
    left = blank((len(picture), max(0, width - picture.shape[1]) // 2), STRIP_COLOR)
    return _padded(np.concatenate([left, picture], axis=1), 0, width)


def paragraph(text: str, width: int, text_height: int, *, color: Color = WHITE) -> Picture:
    """Text in as many lines as it needs, on the strips' colour.

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


def _padded(picture: Picture, height: int, width: int) -> Picture:
    """At least so high and wide, the picture in the upper left."""
    size_hw = (max(height, picture.shape[0]), max(width, picture.shape[1]))
    padded = blank(size_hw, STRIP_COLOR)
    padded[: picture.shape[0], : picture.shape[1]] = picture
    return padded
