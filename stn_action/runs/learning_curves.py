"""Learning curves: accuracy against training clips of a class, from several probes."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from stn_action.errors import InputError
from stn_action.runs.probe_file import read_probe
from stn_action.visualize.chart_figure import Figure, seeds_in_words
from stn_action.visualize.charts import draw_curves


def draw_learning_curves(folders: Sequence[Path], *, title: str = "") -> Figure:
    """Draw a curve for each row of the probes' tables, with the deviations of the seeds.

    Args:
        folders: of probes that differ in `--per-class` alone; rows that one of several probes has
            alone are left out.
        title: above the chart.

    Raises:
        InputError: a folder has no results, they are of other test videos, or have no row in
            common.
    """
    curves: dict[str, list[tuple[float, float]]] = {}
    deviations: dict[str, list[float]] = {}
    numbers: list[int] = []
    for content in _read_all(folders):
        for row in content["rows"]:
            values = 100 * torch.tensor(row["accuracy"], dtype=torch.float64)
            point = round(float(content["clips_per_class"]), 1), float(values.mean())
            curves.setdefault(row["label"], []).append(point)
            numbers.append(len(values))
            deviation = float(values.std()) if len(values) > 1 else math.nan
            deviations.setdefault(row["label"], []).append(deviation)
    if len(folders) > 1:
        curves = {label: points for label, points in curves.items() if len(points) > 1}
        deviations = {label: deviations[label] for label in curves}
    if not curves:
        raise InputError(f"{folders[0]}: none of its rows is in another probe; give equal arms")
    return draw_curves(
        curves, x_label="training clips of a class", y_label="top-1 (%)", title=title, log_x=True,
        deviations=deviations, error_bars=seeds_in_words(numbers), y_bounds=(0, 100),
    )  # fmt: skip


def _read_all(folders: Sequence[Path]) -> list[dict[str, Any]]:
    if not folders:
        raise InputError("learning curves need the folder of at least one probe, got none")
    contents = [read_probe(folder) for folder in folders]
    for folder, content in zip(folders, contents, strict=True):
        if content["videos"] != contents[0]["videos"]:
            raise InputError(
                f"{folder}: a probe of other test videos ({len(content['videos'])}) than "
                f"{folders[0]} ({len(contents[0]['videos'])}); give probes of one data set and fold"
            )
    return contents
