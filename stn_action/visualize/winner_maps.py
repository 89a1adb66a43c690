"""Maps of winners: tables whose cells have the color of a series and hold a few lines of text."""

from collections.abc import Mapping, Sequence
from textwrap import fill
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from stn_action.visualize.chart_figure import SERIES_COLORS, chart_style

_CELL_INCHES = (1.55, 0.72)
_LEAST_INCHES = 7.5
_CHARACTERS_PER_INCH = 11
_PALEST = 0.18
"""Strength of the color of a cell whose strength is 0."""


class WinnerCell(NamedTuple):
    """One cell."""

    series: str
    """It gives the color."""
    lines: tuple[str, ...]
    strength: float
    """Of the color, 0–1."""
    marked: bool
    """Drawn with a frame."""


class WinnerMap(NamedTuple):
    """A table of cells."""

    title: str
    x_label: str
    x_names: tuple[str, ...]
    y_label: str
    y_names: tuple[str, ...]
    cells: Mapping[tuple[int, int], WinnerCell]
    """By row and column; a missing one is empty."""


def draw_winner_maps(
    rows: Sequence[Sequence[WinnerMap]], series: Sequence[str], *, title: str = ""
) -> Figure:
    """Draw maps in rows, with a legend of the series.

    Args:
        rows: of maps.
        series: all that may win, in the order of their colors.
        title: above everything.

    Raises:
        ValueError: there is no map, or a cell names no series.
    """
    if not rows or not all(rows):
        raise ValueError("there must be a map in every row")
    found = {cell.series for row in rows for one in row for cell in one.cells.values()}
    if unknown := sorted(found - set(series)):
        raise ValueError(f"cells must be of the series {list(series)}, got {unknown}")
    colors = dict(zip(series, SERIES_COLORS * len(series), strict=False))
    widths = [sum(len(one.x_names) * _CELL_INCHES[0] + 1.1 for one in row) for row in rows]
    heights = [max(len(one.y_names) for one in row) * _CELL_INCHES[1] + 1.0 for row in rows]
    with chart_style():
        width = max(_LEAST_INCHES, *widths)
        figure = Figure(figsize=(width, sum(heights) + 0.9), layout="constrained")
        if title:
            characters = round(_CHARACTERS_PER_INCH * width)
            figure.suptitle(fill(title, characters), x=0.01, ha="left", fontsize=12)
        parts = figure.subfigures(1 + len(rows), 1, height_ratios=[0.45, *heights], squeeze=False)
        handles = [Patch(color=colors[name], label=name) for name in series if name in found]
        parts[0, 0].legend(handles=handles, loc="center", ncols=len(handles))
        for part, row in zip(parts[1:, 0], rows, strict=True):
            ratios = [len(one.x_names) for one in row]
            axes = part.subplots(1, len(row), squeeze=False, width_ratios=ratios)[0]
            for own, one in zip(axes, row, strict=True):
                _draw_map(own, one, colors)
    return figure


def _draw_map(axes: Axes, one: WinnerMap, colors: Mapping[str, str]) -> None:
    axes.set(xlabel=one.x_label, ylabel=one.y_label)
    axes.set_title(one.title, fontsize=11)
    axes.set_xlim(0, len(one.x_names))
    axes.set_ylim(len(one.y_names), 0)
    axes.set_xticks([place + 0.5 for place in range(len(one.x_names))], one.x_names)
    axes.set_yticks([place + 0.5 for place in range(len(one.y_names))], one.y_names)
    axes.tick_params(length=0)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    for (row, column), cell in one.cells.items():
        share = _PALEST + (1 - _PALEST) * min(max(cell.strength, 0), 1)
        color = [1 - share * (1 - value) for value in to_rgb(colors[cell.series])]
        axes.add_patch(Rectangle((column, row), 1, 1, facecolor=color, edgecolor="white"))
        if cell.marked:
            frame = (column + 0.03, row + 0.04), 0.94, 0.92
            axes.add_patch(Rectangle(*frame, fill=False, edgecolor="#1e1e1e", linewidth=1.6))
        dark = sum(value * part for value, part in zip(color, (0.3, 0.59, 0.11), strict=True)) < 0.5
        axes.text(column + 0.5, row + 0.5, "\n".join(cell.lines), ha="center", va="center",
                  fontsize=8.5, color="white" if dark else "#141414")  # fmt: skip
