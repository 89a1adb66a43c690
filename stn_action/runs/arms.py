"""The three arms of an experiment: no heads, heads frozen at their start, heads that learn."""

import csv
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from torch import Tensor

from stn_action.config.schema import Config, config_from_dict, to_dict
from stn_action.disk.json_file import read_json
from stn_action.errors import InputError
from stn_action.evaluation.bootstrap import PairedDifference, paired_bootstrap, resampled_units
from stn_action.evaluation.evaluation_choices import MetricName
from stn_action.evaluation.metrics import METRICS
from stn_action.runs.folder import differences_from_start, locked_folder, writing_to
from stn_action.runs.folds import train_folds
from stn_action.runs.run_checkpoint import has_checkpoint, has_fold_checkpoint
from stn_action.runs.test import shuffled_name
from stn_action.runs.train import train

ARMS = {
    "no heads": ("model.focus.heads=0",),
    "frozen heads": ("model.focus.readout=windows", "optim.relative_lr=0"),
    "heads": (),
}
"""What is different in each arm; trunk, data, auxiliary losses and schedule are equal. Frozen heads
are fixed windows, whatever read-out they are compared with."""

LEARN_PLACES = ("windows", "attention")
"""Read-outs that can be the arm `heads`."""

REGION_SCORES = ("hit", "shuffled", "random", "area", "effective_area")

TABLE_WIDTH = 122
"""Characters that the table needs; a narrower terminal wraps it, but no figure is cut."""


@dataclass(frozen=True)
class ArmResult:
    """Test results of one arm, one for each seed."""

    arm: str
    results: list[dict[str, Any]]
    """`test.json` of every seed."""
    correct: Tensor
    """(seeds, N) of every test video."""
    groups: Tensor
    """(N,) int64: videos that may resemble each other have one number."""

    @property
    def values(self) -> list[float]:
        """The metric that counts, `train.monitor`, of every seed."""
        return [result[self.monitor] for result in self.results]

    @property
    def label(self) -> str:
        """The label of that metric."""
        return METRICS[self.monitor].label

    @property
    def monitor(self) -> MetricName:
        """The name of that metric."""
        return self.results[0]["monitor"]


def run_arms(
    config: Config,
    seeds: Sequence[int],
    out: Path,
    *,
    arms: Sequence[str] = tuple(ARMS),
    command: str = "",
    console: Console | None = None,
) -> list[ArmResult]:
    """Train and test every arm with every seed.

    A run that is finished is not repeated, one that was interrupted goes on.

    Args:
        config: of the arm with heads; its seed and folder are replaced.
        seeds: of the runs.
        out: holds a folder for every run, named by arm and seed.
        arms: names out of `ARMS`.
        command: recorded in each run folder.
        console: where to print.

    Raises:
        InputError: the configuration has no heads or a read-out that learns no places, or a folder
            holds another experiment.
    """
    if config.model.focus is None or config.model.focus.heads == 0:
        raise InputError("model.focus: arms are compared to one with heads; configure some")
    if config.model.focus.readout not in LEARN_PLACES:
        raise InputError(
            "model.focus.readout: the arms are heads that learn where to look and windows that do "
            f"not: expected {' or '.join(LEARN_PLACES)}, got {config.model.focus.readout!r}. "
            "tools/probe.py compares all read-outs"
        )
    results = []
    with locked_folder(out):
        for arm in arms:
            folders = [out / f"{arm.replace(' ', '_')}_seed{seed}" for seed in seeds]
            for seed, folder in zip(seeds, folders, strict=True):
                overrides = [*ARMS[arm], f"train.seed={seed}"]
                own = config_from_dict(to_dict(config), f"arm {arm!r}", overrides)
                own = writing_to(own, folder)
                if _finished(own, folder):
                    continue
                folds = own.data.fold == "all"
                started = (has_fold_checkpoint if folds else has_checkpoint)(folder)
                run = train_folds if folds else train
                run(own, command=command, resume=started, console=console)
            results.append(_read(arm, folders))
    return results


def compare(better: ArmResult, worse: ArmResult) -> PairedDifference:
    """Return the gain of one arm over another, by a paired bootstrap over groups of videos.

    Seeds are averaged per video first, so that the interval is about other videos, not other seeds.
    """
    generator = torch.Generator().manual_seed(0)
    return paired_bootstrap(
        worse.correct.double().mean(0),
        better.correct.double().mean(0),
        better.groups,
        generator=generator,
    )


def table_rows(results: Sequence[ArmResult]) -> list[list[str]]:
    """Return the header and one row for each arm."""
    seeds = f"{results[0].label} per seed"
    header = ["arm", seeds, "mean", "deviation", "theta shuffled", "hit", "shuffled", "random",
              "area", "effective area"]  # fmt: skip
    rows = [header]
    for result in results:
        values = torch.tensor(result.values, dtype=torch.float64)
        deviation = f"{100 * values.std():.1f}" if len(values) > 1 else "–"
        row = [
            result.arm,
            " ".join(f"{100 * value:.1f}" for value in result.values),
            f"{100 * values.mean():.1f}",
            deviation,
            _mean(result, shuffled_name(result.monitor)),
        ]
        row += [_region(result, name) for name in REGION_SCORES]
        rows.append(row)
    return rows


def describe(results: Sequence[ArmResult]) -> list[str]:
    """Return lines of Markdown: protocol, table, and the paired differences of the last arm."""
    rows = table_rows(results)
    lines = [results[-1].results[0]["protocol"], ""]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    lines.insert(3, "|" + " --- |" * len(rows[0]))
    lines.append("")
    for worse in results[:-1]:
        d = compare(results[-1], worse)
        lines.append(
            f"{results[-1].arm} against {worse.arm}: {100 * d.difference:+.1f} points, "
            f"95 % interval {100 * d.low:+.1f} to {100 * d.high:+.1f} (p = {d.p:.3g}; paired "
            f"bootstrap over {resampled_units(worse.groups)})"
        )
    return lines


def print_arms(results: Sequence[ArmResult], console: Console) -> None:
    """Print the protocol, the table (without its empty columns) and the differences."""
    rows = table_rows(results)
    table = Table(title="percent", title_justify="left", box=SIMPLE)
    filled = [any(cell != "–" for cell in column[1:]) for column in zip(*rows, strict=True)]
    if all(len(result.results) == 1 for result in results):
        filled[rows[0].index("mean")] = False  # it is the one seed's
    for name, keep in zip(rows[0], filled, strict=True):
        if keep:
            table.add_column(name, no_wrap=True)
    for row in rows[1:]:
        table.add_row(*(cell for cell, keep in zip(row, filled, strict=True) if keep))
    console.print(results[-1].results[0]["protocol"], markup=False)
    console.width = max(console.width, TABLE_WIDTH)
    console.print(table)
    if "–" not in rows[-1]:
        console.print(
            "hit: the target region's center is in a window, or in the cells with half of the "
            "weight; shuffled, random: the same with another video's, with one placed anywhere"
        )
    for line in describe(results)[-len(results) + 1 :]:
        console.print(line, markup=False)


def clear(out: Path) -> None:
    """Remove the runs of an earlier comparison."""
    for arm in ARMS:
        for folder in out.glob(f"{arm.replace(' ', '_')}_seed*"):
            shutil.rmtree(folder)


def _finished(config: Config, folder: Path) -> bool:
    if not (folder / "test.json").is_file():
        return False
    if changed := differences_from_start(folder, config):
        raise InputError(
            f"{folder} holds a run with other settings: {changed}; give another folder or delete it"
        )
    return True


def _read(arm: str, folders: Sequence[Path]) -> ArmResult:
    results, correct = [], []
    groups: list[str] = []
    for folder in folders:
        remedy = f"delete {folder} to train it again"
        results.append(read_json(folder / "test.json", remedy=remedy))
        with (folder / "test_predictions.csv").open(newline="", encoding="utf-8") as file:
            rows = sorted(csv.DictReader(file), key=lambda row: row["video"])
        correct.append(torch.tensor([row["true"] == row["predicted"] for row in rows]))
        groups = [row["group"] for row in rows]
    numbers = {name: number for number, name in enumerate(sorted(set(groups)))}
    return ArmResult(
        arm, results, torch.stack(correct), torch.tensor([numbers[name] for name in groups])
    )


def _mean(result: ArmResult, key: str) -> str:
    values = [row[key] for row in result.results if key in row]
    return f"{100 * sum(values) / len(values):.1f}" if values else "–"


def _region(result: ArmResult, key: str) -> str:
    """Return a score of the union of all heads, averaged over seeds."""
    rows = [row["regions"]["any head"] for row in result.results if "regions" in row]
    values = [row[key] for row in rows if key in row]
    return f"{100 * sum(values) / len(values):.1f}" if values else "–"
