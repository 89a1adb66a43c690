"""Checkpoints tested at several values of one setting."""

import hashlib
import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from stn_action.config.fingerprint import FINGERPRINT_FILE, HARMLESS, Fingerprint
from stn_action.config.schema import Config, to_dict
from stn_action.data.listing import Listing
from stn_action.disk.atomic_file import write_file
from stn_action.disk.json_file import read_json
from stn_action.errors import InputError
from stn_action.evaluation.evaluation_choices import MetricName
from stn_action.evaluation.metrics import METRICS
from stn_action.launch import require_one_process
from stn_action.runs.checkpoint_test import CheckpointTest, config_for, run_checkpoint_test
from stn_action.runs.folder import locked_folder, write_csv, write_result
from stn_action.runs.folds import pooled_listing, pooled_result
from stn_action.runs.sweep_plan import Subject, check_key, parse_sweep, subjects_of
from stn_action.runs.test import TestResult
from stn_action.visualize.chart_figure import Figure, save_figure
from stn_action.visualize.charts import draw_bars, draw_curves

NO_CACHE = ("train.cache_features=false", "train.cache_at=null")
"""A test looks at the videos: what a cache cannot hold is no obstacle."""
LOG_FROM = 100.0
"""Positive values that differ by this factor or more are drawn on a logarithmic axis."""


@dataclass(frozen=True)
class SweepRow:
    """One checkpoint, or all folds of a run, at one value."""

    checkpoint: str
    """Its short name."""
    value: str
    """As it was given."""
    numbers: dict[str, Any]
    """`test.json`: protocol and scores."""
    found: bool
    """Whether it was tested before, under the same settings."""

    @property
    def monitored(self) -> float:
        """The metric that counts, `train.monitor`."""
        return self.numbers[self.numbers["monitor"]]

    @property
    def label(self) -> str:
        """The label of that metric."""
        return METRICS[self.numbers["monitor"]].label


def sweep_checkpoints(
    paths: Sequence[str | Path],
    sweep: str,
    config_file: str | None = None,
    overrides: Sequence[str] = (),
    out: Path | None = None,
    *,
    console: Console | None = None,
    trust: bool = False,
) -> list[SweepRow]:
    """Test checkpoints at every value of a setting; write table, protocols and chart.

    A value that was tested under the same settings is not tested again. Results go to
    `<out>/<checkpoint>/<value>/`, all together to `sweep.csv`, `.json`, `.png` and `.svg`.

    Args:
        paths: checkpoints, or run folders: of one with `fold_*/last.pt` all folds are pooled.
        sweep: `key.sub=value,value`.
        config_file: a configuration in place of the checkpoints' own.
        overrides: `key.sub=value`, for all of them.
        out: folder; None: `sweep_<key>` beside the one checkpoint.
        console: where to print a line per value; the standard output by default.
        trust: run code that the checkpoints name.

    Raises:
        InputError: the sweep, a checkpoint, a setting or the data are wrong.
    """
    console = Console(soft_wrap=True, highlight=False) if console is None else console
    require_one_process("--sweep")
    key, values = parse_sweep(sweep)
    if any(override.partition("=")[0].strip() == key for override in overrides):
        raise InputError(f"--sweep {key}: is swept and set to one value; leave {key}=... out")
    overrides = [*NO_CACHE, *overrides]
    subjects = subjects_of(paths)
    plans = [
        (subject, value, _configs(subject, config_file, [*overrides, f"{key}={value}"], trust))
        for subject in subjects
        for value in values
    ]
    _check(key, plans)
    folder = _folder(paths, key) if out is None else out
    rows = []
    with locked_folder(folder):
        for subject, value, configs in plans:
            given = [*overrides, f"{key}={value}"]
            place = folder / _file_name(subject.name) / _file_name(value)
            row = _row(subject, value, configs, config_file, given, place, trust)
            rows.append(row)
            known = ", tested before" if row.found else ""
            result = f"{subject.name}, {key}={value}: {row.label} {row.monitored:.1%}{known}"
            console.print(result, markup=False)
        write_sweep(folder, key, rows)
    print_sweep(rows, key, console)
    console.print(f"written to {folder}", markup=False)
    return rows


def write_sweep(folder: Path, key: str, rows: Sequence[SweepRow]) -> None:
    """Write table, results and chart: `sweep.csv`, `.json`, `.png` and `.svg`."""
    names = _metrics_in(rows)
    table: list[list[str]] = [["checkpoint", key, *names, "protocol"]]
    for row in rows:
        scores = [f"{row.numbers[name]:.6f}" for name in names]
        table.append([row.checkpoint, row.value, *scores, row.numbers["protocol"]])
    write_csv(folder / "sweep.csv", table)
    content = {
        "key": key,
        "rows": [{"checkpoint": row.checkpoint, "value": row.value, **row.numbers} for row in rows],
    }
    write_file(folder / "sweep.json", json.dumps(content, indent=1))
    save_figure(folder / "sweep.png", draw_sweep(key, rows))


def draw_sweep(key: str, rows: Sequence[SweepRow]) -> Figure:
    """Draw the metric against the value: a curve per checkpoint, bars if a value is no number."""
    values = list(dict.fromkeys(row.value for row in rows))
    numbers = [_number(value) for value in values]
    scores: dict[str, dict[str, float]] = {}
    for row in rows:
        scores.setdefault(row.checkpoint, {})[row.value] = 100 * row.monitored
    words: dict[str, Any] = {
        "x_label": key,
        "y_label": f"{rows[0].label} (%)",
        "title": rows[0].numbers["protocol"].partition(";")[0],
    }
    if not all(math.isfinite(number) for number in numbers):
        bars = {
            name: [found.get(value, math.nan) for value in values] for name, found in scores.items()
        }
        return draw_bars(bars, values, **words)
    curves = {
        name: [(float(value), score) for value, score in found.items()]
        for name, found in scores.items()
    }
    log_x = min(numbers) > 0 and max(numbers) / min(numbers) >= LOG_FROM
    return draw_curves(curves, log_x=log_x, y_bounds=(0, 100), **words)


def print_sweep(rows: Sequence[SweepRow], key: str, console: Console) -> None:
    """Print the table."""
    table = Table(box=SIMPLE)
    table.add_column("checkpoint", overflow="fold")
    table.add_column(key, overflow="fold")
    names = _metrics_in(rows)
    for name in names:
        table.add_column(METRICS[name].label, justify="right", no_wrap=True)
    for row in rows:
        scores = [f"{100 * row.numbers[name]:.1f}" for name in names]
        table.add_row(row.checkpoint, row.value, *scores)
    console.print(table)


def _metrics_in(rows: Sequence[SweepRow]) -> list[MetricName]:
    return [name for name in METRICS if name in rows[0].numbers]


def _configs(
    subject: Subject, config_file: str | None, overrides: Sequence[str], trust: bool
) -> list[Config]:
    """Return the configuration of each checkpoint of a subject; wrong settings are refused."""
    return [
        config_for(
            member.content, member.path, config_file, [*overrides, *member.fold], trust=trust
        )
        for member in subject.members
    ]


def _check(key: str, plans: Sequence[tuple[Subject, str, list[Config]]]) -> None:
    seen: dict[tuple[str, str], str] = {}
    for subject, value, configs in plans:
        check_key(key, configs[0])
        settings = json.dumps(to_dict(configs[0]), sort_keys=True)
        other = seen.setdefault((subject.name, settings), value)
        if other != value:
            raise InputError(f"--sweep {key}: {other} and {value} are the same; give one of them")


def _row(
    subject: Subject, value: str, configs: Sequence[Config], config_file: str | None,
    overrides: Sequence[str], folder: Path, trust: bool,
) -> SweepRow:  # fmt: skip
    """Test, or load the result of an earlier test with the same fingerprint."""
    now = Fingerprint.of(
        configs[0],
        without=(*HARMLESS, "model.weights"),  # those of the checkpoint are used
        extra={"checkpoints": [member.digest for member in subject.members]},
    )
    mark, result_file = folder / FINGERPRINT_FILE, folder / "test.json"
    found = mark.is_file() and result_file.is_file()
    found = found and not Fingerprint.load(folder).compare(now)
    if not found:
        mark.unlink(missing_ok=True)
        tests = [
            run_checkpoint_test(member.path, config_file, [*overrides, *member.fold], trust=trust)
            for member in subject.members
        ]
        listing, result = _pooled(tests) if len(tests) > 1 else tests[0][1:]
        write_result(folder, "test", result.numbers(), result.scores, listing.test, listing.classes)
        now.save(folder)  # last: it marks the result as complete
    numbers = read_json(result_file, remedy=f"delete {folder} to test again")
    return SweepRow(subject.name, value, numbers, found)


def _pooled(tests: Sequence[CheckpointTest]) -> tuple[Listing, TestResult]:
    """Return the tests of all folds as one."""
    listing = pooled_listing(tests[0].config, [test.listing for test in tests])
    probabilities = torch.cat([test.result.scores.probabilities for test in tests])
    failures = [failure for test in tests for failure in test.result.failures]
    return listing, pooled_result(tests[0].config, listing, probabilities, failures)


def _folder(paths: Sequence[str | Path], key: str) -> Path:
    if len(paths) > 1:
        raise InputError("--out: several checkpoints are swept; give the folder of their results")
    path = Path(paths[0])
    return (path if path.is_dir() else path.parent) / f"sweep_{key}"


def _number(value: str) -> float:
    try:
        return float(value)
    except ValueError:
        return math.nan


def _file_name(text: str) -> str:
    """Return a file name for a text, different for different texts."""
    safe = re.sub(r"[^\w.+-]+", "_", text)
    if safe == text and text.strip("."):
        return text
    return f"{safe}_{hashlib.blake2b(text.encode(), digest_size=4).hexdigest()}"
