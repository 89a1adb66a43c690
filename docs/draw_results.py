"""Draw docs/evidence.png and docs/look_twice.png from the tables of docs/results.md.

python docs/draw_results.py
"""

import math
import re
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from stn_action.visualize.chart_figure import (
    SERIES_COLORS,
    Figure,
    chart_style,
    error_bar_handle,
    save_figure,
)
from stn_action.visualize.charts import draw_bars

DOCS = Path(__file__).parent
STRONG_ERRORS, LOOK_TWICE = "strong box errors", "look twice"
COSTS = "billion multiplications a clip"
FIRST_BOXES = ("loose_1", "small_figures")
"""Boxes whose arms are drawn filled; those of others are drawn hollow."""
EVIDENCE_SEEDS = "deviation over 5 seeds, on J-HMDB over 3"
LOOK_TWICE_SEEDS = "deviation over 3 seeds"
MARKERS = "os^DvP<>X"


class Value(NamedTuple):
    """A result; NaN if it was not run."""

    mean: float
    deviation: float


class Table(NamedTuple):
    """A table of a page."""

    columns: list[str]
    """Names of all but the first."""
    rows: dict[str, list[str]]
    """Name of each row, from the first column, to its other cells."""


def draw_evidence(page: str) -> Figure:
    """Draw the accuracy of the read-outs under strong box errors, a group of bars for each set.

    Args:
        page: text with a table of set and mean ± deviation of each read-out.
    """
    columns, rows = _table(page, STRONG_ERRORS)
    series: dict[str, list[float]] = {}
    deviations: dict[str, list[float]] = {}
    for column, arm in enumerate(columns):
        values = [_value(cells[column]) for cells in rows.values()]
        if all(math.isnan(mean) for mean, _ in values):
            continue
        series[arm] = [mean for mean, _ in values]
        deviations[arm] = [deviation for _, deviation in values]
    return draw_bars(
        series, list(rows), deviations=deviations, error_bars=EVIDENCE_SEEDS,
        x_label="data set, boxes with strong errors",
        y_label="top-1 accuracy (%)", size_inches=(11, 4.8), decimals=0,
    )  # fmt: skip


def draw_look_twice(page: str) -> Figure:
    """Draw accuracy against multiplications, a plot for each data set.

    Args:
        page: text with a table of "set, boxes" and mean ± deviation of each arm, and of "set,
            billion multiplications a clip" and the arms' costs.
    """
    columns, rows = _table(page, LOOK_TWICE)
    sets = list(dict.fromkeys(name.split(", ")[0] for name in rows))
    with chart_style():
        figure = Figure(figsize=(3.3 * len(sets) + 0.6, 4.6), layout="constrained")
        for axes, data_set in zip(
            figure.subplots(1, len(sets), squeeze=False)[0], sets, strict=True
        ):
            costs = [float(cell) for cell in rows[f"{data_set}, {COSTS}"]]
            axes.set(title=data_set, xscale="log")
            ticks = [cost for cost in set(costs) if not any(1 < cost / c < 1.2 for c in costs)]
            axes.set_xticks(ticks, [f"{cost:g}" for cost in ticks])
            axes.minorticks_off()
            for name, cells in rows.items():
                if name.split(", ")[0] != data_set or name.endswith(COSTS):
                    continue
                filled = name.split(", ")[1] in FIRST_BOXES
                for number, (cost, cell) in enumerate(zip(costs, cells, strict=True)):
                    mean, deviation = _value(cell)
                    color = SERIES_COLORS[number % len(SERIES_COLORS)]
                    apart = 1 + 0.04 * (number - len(columns) / 2)
                    axes.errorbar(
                        cost * apart, mean, deviation, color=color, marker=MARKERS[number],
                        mfc=color if filled else "white", elinewidth=1, capsize=2,
                        linestyle="none", label=columns[number],
                    )  # fmt: skip
        first = figure.axes[0]
        handles, names = first.get_legend_handles_labels()
        entries: dict[str, Any] = dict(zip(names, handles, strict=True))
        entries[f"error bars: ± {LOOK_TWICE_SEEDS}"] = error_bar_handle()
        figure.legend(entries.values(), entries, loc="outside upper left", ncols=5 * len(sets) // 3)
        figure.supxlabel("billion multiplications a clip", fontsize=11)
        first.set_ylabel("top-1 accuracy (%)")
    return figure


def _table(page: str, name: str) -> Table:
    """Return the table whose first column has this name."""
    found = re.search(rf"^\| {name} \|(.*)\|\n\|[-| ]*\|\n((?:\|.*\|\n?)+)", page, re.M)
    assert found is not None, f"there is no table of {name}"
    rows = [_cells(line) for line in found[2].splitlines()]
    return Table(_cells(found[1]), {row[0]: row[1:] for row in rows})


def _value(cell: str) -> Value:
    if cell == "–":  # not run
        return Value(math.nan, math.nan)
    mean, deviation = cell.split(" ± ")
    return Value(float(mean), float(deviation))


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def _save(name: str, figure: Figure) -> None:
    """Write a PNG, kept small by a palette."""
    path = DOCS / name
    vector = save_figure(path, figure)[1]
    vector.unlink()
    with Image.open(path) as image:
        small = image.convert("RGB").quantize(64, Image.Quantize.MAXCOVERAGE, kmeans=3)
    small.save(path, optimize=True)


def main() -> None:
    """Draw both."""
    page = (DOCS / "results.md").read_text(encoding="utf-8")
    _save("evidence.png", draw_evidence(page))
    _save("look_twice.png", draw_look_twice(page))


if __name__ == "__main__":
    main()
