"""The confusion matrix as a chart."""

from collections.abc import Sequence
from textwrap import wrap

import numpy as np
from matplotlib.colors import LinearSegmentedColormap, PowerNorm
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path
from torch import Tensor

from stn_action.visualize.chart_figure import chart_style, shorten_name

_COLORS = LinearSegmentedColormap.from_list("share", ["#f6f8fc", "#6ea0d0", "#08306b"])
_MANY_CLASSES = 20
"""Beyond this many classes, cells are small and hold no counts."""
_LONGEST_NAME = 28
"""Characters of a class name; longer ones are shortened."""


def draw_confusion(matrix: Tensor, class_names: Sequence[str], title: str = "") -> Figure:
    """Draw counts, true classes in rows and predicted ones in columns.

    A cell's shade is its share of its row, so that rare and common classes compare.

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
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1e-9)
    names = [shorten_name(name, _LONGEST_NAME) for name in class_names]
    few = num_classes <= _MANY_CLASSES
    cell, text = (0.5, 10) if few else (0.125, 6)  # inches, typographic points
    side = max(num_classes * cell, 1.6)
    with chart_style():
        lines = wrap(title, round(11 * side) + 20)
        font = FontProperties(size=text)
        widths = [
            text_to_path.get_text_width_height_descent(name, font, False)[0] for name in names
        ]
        margin = 0.45 + max(widths) / 72
        width, height = margin + side + 1.25, margin + side + 0.15 + 0.22 * len(lines)
        figure = Figure(figsize=(width, height))
        axes = figure.add_axes((margin / width, margin / height, side / width, side / height))
        axes.set(xlabel="predicted class", ylabel="true class")
        figure.text(0.1 / width, 1 - 0.08 / height, "\n".join(lines), va="top")
        image = axes.imshow(
            shares, _COLORS, norm=PowerNorm(0.5, 0, 1), interpolation="none", aspect="equal"
        )
        places = range(num_classes)
        axes.set_xticks(places, names, rotation=90, fontsize=text)
        axes.set_yticks(places, names, fontsize=text)
        axes.grid(visible=False)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        bar_axes = figure.add_axes(
            ((margin + side + 0.15) / width, (margin + 0.1 * side) / height, 0.18 / width,
             0.8 * side / height)
        )  # fmt: skip
        bar = figure.colorbar(image, cax=bar_axes, label="share of the true class")
        bar.set_ticks([0, 0.05, 0.25, 0.5, 1], labels=["0", "5 %", "25 %", "50 %", "100 %"])
        bar.outline.set(visible=False)
        for row, column in np.argwhere(counts > 0) if few else ():
            color = "white" if shares[row, column] > 0.2 else "black"
            axes.text(column, row, f"{counts[row, column]:g}", color=color, fontsize=text,
                      ha="center", va="center")  # fmt: skip
    return figure
