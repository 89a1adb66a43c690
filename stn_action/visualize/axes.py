"""The axes of a plot: where a value lies on the picture, round ticks, and the drawing of both."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

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

TEXT_HEIGHT = 12
"""Of all text in a plot, pixels."""
PAD = 14
"""Pixels between text and the picture's edge."""
_GRID: Color = (226, 228, 232)
_AXIS: Color = (90, 90, 90)
_INSET = 34
"""Pixels between the outermost points and the plot's sides."""
_LEAST_SPAN = 0.02
"""Of the y axis, as a share of its values: equal values get an axis too."""


@dataclass(frozen=True)
class Axes:
    """A plot's rectangle on the picture, in pixels, and the values at its ends."""

    left: int
    top: int
    right: int
    bottom: int
    x_ends: tuple[float, float]
    """Smallest and largest x of a point; the plot reaches a little further on both sides."""
    y_ticks: tuple[float, ...]
    """At equal distances, in order; the plot reaches from the first to the last."""
    log_x: bool = False
    """Whether x is spaced by its logarithm."""

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Where a point lies on the picture."""
        low, high, value = (math.log(v) if self.log_x else v for v in (*self.x_ends, x))
        share = (value - low) / (high - low) if high > low else 0.5
        along = self.left + _INSET + share * (self.right - self.left - 2 * _INSET)
        return along, self.height_of(y)

    def height_of(self, y: float) -> float:
        """The line on which a value lies."""
        low, high = self.y_ticks[0], self.y_ticks[-1]
        return self.bottom - (y - low) / (high - low) * (self.bottom - self.top)


def place_axes(
    size_hw: tuple[int, int],
    top: int,
    x_ends: tuple[float, float],
    y_ticks: Sequence[float],
    *,
    log_x: bool = False,
) -> Axes:
    """Axes that leave room for ticks and labels.

    Args:
        size_hw: of the picture, pixels.
        top: where the plot may begin, pixels.
        x_ends: smallest and largest x.
        y_ticks: of `round_ticks`.
        log_x: space x by its logarithm.
    """
    widest = max(text_width(tick_name(tick), TEXT_HEIGHT) for tick in y_ticks)
    left = PAD + round(2.2 * TEXT_HEIGHT) + widest + TEXT_HEIGHT
    bottom = size_hw[0] - PAD - 5 * TEXT_HEIGHT
    return Axes(left, top, size_hw[1] - PAD, bottom, x_ends, tuple(y_ticks), log_x)


def round_ticks(
    values: Sequence[float], bounds: tuple[float, float] = (-math.inf, math.inf)
) -> list[float]:
    """Round numbers at equal distances around all values, with some room; they end at `bounds`.

    Args:
        values: at least one.
        bounds: what no tick lies below and above, unless a value does.

    >>> round_ticks([42.0, 58.0], (0, 100))
    [40.0, 45.0, 50.0, 55.0, 60.0]
    """
    low, high = min(values), max(values)
    least = max(abs(low), abs(high), 1e-6) * _LEAST_SPAN
    if high - low < least:
        middle = min(max((low + high) / 2, bounds[0] + least / 2), bounds[1] - least / 2)
        low, high = min(low, middle - least / 2), max(high, middle + least / 2)
    room = 0.06 * (high - low)
    low, high = (
        min(low, max(low - room, bounds[0])),
        max(high, min(high + room, bounds[1])),
    )
    rough = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(step for step in (power, 2 * power, 5 * power, 10 * power) if step >= rough)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(number * step, 10) for number in range(first, last + 1)]


def tick_name(value: float) -> str:
    """The shortest text of a tick's value."""
    return f"{value:.6g}"


def draw_axes(
    picture: Image, axes: Axes, x_names: Mapping[float, str], *, x_label: str, y_label: str
) -> None:
    """Draw the grid, the ticks' names as far as they do not overlap, and the labels.

    Args:
        picture: is changed.
        axes: of `place_axes`.
        x_names: x of each tick to what stands below it.
        x_label: below the ticks.
        y_label: upwards, left of them.
    """
    for tick in axes.y_ticks:
        height = round(axes.height_of(tick))
        cv2.line(picture, (axes.left, height), (axes.right, height), _GRID, 1)
        name = tick_name(tick)
        left = axes.left - TEXT_HEIGHT // 2 - text_width(name, TEXT_HEIGHT)
        _write(picture, name, left, height + TEXT_HEIGHT // 2)
    corner = (axes.left, axes.bottom)
    cv2.line(picture, corner, (axes.right, axes.bottom), _AXIS, 1)
    cv2.line(picture, corner, (axes.left, axes.top), _AXIS, 1)
    baseline = axes.bottom + 2 * TEXT_HEIGHT
    for x in x_names:
        along = round(axes.place(x, axes.y_ticks[0])[0])
        cv2.line(picture, (along, axes.bottom), (along, axes.bottom + 5), _AXIS, 1)
    for left, name in _tick_places(axes, x_names):
        _write(picture, name, left, baseline)
    x_label = fit_text(x_label, TEXT_HEIGHT, picture.shape[1] - 2 * PAD)
    middle = (axes.left + axes.right - text_width(x_label, TEXT_HEIGHT)) // 2
    _write(picture, x_label, max(PAD, middle), baseline + round(2.2 * TEXT_HEIGHT))
    _write_upright(picture, y_label, PAD, (axes.top + axes.bottom) // 2)


def _tick_places(axes: Axes, x_names: Mapping[float, str]) -> list[tuple[int, str]]:
    """Left edge and name of the ticks that have room: the first, the last, and others between."""
    spans: list[tuple[int, int, str]] = []
    ordered = sorted(x_names.items())
    for x, name in [ordered[0], *reversed(ordered[1:])]:
        width = text_width(name, TEXT_HEIGHT)
        middle = axes.place(x, axes.y_ticks[0])[0]
        left = round(min(max(middle - width / 2, 0), axes.right + PAD - 2 - width))
        if all(left > end or left + width < start for start, end, _ in spans):
            spans.append((left - TEXT_HEIGHT, left + width + TEXT_HEIGHT, name))
    return [(start + TEXT_HEIGHT, name) for start, _, name in spans]


def _write(picture: Image, text: str, left: int, baseline: int) -> None:
    put_text(picture, text, left, baseline, height=TEXT_HEIGHT, color=BLACK)


def _write_upright(picture: Image, text: str, left: int, middle: int) -> None:
    """Text that runs upwards, its centre at height `middle`."""
    text = fit_text(text, TEXT_HEIGHT, picture.shape[0] - 2 * PAD)
    strip = blank((2 * TEXT_HEIGHT, text_width(text, TEXT_HEIGHT) + 2), WHITE)
    _write(strip, text, 1, round(1.4 * TEXT_HEIGHT))
    upright = np.ascontiguousarray(cv2.rotate(strip, cv2.ROTATE_90_COUNTERCLOCKWISE))
    height, width = upright.shape[:2]
    top = min(max(middle - height // 2, 0), picture.shape[0] - height)
    picture[top : top + height, left : left + width] = upright
