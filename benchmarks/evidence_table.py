"""Print the tables of docs/results.md from the results of `benchmark.py evidence`, as Markdown."""

import argparse
import math
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from benchmarks.evidence import SETS
from stn_action.evaluation.gain import Gain, gain_over
from stn_action.runs.probe_file import RESULTS_FILE, read_probe

WINDOWS = "windows 1e-3"
ARMS = ("mean", "tiles", "max", "foreground", "saliency", "attention", WINDOWS)
RIVALS = ("attention", "tiles", "foreground", "mean")
OF_BOXES = ("errors_", "loose_", "twice_")
"""How the grids begin that differ in boxes and maps alone, and are tested on test clips."""
FEW_CLIPS = ("2_per_class", "5_per_class", "errors_strong")
IMPROVEMENTS = ("improvements", "improvements_twice_the_steps")
TIGHT = ("mean", "tiles")
"""Arms of looseness 0 without box errors that the windows on wrong boxes are compared with."""


class Scores(NamedTuple):
    """One arm of one probe."""

    label: str
    correct: Tensor
    """(seeds, N) float64, 0 or 1."""
    videos: list[str]
    """Names of the N test videos."""
    groups: Tensor
    """(N,) int64."""
    seeds: list[int]
    row: dict[str, Any]
    """The row of the probe's numbers."""

    @property
    def percent(self) -> Tensor:
        """Accuracy (seeds,) in percent."""
        return 100 * self.correct.mean(1)

    @property
    def text(self) -> str:
        """Mean and deviation of the seeds."""
        return f"{self.percent.mean():.1f} ± {self.percent.std():.1f}"


def gain_of_arm(better: Scores, worse: Scores) -> Gain:
    """Return the gain of one arm over another, with the seeds that both have.

    Args:
        better: the arm whose gain it is.
        worse: of the same probe, or of another one on the same videos.

    Raises:
        ValueError: the arms are of different videos, or have no seed in common.
    """
    seeds = [seed for seed in better.seeds if seed in worse.seeds]
    if better.videos != worse.videos or not seeds:
        raise ValueError("both arms must be of the same videos, in one order, and share seeds")
    one, other = (arm.correct[[arm.seeds.index(seed) for seed in seeds]] for arm in (better, worse))
    return gain_over(one, other, better.groups)


def gain_in_points(gain: Gain) -> str:
    """Return a gain with its interval, in points; bold if the plan calls it a gain, or a loss."""
    difference, low, high = (f"{100 * value:+.1f}" for value in gain[:3])
    text = f"{difference} ({low} to {high})"
    return f"**{text}**" if gain.counts else text


def read_scores(folder: Path) -> dict[str, Scores]:
    """Return the arms of a finished probe by label; empty if it is not finished."""
    if not (folder / RESULTS_FILE).is_file():
        return {}
    content = read_probe(folder)
    numbers = {name: number for number, name in enumerate(sorted(set(content["groups"])))}
    groups = torch.tensor([numbers[name] for name in content["groups"]])
    return {
        row["label"]: Scores(
            row["label"], torch.tensor(row["correct"], dtype=torch.float64),
            content["videos"], groups, content["seeds"], row,
        )
        for row in content["rows"]
    }  # fmt: skip


def headline(out: Path, sets: Sequence[str]) -> Iterator[str]:
    """Yield the lines of the table of strong box errors: all sets and read-outs, and the gains."""
    rivals = [f"tight {name}" for name in TIGHT]
    yield from table_row(["strong box errors", *ARMS, *rivals], header=True)
    gains = list(table_row([f"gain of {WINDOWS}", *RIVALS, *rivals], header=True))
    for name in sets:
        scores = read_scores(out / name / "errors_strong")
        if not scores:
            continue
        tight = read_scores(out / name / "errors_none")
        arms = [scores.get(arm) for arm in ARMS] + [tight.get(arm) for arm in TIGHT]
        yield from table_row([name, *("–" if arm is None else arm.text for arm in arms)])
        others = [scores.get(arm) for arm in RIVALS] + [tight.get(arm) for arm in TIGHT]
        gains += table_row([name, *gains_over(scores[WINDOWS], others)])
    yield ""
    yield from gains
    yield ""


def tables_of(out: Path, data_set: str) -> Iterator[str]:
    """Yield the lines of a data set's tables: accuracies, gains, and where the arms looked."""
    grids = {
        path.name: scores
        for path in sorted((out / data_set).glob("*"))
        if path.name.startswith(OF_BOXES) and (scores := read_scores(path))
    }
    if not grids:
        return
    yield f"### {data_set}"
    yield from _accuracies(grids)
    yield from _gains(grids)
    yield from _places(grids)


def learning_curves(out: Path, sets: Sequence[str]) -> Iterator[str]:
    """Yield the lines of the table of few training clips; nothing if no such grid is finished."""
    arms = ("mean", "attention", WINDOWS)
    rivals = ("attention", "mean")
    lines = list(table_row([
        "learning curves", "clips a class", *arms, *(f"{WINDOWS} over {one}" for one in rivals)
    ], header=True))  # fmt: skip
    for name in sets:
        folders = [out / name / grid for grid in FEW_CLIPS]
        grids = {folder: scores for folder in folders if (scores := read_scores(folder))}
        for folder, scores in grids.items() if len(grids) > 1 else ():
            clips = read_probe(folder)["clips_per_class"]
            gains = gains_over(scores[WINDOWS], [scores[rival] for rival in rivals])
            texts = [scores[arm].text for arm in arms]
            lines += table_row([name, f"{clips:.3g}", *texts, *gains])
    yield from [*lines, ""] if len(lines) > 2 else []


def improvements(out: Path, sets: Sequence[str]) -> Iterator[str]:
    """Yield the lines of the table of what may improve windows, on clips of the training folds."""
    found: dict[str, dict[str, Scores]] = {}
    for name in sets:
        first, longer = (read_scores(out / name / grid) for grid in IMPROVEMENTS)
        if first:
            found[name] = first
            found[name] |= {f"{label}, twice the steps": arm for label, arm in longer.items()}
    if not found:
        return
    header = [part for name in found for part in (name, f"over {WINDOWS}")]
    yield from table_row(["inside the training folds", *header], header=True)
    labels = dict.fromkeys(label for scores in found.values() for label in scores)
    for label in labels:
        cells = []
        for scores in found.values():
            arm, base = scores.get(label), scores[WINDOWS]
            cells.append("–" if arm is None else arm.text)
            cells += ["–"] if arm is base else gains_over(arm, [base]) if arm else ["–"]
        yield from table_row([label, *cells])
    yield ""


def kept(out: Path, sets: Sequence[str]) -> Iterator[str]:
    """Yield the lines of the table of the kept improvements, on test clips."""
    rivals = (WINDOWS, "attention", "tiles", "mean")
    lines = list(table_row(
        ["kept improvements", "boxes", "kept", *(f"over {rival}" for rival in rivals)], header=True
    ))  # fmt: skip
    for name in sets:
        for grid, boxes in {"errors_strong": "strong", "errors_none": "tight"}.items():
            own, others = (read_scores(out / name / one) for one in (f"kept_{grid}", grid))
            if own and others:
                (arm,) = own.values()
                gains = gains_over(arm, [others.get(rival) for rival in rivals])
                lines += table_row([name, boxes, arm.text, *gains])
    yield from [*lines, ""] if len(lines) > 2 else []


def _accuracies(grids: dict[str, dict[str, Scores]]) -> Iterator[str]:
    labels = list(dict.fromkeys(label for scores in grids.values() for label in scores))
    yield from table_row(["boxes", *labels], header=True)
    for name, scores in grids.items():
        cells = [scores[label].text if label in scores else "–" for label in labels]
        yield from table_row([name, *cells])
    yield ""


def _gains(grids: dict[str, dict[str, Scores]]) -> Iterator[str]:
    tight = grids.get("errors_none", {})
    header = [f"over {rival}" for rival in RIVALS] + [f"over tight {name}" for name in TIGHT]
    yield from table_row([f"gain of {WINDOWS}", *header], header=True)
    for name, scores in grids.items():
        if WINDOWS not in scores:
            continue
        rivals = [scores.get(rival) for rival in RIVALS] + [tight.get(rival) for rival in TIGHT]
        yield from table_row([name, *gains_over(scores[WINDOWS], rivals)])
    yield ""


def gains_over(better: Scores, rivals: Sequence[Scores | None]) -> list[str]:
    """Return the gain of an arm over each rival, as text; – where that is not there."""
    return [
        "–" if rival is None else gain_in_points(gain_of_arm(better, rival)) for rival in rivals
    ]


def _places(grids: dict[str, dict[str, Scores]]) -> Iterator[str]:
    yield from table_row(
        ["boxes", "arm", "parameters", "area", "effective area", "shuffled"], header=True
    )
    for name in ("errors_strong",):
        for label, scores in grids.get(name, {}).items():
            row = scores.row
            shuffled = row["shuffled"]
            yield from table_row([
                name, label, f"{row['parameters']:,}",
                _percent(row["area"]), _percent(row["effective_area"]),
                "–" if shuffled is None else f"{100 * torch.tensor(shuffled).double().mean():.1f}",
            ])  # fmt: skip
    yield ""


def _percent(share: float | None) -> str:
    return "–" if share is None or math.isnan(share) else f"{100 * share:.0f}"


def table_row(cells: Sequence[str], *, header: bool = False) -> Iterator[str]:
    """Yield a line of a table, and below a header the line that ends it."""
    yield "| " + " | ".join(cells) + " |"
    if header:
        yield "|" + " --- |" * len(cells)


def main(arguments: Sequence[str]) -> None:
    """Parse arguments, then print."""
    parser = argparse.ArgumentParser(description=__doc__, prog="benchmark.py evidence_table")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--out", type=Path, default=Path("runs/evidence"), help="of the evidence")
    options = parser.parse_args(arguments)
    parts = [
        table(options.out, options.sets)
        for table in (headline, learning_curves, improvements, kept)
    ]
    for part in [*parts, *(tables_of(options.out, name) for name in options.sets)]:
        sys.stdout.writelines(f"{line}\n" for line in part)
