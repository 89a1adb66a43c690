"""The confusion matrix as a chart, with totals and the accuracy of each class."""

from collections.abc import Sequence
from textwrap import wrap

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, PowerNorm
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path
from torch import Tensor

from stn_action.visualize.chart_figure import chart_style, shorten_name

_COLORS = LinearSegmentedColormap.from_list("share", ["#f6f8fc", "#6ea0d0", "#08306b"])
_BAR_COLOR = "#6ea0d0"
_NOTE_COLOR = "#5a5a5a"
_MANY_CLASSES = 20
"""Beyond this many classes, cells are small and hold no counts."""
_LONGEST_NAME = 28
"""Characters of a class name; longer ones are shortened."""
_BARS = 0.55
"""Inches of a bar of 100 %."""
_GAP = 0.12
_LINE = 0.22
"""Inches from one line of the title to the next."""
_SCALE = 1.2
"""Inches of the scale of colors with its texts."""
_PREDICTED = "times predicted"


def draw_confusion(matrix: Tensor, class_names: Sequence[str], title: str = "") -> Figure:
    """Draw counts, true classes in rows and predicted ones in columns.

    A cell's shade is its share of its row, so that rare and common classes compare. Beside each row
    are the share that is right (the recall of the class) and the row's total, above each column its
    total, and above all the accuracy and the mean recall.

    Args:
        matrix: (C, C) counts, not negative.
        class_names: C names.
        title: above the matrix.

    Raises:
        ValueError: the matrix is not (C, C) for C names, or holds a negative or no number.
    """
    num_classes = len(class_names)
    if matrix.shape != (num_classes, num_classes) or num_classes == 0:
        raise ValueError(
            f"matrix must be ({num_classes}, {num_classes}) for {num_classes} class names, "
            f"got {tuple(matrix.shape)}"
        )
    counts = matrix.detach().cpu().double().numpy()
    if not (counts >= 0).all():
        raise ValueError("matrix must hold counts, none of them negative")
    names = [shorten_name(name, _LONGEST_NAME) for name in class_names]
    few = num_classes <= _MANY_CLASSES
    cell, text = (0.5, 10) if few else (0.125, 6)  # inches, typographic points
    side = max(num_classes * cell, 1.6)
    with chart_style():
        totals = [f"{total:g}" for total in counts.sum(axis=0)]
        above = 0.3 if few else _width(totals, text) + _GAP
        beside = _GAP + _BARS + _width(_recalls(counts), text) + 0.12
        left, bottom = (0.45 + _width([*names, *more], text) for more in ([_PREDICTED], []))
        width = left + side + beside + _SCALE
        lines = [
            line for words in (title, _summary(counts)) for line in wrap(words, round(9 * width))
        ]
        height = bottom + side + above + 0.15 + _LINE * len(lines)
        figure = Figure(figsize=(width, height))
        axes = figure.add_axes((left / width, bottom / height, side / width, side / height))
        axes.set(xlabel="predicted class", ylabel="true class")
        figure.text(0.1 / width, 1 - 0.08 / height, "\n".join(lines), va="top")
        _draw_cells(axes, counts, names, text, few=few)
        for column, total in enumerate(totals):
            axes.text(column, -0.5 - 0.06 / cell, total, fontsize=text, color=_NOTE_COLOR,
                      rotation=0 if few else 90, ha="center", va="bottom")  # fmt: skip
        axes.text(-0.5 - 0.06 / cell, -0.5 - 0.06 / cell, _PREDICTED, fontsize=text,
                  color=_NOTE_COLOR, ha="right", va="bottom")  # fmt: skip
        bars = figure.add_axes(
            ((left + side + _GAP) / width, bottom / height, _BARS / width, side / height)
        )
        _draw_recalls(bars, counts, text)
        scale = figure.add_axes(
            ((left + side + beside) / width, (bottom + 0.1 * side) / height, 0.18 / width,
             0.8 * side / height)
        )  # fmt: skip
        bar = figure.colorbar(axes.images[0], cax=scale, label="share of the true class")
        bar.set_ticks([0, 0.05, 0.25, 0.5, 1], labels=["0", "5 %", "25 %", "50 %", "100 %"])
        bar.outline.set(visible=False)
    return figure


def _draw_cells(
    axes: Axes, counts: np.ndarray, names: Sequence[str], text: int, *, few: bool
) -> None:
    """Draw the matrix, and the counts of few classes."""
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1e-9)
    axes.imshow(shares, _COLORS, norm=PowerNorm(0.5, 0, 1), interpolation="none", aspect="equal")
    places = range(len(names))
    axes.set_xticks(places, names, rotation=90, fontsize=text)
    axes.set_yticks(places, names, fontsize=text)
    axes.grid(visible=False)
    borders = np.arange(len(names) + 1) - 0.5
    axes.set_xticks(borders, minor=True)
    axes.set_yticks(borders, minor=True)
    axes.grid(which="minor", axis="both", color="#e6e9f0", linewidth=0.5)
    axes.tick_params(which="both", length=0)
    axes.spines[:].set_visible(False)
    for row, column in np.argwhere(counts > 0) if few else ():
        color = "white" if shares[row, column] > 0.2 else "black"
        axes.text(column, row, f"{counts[row, column]:g}", color=color, fontsize=text,
                  ha="center", va="center")  # fmt: skip


def _draw_recalls(axes: Axes, counts: np.ndarray, text: int) -> None:
    """Draw a bar of the share that is right for each row, with its number and the total."""
    recall = counts.diagonal() / np.maximum(counts.sum(axis=1), 1e-9)
    rows = np.arange(len(counts))
    axes.barh(rows, np.ones(len(counts)), 0.6, color="#eef0f4")
    axes.barh(rows, recall, 0.6, color=_BAR_COLOR)
    axes.set(xlim=(0, 1), ylim=(len(counts) - 0.5, -0.5))
    axes.set_axis_off()
    for row, words in enumerate(_recalls(counts)):
        axes.text(1.08, row, words, fontsize=text, va="center")
    cell = 0.5 if text == 10 else 0.125
    axes.text(0, -0.5 - 0.06 / cell, "recall", fontsize=text, color=_NOTE_COLOR, va="bottom")


def _recalls(counts: np.ndarray) -> list[str]:
    """Return the share that is right of each class, and of how many."""
    totals = counts.sum(axis=1)
    return [
        f"{right / total:.0%} of {total:g}".replace("%", " %") if total else "none"
        for right, total in zip(counts.diagonal(), totals, strict=True)
    ]


def _summary(counts: np.ndarray) -> str:
    """Return the accuracy over all videos, and the mean recall of the classes present."""
    total, right = counts.sum(), counts.trace()
    if not total:
        return "nothing was classified"
    there = counts.sum(axis=1) > 0
    mean = float((counts.diagonal()[there] / counts.sum(axis=1)[there]).mean())
    words = f"{100 * right / total:.1f} % right ({right:g} of {total:g})"
    return f"{words}, mean recall {100 * mean:.1f} %"


def _width(texts: Sequence[str], size: int) -> float:
    """Return the width of the longest text in inches."""
    font = FontProperties(size=size)
    return (
        max(text_to_path.get_text_width_height_descent(one, font, False)[0] for one in texts) / 72
    )
