"""A strip with the true and the predicted class, and a mark that tells whether they agree."""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from stn_action.visualize.images import Color, Image, blank_image, fit_text, put_text, text_width
from stn_action.visualize.legend import STRIP_COLOR, ink_on

WRONG_COLOR: Color = (213, 94, 0)
RIGHT_COLOR: Color = (0, 158, 115)


class Verdict(NamedTuple):
    """The class that a network gives a video, and the classes that it has."""

    predicted: str = ""
    """Empty: nothing was predicted."""
    probability: float | None = None
    """Of the predicted class, in [0, 1]."""
    true: Sequence[str] = ()
    """All true classes; empty: unknown."""

    @property
    def is_wrong(self) -> bool:
        """Whether the predicted class is none of the true ones, as far as these are known."""
        return bool(self.true) and self.predicted not in self.true

    def lines(self) -> list[str]:
        """Return the true and the predicted class in words, as far as they are known."""
        lines = [f"true: {'; '.join(self.true)}"] if self.true else []
        if not self.predicted:
            return lines
        number = "" if self.probability is None else f" ({self.probability:.2f})"
        return [*lines, f"predicted: {self.predicted}{number}"]


def draw_verdict(
    verdict: Verdict, width: int, text_height: int, *, ground: Color = STRIP_COLOR
) -> Image:
    """Draw a strip with the true and the predicted class and its probability.

    Where both classes are known a mark stands behind them: a cross where they differ, else a tick.
    Classes that do not fit side by side stand below each other.

    Args:
        verdict: empty: the strip has no height.
        width: of the result, pixels.
        text_height: of capital letters, pixels.
        ground: color of the strip.
    """
    lines = verdict.lines()
    if not lines:
        return blank_image((0, width), ground)
    is_marked = bool(verdict.true and verdict.predicted)
    pitch, room = round(1.9 * text_height), width - (4 if is_marked else 2) * text_height
    side_by_side = (" " * 5).join(lines)
    if text_width(side_by_side, text_height) <= room:
        lines = [side_by_side]
    strip = blank_image((pitch * len(lines) + round(0.4 * text_height), width), ground)
    right, baseline = 0, 0
    for place, line in enumerate(lines):
        baseline = place * pitch + round(1.65 * text_height)
        text = fit_text(line, text_height, room)
        put_text(strip, text, text_height, baseline, height=text_height, color=ink_on(ground))
        right = text_height + text_width(text, text_height)
    if is_marked:
        left_top = right + round(0.8 * text_height), baseline - text_height
        draw_mark(strip, left_top, text_height, wrong=verdict.is_wrong)
    return strip


def draw_mark(image: Image, left_top: tuple[int, int], size: int, *, wrong: bool) -> None:
    """Draw a cross or a tick of `size` pixels on an image, in place."""
    cross = [[(0, 0), (1, 1)], [(1, 0), (0, 1)]]
    lines = cross if wrong else [[(0, 0.55), (0.35, 0.95), (1, 0.05)]]
    color, width = (WRONG_COLOR if wrong else RIGHT_COLOR), max(2, round(size / 4))
    for line in lines:
        points = (np.array(line) * size + left_top).round().astype(np.int32)
        cv2.polylines(image, [points], False, color, width, lineType=cv2.LINE_AA)
