"""The three arms trained at several values of one setting: one table and one chart."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from stn_action.build.cache_fingerprint import DEPENDS_ON
from stn_action.config.fingerprint import is_within
from stn_action.config.schema import Config, config_from_dict, to_dict
from stn_action.disk.atomic_file import write_file
from stn_action.errors import InputError
from stn_action.launch import is_main_process
from stn_action.runs.arms import ArmResult, compare, describe, run_arms
from stn_action.runs.folder import locked_folder
from stn_action.runs.sweep_plan import parse_sweep
from stn_action.visualize.chart_figure import Figure, save_figure, seeds_in_words
from stn_action.visualize.charts import draw_bars, draw_curves

REFERENCE = "reference"
"""Name and folder of the arms that the others are shown beside."""


@dataclass(frozen=True)
class SweepPoint:
    """Results of all arms at one value."""

    name: str
    """The value as it was given, or `REFERENCE`."""
    results: list[ArmResult]
    """One per arm."""


def run_arm_sweep(
    config: Config,
    sweep: str,
    seeds: Sequence[int],
    out: Path,
    *,
    reference: Sequence[str] = (),
    command: str = "",
    console: Console | None = None,
) -> list[SweepPoint]:
    """Train and test every arm with every seed at every value.

    Args:
        config: of the arm with heads.
        sweep: `key.sub=value,value`.
        seeds: of the runs.
        out: holds a folder of arms for every value; what is finished there is not repeated.
        reference: overrides of arms that are run besides, in place of the sweep's.
        command: recorded in each run folder.
        console: where to print.

    Returns:
        A point per value, then the reference if there is one.

    Raises:
        InputError: the sweep or a value is wrong; found out before anything is trained.
    """
    key, values = parse_sweep(sweep)
    changes = {value: [f"{key}={value}"] for value in values}
    folders = {value: out / f"{key.rpartition('.')[2]}={value}" for value in values}
    if reference:
        changes[REFERENCE], folders[REFERENCE] = list(reference), out / REFERENCE
    tree = to_dict(config)
    configs = {name: config_from_dict(tree, "--sweep", own) for name, own in changes.items()}
    _require_caches(key, config)
    points = []
    with locked_folder(out):
        for name, own in configs.items():
            results = run_arms(own, seeds, folders[name], command=command, console=console)
            if is_main_process():
                write_file(folders[name] / "table.md", "\n".join(describe(results)) + "\n")
            points.append(SweepPoint(name, results))
    return points


def write_arm_sweep(points: Sequence[SweepPoint], sweep: str, out: Path) -> list[str]:
    """Write table, numbers and chart (`sweep.md`, `.json`, `.png`, `.svg`); return the table."""
    lines = describe_sweep(points, sweep)
    write_file(out / "sweep.md", "\n".join(lines) + "\n")
    figures = {
        point.name: {result.arm: result.results for result in point.results} for point in points
    }
    write_file(out / "sweep.json", json.dumps(figures, indent=1))
    save_figure(out / "sweep.png", draw_arm_sweep(points, sweep))
    return lines


def describe_sweep(points: Sequence[SweepPoint], sweep: str) -> list[str]:
    """Return lines of Markdown: the protocols, and a table of all points and arms with gains."""
    key = parse_sweep(sweep)[0].rpartition(".")[2]
    lines = [f"{point.name}: {point.results[-1].results[0]['protocol']}" for point in points]
    header = [
        key,
        "arm",
        f"{points[0].results[0].label} per seed",
        "mean",
        "deviation",
        "heads gain",
        "95 % interval",
        "p",
    ]
    lines += ["", "| " + " | ".join(header) + " |", "|" + " --- |" * len(header)]
    for point in points:
        for result in point.results:
            mean, deviation = _mean_and_deviation(result)
            gain = ["–"] * 3
            if result is not point.results[-1]:
                d = compare(point.results[-1], result)
                gain = [
                    f"{100 * d.difference:+.1f}", f"{100 * d.low:+.1f} to {100 * d.high:+.1f}",
                    f"{d.p:.2g}",
                ]  # fmt: skip
            seeds = " ".join(f"{100 * value:.1f}" for value in result.values)
            row = [point.name, result.arm, seeds, f"{mean:.1f}", _shown(deviation), *gain]
            lines.append("| " + " | ".join(row) + " |")
    return lines


def draw_arm_sweep(points: Sequence[SweepPoint], sweep: str) -> Figure:
    """Draw accuracy against the setting: a curve for each arm, or bars if a value is no number.

    The last arm of the reference is a horizontal line.
    """
    reference = None
    if (last := points[-1]).name == REFERENCE:
        mean, _ = _mean_and_deviation(last.results[-1])
        reference = f"{last.results[-1].arm}, {last.name}", mean
        points = points[:-1]
    means: dict[str, list[float]] = {}
    deviations: dict[str, list[float]] = {}
    for result in (result for point in points for result in point.results):
        mean, deviation = _mean_and_deviation(result)
        means.setdefault(result.arm, []).append(mean)
        deviations.setdefault(result.arm, []).append(deviation)
    names = [point.name for point in points]
    words: dict[str, Any] = {
        "x_label": parse_sweep(sweep)[0],
        "y_label": f"{points[0].results[0].label} (%)",
        "reference": reference,
        "deviations": deviations,
        "error_bars": seeds_in_words(len(one.values) for point in points for one in point.results),
    }
    try:
        values = [float(name) for name in names]
    except ValueError:
        return draw_bars(means, names, **words)
    curves = {arm: list(zip(values, heights, strict=True)) for arm, heights in means.items()}
    return draw_curves(curves, y_bounds=(0, 100), **words)


def _require_caches(key: str, config: Config) -> None:
    """Check that the features of all values are not to be in one folder.

    Raises:
        InputError: a folder is given, and the features depend on the setting.
    """
    folder = config.train.cache_folder
    if config.train.cache_features and folder is not None and is_within(key, DEPENDS_ON):
        raise InputError(
            f"--sweep {key}: the cached features depend on it, and train.cache_folder={folder} "
            "holds those of one value; set it to null: each value gets a folder in runs/cache"
        )


def _mean_and_deviation(result: ArmResult) -> tuple[float, float]:
    values = 100 * torch.tensor(result.values, dtype=torch.float64)
    deviation = float(values.std()) if len(values) > 1 else math.nan
    return float(values.mean()), deviation


def _shown(deviation: float) -> str:
    return "–" if math.isnan(deviation) else f"{deviation:.1f}"
