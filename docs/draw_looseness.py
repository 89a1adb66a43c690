"""Draw docs/looseness.png from the table in docs/results.md: python docs/draw_looseness.py."""

import re
from pathlib import Path

from PIL import Image

from stn_action.visualize.chart_figure import Figure, save_figure
from stn_action.visualize.charts import draw_curves

DOCS = Path(__file__).parent
ROW = re.compile(r"^\| (\S+) \| (no heads|frozen heads|heads) \|[^|]*\| (\S+) \| (\S+) \|", re.M)


def draw_looseness(page: str) -> Figure:
    """Draw the accuracy of three arms against the looseness of the boxes.

    Args:
        page: text with a table of looseness, arm, accuracies of seeds, their mean and deviation.
    """
    section = page.partition("accuracy against looseness")[2]
    curves: dict[str, list[tuple[float, float]]] = {}
    deviations: dict[str, list[float]] = {}
    reference = None
    for looseness, arm, mean, deviation in ROW.findall(section):
        if looseness == "reference":
            reference = f"{arm}, whole frame", float(mean)  # of the last arm, the heads
            continue
        curves.setdefault(arm, []).append((float(looseness), float(mean)))
        deviations.setdefault(arm, []).append(float(deviation))
    return draw_curves(
        curves, deviations=deviations, reference=reference, y_bounds=(0, 100),
        x_label="looseness of the boxes (share of the box added on each side)",
        y_label="top-1 accuracy (%)",
    )  # fmt: skip


def main() -> None:
    """Draw, and keep the file small by a palette."""
    path = DOCS / "looseness.png"
    page = (DOCS / "results.md").read_text(encoding="utf-8")
    vector = save_figure(path, draw_looseness(page))[1]
    vector.unlink()
    with Image.open(path) as image:
        small = image.convert("RGB").quantize(64, Image.Quantize.MAXCOVERAGE, kmeans=3)
    small.save(path, optimize=True)


if __name__ == "__main__":
    main()
