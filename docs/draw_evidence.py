"""Draw docs/evidence.png from the table in docs/results.md: python docs/draw_evidence.py."""

import math
import re
from pathlib import Path

from PIL import Image

from stn_action.visualize.chart_figure import Figure, save_figure
from stn_action.visualize.charts import draw_bars

DOCS = Path(__file__).parent
TABLE = re.compile(r"^\| strong box errors \|(.*)\|\n\|[-| ]*\|\n((?:\|.*\|\n)+)", re.M)


def draw_evidence(page: str) -> Figure:
    """Draw the accuracy of the read-outs under strong box errors, a group of bars for each set.

    Args:
        page: text with a table of set and mean ± deviation of each read-out.
    """
    table = TABLE.search(page)
    assert table is not None
    rows = [_cells(line) for line in table[2].splitlines()]
    names = [row[0] for row in rows]
    series: dict[str, list[float]] = {}
    deviations: dict[str, list[float]] = {}
    for column, arm in enumerate(_cells(table[1]), start=1):
        values = [_mean_and_deviation(row[column]) for row in rows]
        if all(math.isnan(mean) for mean, _ in values):
            continue
        series[arm] = [mean for mean, _ in values]
        deviations[arm] = [deviation for _, deviation in values]
    return draw_bars(
        series, names, deviations=deviations, x_label="data set, boxes with strong errors",
        y_label="top-1 accuracy (%)", size_inches=(11, 4.8), decimals=0,
    )  # fmt: skip


def _mean_and_deviation(cell: str) -> tuple[float, float]:
    if cell == "–":  # not run
        return math.nan, math.nan
    mean, deviation = cell.split(" ± ")
    return float(mean), float(deviation)


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def main() -> None:
    """Draw, and keep the file small by a palette."""
    path = DOCS / "evidence.png"
    page = (DOCS / "results.md").read_text(encoding="utf-8")
    vector = save_figure(path, draw_evidence(page))[1]
    vector.unlink()
    with Image.open(path) as image:
        small = image.convert("RGB").quantize(64, Image.Quantize.MAXCOVERAGE, kmeans=3)
    small.save(path, optimize=True)


if __name__ == "__main__":
    main()
