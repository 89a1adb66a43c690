"""Curves of a measure against a setting, with the figure of every point."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from stn_action.visualize.axes import PAD, TEXT_HEIGHT, Axes, draw_axes, place_axes, round_ticks
from stn_action.visualize.frame_overlay import SUBPIXEL_BITS, fixed_point
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
from stn_action.visualize.legend import HEAD_COLORS

SERIES_COLORS: tuple[Color, ...] = tuple(HEAD_COLORS[place] for place in (6, 5, 4, 3, 1, 0))
"""Those of the heads that are dark enough for a white ground; they repeat after six."""
REFERENCE_COLOR: Color = (110, 110, 110)

_MARKER = 5
"""Pixels from a marker's centre to its corners."""
_CORNERS = (24, 4, 3)
"""Of the markers: circle, diamond, triangle."""
_APART = 8
"""Pixels between the curves at one x where there are bars, which would cover each other."""
_SAMPLE = 34
"""Pixels of a line in the legend, and of the space behind it."""


@dataclass(frozen=True)
class _Curve:
    """One curve, ready to be drawn."""

    name: str
    color: Color
    corners: int
    """Of its markers."""
    points: tuple[tuple[float, float, float], ...]
    """(x, y, deviation) in order of x; a deviation of NaN: none is known."""
    aside: float = 0.0
    """Pixels by which it is drawn to the right."""

    def on(self, axes: Axes) -> list[tuple[float, float]]:
        """Where the points lie on the picture."""
        placed = [axes.place(x, y) for x, y, _ in self.points]
        return [(x + self.aside, y) for x, y in placed]


def draw_curves(
    series: Mapping[str, Sequence[tuple[float, float]]],
    *,
    x_label: str,
    y_label: str,
    title: str = "",
    deviations: Mapping[str, Sequence[float]] | None = None,
    reference: tuple[str, float] | None = None,
    x_names: Sequence[str] | None = None,
    log_x: bool = False,
    y_bounds: tuple[float, float] = (-math.inf, math.inf),
    decimals: int = 1,
    size_hw: tuple[int, int] = (500, 820),
) -> Image:
    """Curves on white, each in its own colour with its own marker, and every point's figure.

    Figures stand where they cover no line and no other figure, as far as there is room. Ticks of x
    are the values of the points.

    Args:
        series: name of each curve to its points (x, y), at least one, in any order.
        x_label: below the axis.
        y_label: beside the axis.
        title: above all.
        deviations: of some curves, in the order of their points: bars up and down; NaN: none.
            Curves are then drawn a few pixels apart.
        reference: name and height of a dashed horizontal line.
        x_names: names of x = 0, 1, 2, ..., for settings that are no numbers.
        log_x: space x by its logarithm.
        y_bounds: ticks of y do not go below and above.
        decimals: of the figures.
        size_hw: of the picture, pixels.

    Returns:
        (*size_hw, 3).

    Raises:
        ValueError: there is no point, a number is not finite (or x not positive with `log_x`), a
            deviation is negative, or points, deviations and names do not agree.
    """
    curves = _curves(series, deviations or {}, log_x=log_x)
    xs = sorted({x for curve in curves for x, _, _ in curve.points})
    names = {x: f"{x:g}" for x in xs}
    if x_names is not None:
        names = {float(place): name for place, name in enumerate(x_names)}
    if not set(xs) <= names.keys():
        raise ValueError(f"x must be 0 to {len(names) - 1}, places in x_names, got {xs}")
    heights = [
        end
        for curve in curves
        for _, y, deviation in curve.points
        for end in ((y,) if math.isnan(deviation) else (y - deviation, y + deviation))
    ]
    if reference is not None:
        if not math.isfinite(reference[1]):
            raise ValueError(f"reference must be finite, got {reference[1]}")
        heights.append(reference[1])
    picture = blank(size_hw, WHITE)
    line = "" if reference is None else f"{reference[0]} ({reference[1]:.{decimals}f})"
    top = _draw_head(picture, title, curves, line)
    ends = (min(names), max(names))
    axes = place_axes(size_hw, top, ends, round_ticks(heights, y_bounds), log_x=log_x)
    draw_axes(picture, axes, names, x_label=x_label, y_label=y_label)
    grounds = picture.copy()
    if reference is not None:
        height = round(axes.height_of(reference[1]))
        _dashes(picture, axes.left, axes.right, height)
    for curve in curves:
        _draw_curve(picture, axes, curve)
    taken = (picture != grounds).any(-1)
    taken[:, : axes.left + 1] = taken[axes.bottom :] = taken[: axes.top - 2 * TEXT_HEIGHT] = True
    _draw_figures(picture, axes, curves, taken, decimals)
    return picture


def _curves(
    series: Mapping[str, Sequence[tuple[float, float]]],
    deviations: Mapping[str, Sequence[float]],
    *,
    log_x: bool,
) -> list[_Curve]:
    """The curves, checked."""
    if not series or not all(series.values()):
        raise ValueError("series must hold a curve, and every curve a point")
    if unknown := sorted(deviations.keys() - series.keys()):
        raise ValueError(f"deviations must be of curves of {sorted(series)}, got {unknown}")
    curves = []
    for number, (name, points) in enumerate(series.items()):
        spread = deviations.get(name, [math.nan] * len(points))
        if len(spread) != len(points):
            raise ValueError(f"deviations of {name} must be {len(points)}, got {len(spread)}")
        rows = [(float(x), float(y), float(d)) for (x, y), d in zip(points, spread, strict=True)]
        for x, y, deviation in rows:
            _check_point(name, x, y, deviation, log_x=log_x)
        color = SERIES_COLORS[number % len(SERIES_COLORS)]
        aside = (number - (len(series) - 1) / 2) * _APART if deviations else 0.0
        corners = _CORNERS[number % len(_CORNERS)]
        curves.append(_Curve(name, color, corners, tuple(sorted(rows)), aside))
    return curves


def _check_point(name: str, x: float, y: float, deviation: float, *, log_x: bool) -> None:
    if not (math.isfinite(x) and math.isfinite(y)):
        raise ValueError(f"points of {name} must be finite, got ({x}, {y})")
    if log_x and x <= 0:
        raise ValueError(f"x of {name} must be positive on a logarithmic axis, got {x}")
    if deviation < 0 or math.isinf(deviation):
        raise ValueError(f"deviations of {name} must be finite and not negative, got {deviation}")


def _draw_head(picture: Image, title: str, curves: Sequence[_Curve], reference: str) -> int:
    """Title and legend, the latter where there is something to tell apart; returns their end."""
    top, width = PAD, picture.shape[1]
    if title:
        height = TEXT_HEIGHT + 2
        text = fit_text(title, height, width - 2 * PAD)
        put_text(picture, text, PAD, top + height, height=height, color=BLACK)
        top += round(2.4 * TEXT_HEIGHT)
    entries: list[tuple[str, _Curve | None]] = [(curve.name, curve) for curve in curves]
    entries += [(reference, None)] if reference else []
    if len(entries) == 1:
        return top + TEXT_HEIGHT
    left = PAD
    for name, curve in entries:
        name = fit_text(name, TEXT_HEIGHT, width - 2 * PAD - _SAMPLE)
        needed = _SAMPLE + text_width(name, TEXT_HEIGHT)
        if left > PAD and left + needed > width - PAD:
            left, top = PAD, top + 2 * TEXT_HEIGHT
        middle, end = top + TEXT_HEIGHT // 2, left + _SAMPLE - 8
        if curve is None:
            _dashes(picture, left, end, middle)
        else:
            cv2.line(picture, (left, middle), (end, middle), curve.color, 2)
            _mark(picture, (left + end + 1) / 2, middle + 0.5, curve)
        put_text(picture, name, left + _SAMPLE, top + TEXT_HEIGHT, height=TEXT_HEIGHT, color=BLACK)
        left += needed + 2 * TEXT_HEIGHT
    return top + 3 * TEXT_HEIGHT


def _dashes(picture: Image, left: int, right: int, height: int) -> None:
    for start in range(left, right, 13):
        end = min(start + 5, right)
        cv2.line(picture, (start, height), (end, height), REFERENCE_COLOR, 2)


def _draw_curve(picture: Image, axes: Axes, curve: _Curve) -> None:
    """The line, its bars and markers."""
    places = curve.on(axes)
    _stroke(picture, places, curve.color)
    for (x, _), (_, value, deviation) in zip(places, curve.points, strict=True):
        if not math.isnan(deviation):
            upper, lower = (axes.height_of(value + sign * deviation) for sign in (1, -1))
            for line in (
                ((x, upper), (x, lower)),
                *(((x - 4, y), (x + 4, y)) for y in (upper, lower)),
            ):
                _stroke(picture, line, curve.color)
    for x, y in places:
        _mark(picture, x, y, curve)


def _stroke(picture: Image, line: Sequence[tuple[float, float]], color: Color) -> None:
    points = fixed_point(np.array(line))
    cv2.polylines(picture, [points], False, color, 2, lineType=cv2.LINE_AA, shift=SUBPIXEL_BITS)


def _mark(picture: Image, x: float, y: float, curve: _Curve) -> None:
    """The curve's marker, a filled polygon with a corner upwards, in a white rim."""
    turns = np.arange(curve.corners) / curve.corners * 2 * np.pi
    corners = np.stack([np.sin(turns), -np.cos(turns)], axis=1)
    for color, reach in ((WHITE, _MARKER + 2), (curve.color, _MARKER)):
        points = fixed_point(corners * reach + (x, y))
        cv2.fillPoly(picture, [points], color, lineType=cv2.LINE_AA, shift=SUBPIXEL_BITS)


def _draw_figures(
    picture: Image, axes: Axes, curves: Sequence[_Curve], taken: np.ndarray, decimals: int
) -> None:
    """The figure of every point, where the fewest pixels of `taken` (H, W) are covered."""
    height = TEXT_HEIGHT - 1
    lowest: dict[float, float] = {}
    for x, y, _ in (point for curve in curves for point in curve.points):
        lowest[x] = min(y, lowest.get(x, y))
    for curve in curves:
        for (along, up), (x, value, _) in zip(curve.on(axes), curve.points, strict=True):
            text = f"{value:.{decimals}f}"
            size_hw = (height + 4, text_width(text, height) + 4)
            below = len(curves) > 1 and value == lowest[x]
            boxes = list(_around(along, up, size_hw, picture.shape[:2], below_first=below))
            covered = [taken[_part(box, size_hw)].sum() for box in boxes]
            left, top = box = boxes[int(np.argmin(covered))]
            put_text(picture, text, left + 2, top + height + 2, height=height, color=curve.color)
            taken[_part(box, size_hw)] = True


def _part(box: tuple[int, int], size_hw: tuple[int, int]) -> tuple[slice, slice]:
    left, top = box
    return slice(top, top + size_hw[0]), slice(left, left + size_hw[1])


def _around(
    x: float,
    y: float,
    size_hw: tuple[int, int],
    picture_hw: tuple[int, ...],
    *,
    below_first: bool,
) -> Iterator[tuple[int, int]]:
    """Left and upper edges of places for a text around a point, the best first."""
    height, width = size_hw
    for away in (_MARKER + 3, _MARKER + 11, _MARKER + 22):
        rows = [y - away - height, y + away]
        rows = rows[::-1] if below_first else rows
        places = [(x - width / 2, row) for row in rows]
        for left in (x + away, x - away - width):
            places += [(left, row) for row in (y - height / 2, *rows)]
        for left, top in places:
            yield (
                round(min(max(left, 0), picture_hw[1] - width)),
                round(min(max(top, 0), picture_hw[0] - height)),
            )
