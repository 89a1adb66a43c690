"""Colors and names of the heads, and the strips above and below an image that explain them."""

from collections.abc import Sequence

import cv2
import numpy as np

from stn_action.visualize.hatching import HATCH_GROUND, HATCH_LINE, hatch
from stn_action.visualize.images import (
    BLACK,
    WHITE,
    Color,
    Image,
    blank_image,
    fit_text,
    put_text,
    text_width,
)

HEAD_COLORS: tuple[Color, ...] = (
    (86, 180, 233),  # sky blue
    (230, 159, 0),  # orange
    (240, 228, 66),  # yellow
    (204, 121, 167),  # reddish purple
    (0, 158, 115),  # bluish green
    (213, 94, 0),  # vermillion
    (0, 114, 178),  # blue
)
"""Distinct under all common color blindness (Okabe and Ito 2008, Color Universal Design)."""

STRIP_COLOR: Color = (24, 24, 24)
PAPER: Color = (250, 250, 250)
PERSON_NAME = "person box"
TARGET_NAME = "target region (ground truth)"
BEYOND_NAME = "beyond the frame"
_SAMPLE_GROUND: Color = (110, 110, 110)
"""Behind white lines, so that they are seen on paper too."""


def head_color(head: int) -> Color:
    """Return the color of a head, counted from 0; colors repeat after seven."""
    return HEAD_COLORS[head % len(HEAD_COLORS)]


def ink_on(ground: Color) -> Color:
    """Return the color of text on a ground."""
    return BLACK if sum(ground) > 3 * 127 else WHITE


def default_head_names(num_heads: int) -> list[str]:
    """Return "head 1", "head 2", ...: images and tables count heads from 1."""
    return [f"head {head + 1}" for head in range(num_heads)]


def draw_legend(
    head_names: Sequence[str],
    width: int,
    text_height: int,
    *,
    person: bool,
    target: bool,
    beyond: bool = False,
    ground: Color = STRIP_COLOR,
) -> Image:
    """Draw a strip that explains colors and lines, in as many lines as it needs.

    Args:
        head_names: of all heads.
        width: of the strip, pixels.
        text_height: of capital letters, pixels.
        person: explain the dashed box.
        target: explain the thin white box.
        beyond: explain the hatching.
        ground: color of the strip.
    """
    names = list(head_names)
    names += [PERSON_NAME] if person else []
    names += [TARGET_NAME] if target else []
    names += [BEYOND_NAME] if beyond else []
    gap = text_height
    left, line, places = gap, 0, []
    for name in names:
        needed = 2 * gap + text_width(name, text_height) + gap
        if left > gap and left + needed > width:
            left, line = gap, line + 1
        places.append((left, line))
        left += needed
    pitch = round(2.1 * text_height)
    strip = blank_image((pitch * (line + 1) if names else 0, width), ground)
    for number, (name, (left, line)) in enumerate(zip(names, places, strict=True)):
        baseline = line * pitch + round(1.55 * text_height)
        corners = (left, baseline - text_height, left + round(1.5 * gap), baseline)
        _draw_sample(strip, corners, None if number >= len(head_names) else number, name)
        put_text(strip, name, left + 2 * gap, baseline, height=text_height, color=ink_on(ground))
    return strip


def _draw_sample(
    strip: Image, corners: tuple[int, int, int, int], head: int | None, name: str
) -> None:
    """Draw what an entry of the legend explains, inside corners xyxy, in place."""
    left, top, right, bottom = corners
    middle = (top + bottom) // 2
    if head is not None:
        cv2.line(strip, (left, middle), (right, middle), head_color(head), 4)
    elif name == BEYOND_NAME:
        view = strip[top:bottom, left:right]
        hatch(view, np.ones(view.shape[:2], dtype=bool), HATCH_LINE, ground=HATCH_GROUND)
    else:
        strip[top - 2 : bottom + 2, left:right] = _SAMPLE_GROUND
        dash = max(2, (right - left) // 5) if name == PERSON_NAME else right - left
        for start in range(left, right, 2 * dash):
            end = min(start + dash, right) - 1
            cv2.line(strip, (start, middle), (end, middle), WHITE, 2)


def draw_header(label: str, probability: float | None, width: int, text_height: int) -> Image:
    """Draw a strip with the class on the left, its probability on the right; empty without both."""
    if not label and probability is None:
        return blank_image((0, width), STRIP_COLOR)
    number = "" if probability is None else f"{probability:.2f}"
    strip = blank_image((round(2.3 * text_height), width), STRIP_COLOR)
    baseline = round(1.65 * text_height)
    number_left = width - text_height - text_width(number, text_height)
    room = number_left - 2 * text_height
    text = fit_text(label, text_height, room)
    put_text(strip, text, text_height, baseline, height=text_height, color=WHITE)
    put_text(strip, number, number_left, baseline, height=text_height, color=WHITE)
    return strip
