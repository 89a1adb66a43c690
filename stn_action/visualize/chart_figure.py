"""Matplotlib figures: one style, a legend above the plot, PNG and SVG files.

Figures are made without pyplot, so no global state remains, and in one style regardless of the
user's matplotlibrc. Text is plain: "$" and "_" in names have no meaning.
"""

import math
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from textwrap import fill
from typing import Any

import numpy as np
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from stn_action.disk.atomic_file import replaced_file
from stn_action.errors import InputError
from stn_action.visualize.images import Color
from stn_action.visualize.legend import HEAD_COLORS


def hex_color(color: Color) -> str:
    """Return a color as matplotlib takes it, such as "#56b4e9"."""
    return "#{:02x}{:02x}{:02x}".format(*color)


SERIES_COLORS: tuple[str, ...] = (
    *(hex_color(HEAD_COLORS[place]) for place in (6, 5, 4, 3, 1, 0)),
    "#3f3f3f",
    "#8c510a",
    "#7b5ea7",
)
"""Head colors that are dark enough for a white background, and three more; then they repeat."""
REFERENCE_COLOR = "#6e6e6e"
CHART_STYLE: dict[str, Any] = {
    "figure.dpi": 100,
    "savefig.dpi": 150,
    "font.size": 11,
    "axes.edgecolor": "#5a5a5a",
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": "#e2e4e8",
    "legend.frameon": False,
    "lines.linewidth": 2,
    "lines.markersize": 7,
    "errorbar.capsize": 4,
    "font.family": ["sans-serif"],
    "svg.fonttype": "none",  # text as text: small files that can be searched
    "svg.hashsalt": "stn_action",  # the same figure gives the same file
    "text.parse_math": False,
}
ERROR_BARS: dict[str, Any] = {"ecolor": "#3c3c3c", "elinewidth": 1.5}
"""Style of error bars on bars, and in legends."""
_CHARACTERS_PER_INCH = 11
"""Approximate width of text in legends and titles."""
_LONGEST_NAME = 60


@contextmanager
def chart_style() -> Iterator[None]:
    """Set matplotlib's own defaults with the changes of this project, in a `with` block."""
    with style.context(["default", CHART_STYLE]), warnings.catch_warnings():
        # names in other scripts: the PNG shows empty boxes, the SVG has the text
        warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from font", UserWarning)
        yield


def new_figure(
    title: str, x_label: str, y_label: str, size_inches: tuple[float, float]
) -> tuple[Figure, Axes]:
    """Create a figure of one plot, inside `chart_style`.

    Args:
        title: above everything, broken into lines where it is longer than the figure.
        x_label: below the plot.
        y_label: beside the plot.
        size_inches: width and height.
    """
    figure = Figure(figsize=size_inches, layout="constrained")
    axes = figure.add_subplot(xlabel=x_label, ylabel=y_label)
    if title:
        characters = round(_CHARACTERS_PER_INCH * size_inches[0])
        figure.suptitle(fill(title, characters), x=0.01, ha="left", fontsize=12)
    return figure, axes


def add_reference(
    axes: Axes,
    reference: tuple[str, float] | None,
    decimals: int,
    handles: list[tuple[Any, str]],
) -> None:
    """Draw a dashed horizontal line and append it to the legend's handles.

    Args:
        axes: of the plot.
        reference: name and height; None: no line.
        decimals: of the height in the legend.
        handles: artists and their names.
    """
    if reference is None:
        return
    name, height = reference
    line = axes.axhline(height, color=REFERENCE_COLOR, linestyle=(0, (3, 2)), zorder=2)
    handles.append((line, f"{name} ({height:.{decimals}f})"))


def add_error_bars(
    deviations: Mapping[str, Sequence[float]],
    words: str,
    handles: list[tuple[Any, str]],
) -> None:
    """Append what the error bars are to the legend's handles, if any is drawn.

    Args:
        deviations: half-lengths of all error bars; NaN: not drawn.
        words: what they are, such as "deviation over 3 seeds".
        handles: artists and their names.

    Raises:
        ValueError: error bars are drawn, but not named.
    """
    if all(math.isnan(one) for values in deviations.values() for one in values):
        return
    if not words:
        raise ValueError('deviations are drawn: name them (error_bars="deviation over 3 seeds")')
    handles.append((error_bar_handle(), f"error bars: ± {words}"))


def error_bar_handle() -> ErrorbarContainer:
    """Return an error bar for a legend, which is on no plot."""
    color, width = ERROR_BARS["ecolor"], ERROR_BARS["elinewidth"]
    caps = Line2D([], [], color=color, marker="_", markersize=8, linestyle="none")
    bar = LineCollection([], colors=[color], linewidths=[width])
    point = Line2D([], [], linestyle="none")
    return ErrorbarContainer((point, (caps,), (bar,)), has_yerr=True)


def seeds_in_words(numbers: Iterable[int]) -> str:
    """Return over how many seeds deviations are, of those that are of several.

    >>> seeds_in_words([3, 1, 5])
    'deviation over 3 to 5 seeds'
    """
    several = sorted({number for number in numbers if number > 1})
    if not several:
        return ""
    least, most = several[0], several[-1]
    return (
        f"deviation over {least} seeds"
        if least == most
        else f"deviation over {least} to {most} seeds"
    )


def add_legend(figure: Figure, handles: Sequence[tuple[Any, str]]) -> None:
    """Draw a legend above the plot if there is more than one entry.

    Args:
        figure: of one plot.
        handles: artists and their names; long names are shortened.
    """
    if len(handles) < 2:
        return
    room = round(_CHARACTERS_PER_INCH * figure.get_size_inches()[0])
    names = [shorten_name(name, min(_LONGEST_NAME, room - 10)) for _, name in handles]
    columns = next(
        (many for many in range(len(names), 1, -1) if _width_in_columns(names, many) <= room), 1
    )
    figure.axes[0].legend(
        [handle for handle, _ in handles], names, loc="lower left", bbox_to_anchor=(0, 1.01),
        borderaxespad=0, ncols=columns, columnspacing=1.6, handletextpad=0.6,
    )  # fmt: skip


def _width_in_columns(names: Sequence[str], columns: int) -> int:
    """Return the characters of a legend's line, which matplotlib fills column by column."""
    parts = np.array_split([len(name) + 7 for name in names], columns)
    return sum(int(part.max()) for part in parts)


def shorten_name(name: str, characters: int) -> str:
    """Return a name of at most so many characters, dots in place of its end.

    >>> shorten_name("WalkingWithDog", 8)
    'Walking…'
    """
    return name if len(name) <= characters else name[: characters - 1] + "…"


def save_figure(path: str | Path, figure: Figure, *, dpi: int | None = None) -> list[Path]:
    """Write a figure as PNG and SVG, and create missing folders.

    The same figure always gives the same files: they hold no date and no random names.

    Args:
        path: PNG file; the SVG is written beside it.
        figure: from `charts`, `confusion` or `paper_figure`.
        dpi: pixels of an inch of the PNG; None: those of the style.

    Returns:
        Both files.

    Raises:
        InputError: the name does not end in .png, or a file cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() != ".png":
        raise InputError(f"{path}: charts are written as PNG and SVG, so the name must end in .png")
    vector = path.with_suffix(".svg")
    with chart_style():
        with replaced_file(path, sync=False) as file:
            figure.savefig(
                file,
                format="png",
                dpi=dpi or CHART_STYLE["savefig.dpi"],
                metadata={"Software": None},
            )
        figure.set_layout_engine("none")  # it is done; repeating it would take half the time
        with replaced_file(vector, sync=False) as file:
            figure.savefig(file, format="svg", metadata={"Date": None})
    return [path, vector]
