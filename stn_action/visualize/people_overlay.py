"""Overlay of several tracked people on a frame: boxes, classes and what was attended to.

Letters: K heads, P points of a window's outline.
"""

import colorsys
from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from torch import Tensor

from stn_action.geometry.heat_maps import HeatMaps
from stn_action.visualize.frame_overlay import distinct_points
from stn_action.visualize.heat_overlay import contour
from stn_action.visualize.images import (
    BLACK,
    WHITE,
    Color,
    Image,
    fit_text,
    put_text,
    resize_image,
    text_width,
)
from stn_action.visualize.legend import HEAD_COLORS
from stn_action.visualize.lines import draw_lines, draw_outline

UNKNOWN: Color = (190, 190, 190)
"""Of people without a class."""
_GOLDEN_RATIO = 0.618034


@dataclass(frozen=True, eq=False)
class ShownPerson:
    """What is drawn of one person, or of the whole frame."""

    text: str
    """Number of the track, class and probability."""
    color: Color = UNKNOWN
    """Of the class."""
    box: Tensor | None = None
    """(4,) xyxy, source pixels; None: the whole frame, whose text is in the upper left corner."""
    outlines: Tensor | None = None
    """(K, P, 2), windows of heads, source pixels."""
    heat: Sequence[HeatMaps] = field(default_factory=tuple)
    """Weight maps of further heads, (K', H, W) each: the contour of half the mass is drawn."""


def class_color(number: int) -> Color:
    """Return the color of the class that appeared as the `number`-th, counted from 0."""
    if number < len(HEAD_COLORS):
        return HEAD_COLORS[number]
    red, green, blue = colorsys.hsv_to_rgb(number * _GOLDEN_RATIO % 1, 0.55, 0.9)
    return round(255 * red), round(255 * green), round(255 * blue)


def draw_people(
    image: Image, people: Sequence[ShownPerson], scale: float, size_hw: tuple[int, int]
) -> Image:
    """Draw people on a frame.

    Args:
        image: (H, W, 3) of any size.
        people: the later ones above.
        scale: pixels of the result for each pixel of the source.
        size_hw: height and width of the result.
    """
    same = image.shape[:2] == size_hw
    view = image.copy() if same else resize_image(image, size_hw)
    height = max(9, round(min(size_hw) / 34))
    width = max(1, round(min(size_hw) / 240))
    for person in people:
        _draw_attention(view, person, scale)
    for person in people:
        left, top = 0.0, 0.0
        if person.box is not None:
            x0, y0, x1, y1 = (person.box.double() * scale).tolist()
            corners = np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])
            draw_outline(view, corners, person.color, 2 * width)
            left, top = x0, y0 - 1.6 * height
        _draw_text(view, person, round(left), round(top), height)
    return view


def _draw_attention(view: Image, person: ShownPerson, scale: float) -> None:
    """Draw windows and contours, thin and white: colors are those of classes."""
    if person.outlines is not None:
        for outline in person.outlines.double().numpy() * scale:
            points = distinct_points(outline)
            if len(points):
                draw_outline(view, points, WHITE, 1)
    for one in person.heat:
        for weights in one.weights:
            lines = contour(weights, one.edges.double().numpy() * scale)
            draw_lines(view, list(lines), WHITE, 1)


def _draw_text(view: Image, person: ShownPerson, left: int, top: int, height: int) -> None:
    """Draw the text on a plate of the person's color, inside the image."""
    text = fit_text(person.text, height, view.shape[1] - height)
    plate_wh = text_width(text, height) + height, round(1.6 * height)
    left = min(max(left, 0), max(0, view.shape[1] - plate_wh[0]))
    top = min(max(top, 0), max(0, view.shape[0] - plate_wh[1]))
    corner = left + plate_wh[0], top + plate_wh[1]
    cv2.rectangle(view, (left, top), corner, person.color, cv2.FILLED)
    put_text(view, text, left + height // 2, top + round(1.3 * height), height=height, color=BLACK)
