"""Charts of a measure against a setting: curves where it is a number, bars where it is not."""

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import NullLocator
from matplotlib.transforms import ScaledTranslation

from stn_action.visualize.chart_figure import (
    ERROR_BARS,
    SERIES_COLORS,
    add_error_bars,
    add_legend,
    add_reference,
    chart_style,
    new_figure,
)

_MARKERS = "oD^svP"
_POINTS_APART = 7
"""Distance of curves at one x, so that their error bars do not overlap."""
_LINE_POINTS = 12
"""Smallest distance between two values' texts."""
_BESIDE_POINTS = 9
"""Distance of a value's text from its point."""
_MOST_VALUES = 12
"""Up to this many x have a tick each and written values; beyond, matplotlib sets the ticks."""


def draw_curves(
    series: Mapping[str, Sequence[tuple[float, float]]],
    *,
    x_label: str,
    y_label: str,
    title: str = "",
    deviations: Mapping[str, Sequence[float]] | None = None,
    error_bars: str = "",
    reference: tuple[str, float] | None = None,
    log_x: bool = False,
    y_bounds: tuple[float, float] = (-math.inf, math.inf),
    decimals: int = 1,
    size_inches: tuple[float, float] = (8.2, 4.8),
) -> Figure:
    """Draw curves, each with its own color and marker, and the value of each point.

    Args:
        series: name of each curve to its points (x, y), at least one, in any order.
        x_label: below the axis, whose ticks are the values of the points.
        y_label: beside the axis.
        title: above everything.
        deviations: of some curves, in the order of their points: error bars; NaN: none. Curves are
            then drawn a few points apart.
        error_bars: what these are, in the legend, such as "deviation over 3 seeds"; needed where
            a deviation is drawn.
        reference: name and height of a dashed horizontal line.
        log_x: space x by its logarithm.
        y_bounds: the y axis ends there, unless a value is beyond.
        decimals: of the values.
        size_inches: width and height.

    Raises:
        ValueError: there is no point, a number is not finite (or x not positive with `log_x`), a
            deviation is negative or not named, or points and deviations do not agree.
    """
    deviations = deviations or {}
    _check_series(series, deviations, reference, log_x=log_x)
    with chart_style():
        figure, axes = new_figure(title, x_label, y_label, size_inches)
        if log_x:
            axes.set_xscale("log")
            axes.xaxis.set_minor_locator(NullLocator())
        values: list[_Value] = []
        handles = []
        for number, (name, points) in enumerate(series.items()):
            given = deviations.get(name, [math.nan] * len(points))
            rows = sorted((x, y, d) for (x, y), d in zip(points, given, strict=True))
            aside = (number - (len(series) - 1) / 2) * _POINTS_APART if deviations else 0.0
            color = SERIES_COLORS[number % len(SERIES_COLORS)]
            handle = axes.errorbar(
                [x for x, _, _ in rows], [y for _, y, _ in rows],
                yerr=[d for *_, d in rows] if name in deviations else None,
                color=color, marker=_MARKERS[number % len(_MARKERS)], markeredgecolor="white",
                clip_on=False, zorder=3,
            )  # fmt: skip
            moved = axes.transData + ScaledTranslation(aside / 72, 0, figure.dpi_scale_trans)
            for artist in handle.get_children():
                artist.set_transform(moved)  # afterwards: limits are taken from the data alone
            handles.append((handle[0], name))
            values += [_Value(x, y, f"{y:.{decimals}f}", color, aside) for x, y, _ in rows]
        add_reference(axes, reference, decimals, handles)
        add_error_bars(deviations, error_bars, handles)
        axes.margins(x=0.06)
        _end_y_axis(axes, y_bounds)
        add_legend(figure, handles)
        ticks = sorted({one.x for one in values})
        if len(ticks) > _MOST_VALUES:
            axes.xaxis.set_major_formatter("{x:g}")
            return figure
        axes.set_xticks(ticks, [f"{x:g}" for x in ticks])
        figure.draw_without_rendering()  # lays out, so that places on the canvas are known
        _write_values(axes, values)
        _hide_crowded_ticks(axes)
    return figure


def draw_bars(
    series: Mapping[str, Sequence[float]],
    names: Sequence[str],
    *,
    x_label: str,
    y_label: str,
    title: str = "",
    deviations: Mapping[str, Sequence[float]] | None = None,
    error_bars: str = "",
    reference: tuple[str, float] | None = None,
    decimals: int = 1,
    size_inches: tuple[float, float] = (8.2, 4.8),
) -> Figure:
    """Draw a group of bars for each name, a bar of each series in it, with their values.

    Args:
        series: name of each series to its heights, one for each of `names`; NaN: no bar.
        names: of the groups, such as the values of a setting that are no numbers.
        x_label: below the axis.
        y_label: beside the axis.
        title: above everything.
        deviations: of some series: error bars; NaN: none.
        error_bars: what these are, in the legend; needed where a deviation is drawn.
        reference: name and height of a dashed horizontal line.
        decimals: of the values.
        size_inches: width and height.

    Raises:
        ValueError: there is no bar, heights, deviations and names do not agree, or what error bars
            are is not named.
    """
    deviations = deviations or {}
    if not series or not names:
        raise ValueError("there must be a bar")
    if unknown := sorted(deviations.keys() - series.keys()):
        raise ValueError(
            f"deviations must be of series in {sorted(series)}, got {', '.join(unknown)}"
        )
    for name, heights in [*series.items(), *deviations.items()]:
        if len(heights) != len(names):
            raise ValueError(f"{name} must have {len(names)} heights, got {len(heights)}")
    with chart_style():
        figure, axes = new_figure(title, x_label, y_label, size_inches)
        width = 0.8 / len(series)
        handles = []
        for number, (name, heights) in enumerate(series.items()):
            aside = (number - (len(series) - 1) / 2) * width
            bars = axes.bar(
                [place + aside for place in range(len(names))], heights, 0.92 * width,
                yerr=deviations.get(name), color=SERIES_COLORS[number % len(SERIES_COLORS)],
                error_kw=ERROR_BARS,
            )  # fmt: skip
            texts = ["" if math.isnan(height) else f"{height:.{decimals}f}" for height in heights]
            axes.bar_label(bars, texts, padding=2, fontsize=9)
            handles.append((bars, name))
        add_reference(axes, reference, decimals, handles)
        add_error_bars(deviations, error_bars, handles)
        turned = sum(map(len, names)) > 70
        axes.set_xticks(range(len(names)), names, rotation=30 if turned else 0,
                        ha="right" if turned else "center")  # fmt: skip
        axes.tick_params(axis="x", length=0)
        add_legend(figure, handles)
    return figure


class _Value(NamedTuple):
    """A value to write at a point."""

    x: float
    y: float
    text: str
    color: str
    aside: float
    """Offset of the point to the right, in typographic points."""


def _check_series(
    series: Mapping[str, Sequence[tuple[float, float]]],
    deviations: Mapping[str, Sequence[float]],
    reference: tuple[str, float] | None,
    *,
    log_x: bool,
) -> None:
    if not series or not all(series.values()):
        raise ValueError("series must hold a curve, and every curve a point")
    if unknown := sorted(deviations.keys() - series.keys()):
        raise ValueError(f"deviations must be of curves of {sorted(series)}, got {unknown}")
    if reference is not None and not math.isfinite(reference[1]):
        raise ValueError(f"reference must be finite, got {reference[1]}")
    for name, points in series.items():
        given = deviations.get(name, [math.nan] * len(points))
        if len(given) != len(points):
            raise ValueError(f"deviations of {name} must be {len(points)}, got {len(given)}")
        for (x, y), deviation in zip(points, given, strict=True):
            if not (math.isfinite(x) and math.isfinite(y)):
                raise ValueError(f"points of {name} must be finite, got ({x}, {y})")
            if log_x and x <= 0:
                raise ValueError(f"x of {name} must be positive on a logarithmic axis, got {x}")
            if deviation < 0 or math.isinf(deviation):
                raise ValueError(
                    f"deviations of {name} must be finite and not negative, got {deviation}"
                )


def _end_y_axis(axes: Axes, bounds: tuple[float, float]) -> None:
    """Clamp the y axis to `bounds`, unless the data reach beyond."""
    low, high = axes.get_ylim()
    least, most = axes.dataLim.intervaly
    axes.set_ylim(max(low, min(bounds[0], least)), min(high, max(bounds[1], most)))


def _write_values(axes: Axes, values: Iterable[_Value]) -> None:
    """Write the values beside their points; those of one x do not overlap."""
    points = 72 / axes.figure.get_dpi()
    by_x = sorted(values, key=lambda value: (value.x, -value.y))
    for _, group in groupby(by_x, key=lambda value: value.x):
        column = list(group)
        heights = [axes.transData.transform((one.x, one.y))[1] * points for one in column]
        wanted = [height + _BESIDE_POINTS for height in heights]
        if len(column) > 1:
            wanted[-1] = heights[-1] - _BESIDE_POINTS
        right = max(one.aside for one in column)  # of all error bars, if there are some
        for one, height, place in zip(column, heights, _spaced(wanted), strict=True):
            axes.annotate(
                one.text, (one.x, one.y), (right + _BESIDE_POINTS if right else 0, place - height),
                textcoords="offset points", color=one.color, fontsize=9.5,
                ha="left" if right else "center", va="center", zorder=4, annotation_clip=False,
                path_effects=[withStroke(linewidth=3, foreground="white")],
            )  # fmt: skip


def _spaced(heights: Sequence[float]) -> list[float]:
    """Move descending heights apart to at least `_LINE_POINTS`, keeping their mean."""
    placed = list(heights[:1])
    for height in heights[1:]:
        placed.append(min(height, placed[-1] - _LINE_POINTS))
    moved = sum(before - after for before, after in zip(heights, placed, strict=True))
    return [place + moved / max(1, len(placed)) for place in placed]


def _hide_crowded_ticks(axes: Axes) -> None:
    """Hide labels of x ticks that overlap others; the first and the last stay."""
    labels = axes.get_xticklabels()
    kept = []
    for label in [labels[0], *reversed(labels[1:])]:
        box = label.get_window_extent().expanded(1.3, 1)
        if any(box.overlaps(other) for other in kept):
            label.set_visible(False)
        else:
            kept.append(box)
