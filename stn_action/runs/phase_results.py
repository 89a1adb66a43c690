"""Results of a phase diagram: what wins in which cell and by how much, as table and chart."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, NamedTuple

import torch
from torch import Tensor

from stn_action.evaluation.gain import Gain, gain_over
from stn_action.runs.phase_grid import DIALS, PhaseCell
from stn_action.visualize.chart_figure import Figure
from stn_action.visualize.winner_maps import WinnerCell, WinnerMap, draw_winner_maps

TIGHT = "tight box"
"""The mean over a crop of the deciding region: what could be read if the place were known. It is
shown, but wins nothing."""
REFERENCE_ARM, QUESTIONED_ARM = "attention", "windows"
"""Every winner is compared with the first; the second is compared with it, too."""
STRONG = 0.2
"""A margin from which on a winner's color is full."""


@dataclass(frozen=True)
class ArmRecord:
    """Test of one arm in a cell, for each seed."""

    correct: list[list[bool]]
    """(seeds, N) of every test clip."""
    shuffled: list[float | None]
    """Accuracy with the places of another clip; None where there are none."""
    effective_area: list[float]
    parameters: int
    seconds: list[float]


@dataclass(frozen=True)
class CellRecord:
    """Results of a cell."""

    cell: PhaseCell
    videos: list[str]
    """(N,) names of the test clips; those of all cells are the same scenes."""
    arms: dict[str, ArmRecord]


class Ranking(NamedTuple):
    """The winner among the read-outs."""

    accuracies: dict[str, Tensor]
    """(seeds,) of each arm, the tight box included."""
    winner: str
    runner_up: str | None
    over_runner_up: Gain | None
    over_reference: Gain | None
    """None: the winner is the reference, or there is none."""
    questioned: Gain | None
    """Of windows over attention."""


def rank(records: Sequence[CellRecord]) -> Ranking:
    """Rank the read-outs by their mean accuracy over seeds and the clips of some cells.

    Args:
        records: of one cell, or of several whose test clips are pooled.
    """
    names = [name for record in records for name in record.videos]
    number = {name: place for place, name in enumerate(sorted(set(names)))}
    groups = torch.tensor([number[name] for name in names])
    correct = {
        arm: torch.cat([torch.tensor(record.arms[arm].correct) for record in records], 1).double()
        for arm in records[0].arms
    }
    accuracies = {arm: own.mean(1) for arm, own in correct.items()}
    rivals = [arm for arm in correct if arm != TIGHT]
    winner, *others = sorted(rivals, key=lambda arm: -float(accuracies[arm].mean()))

    def gain(better: str, worse: str | None) -> Gain | None:
        if worse is None or better == worse or not {better, worse} <= correct.keys():
            return None
        return gain_over(correct[better], correct[worse], groups)

    runner_up = others[0] if others else None
    return Ranking(
        accuracies, winner, runner_up, gain(winner, runner_up), gain(winner, REFERENCE_ARM),
        gain(QUESTIONED_ARM, REFERENCE_ARM),
    )  # fmt: skip


def describe_phase(records: Sequence[CellRecord]) -> list[str]:
    """Return lines of Markdown: a row for each cell."""
    arms = list(records[0].arms)
    header = [
        "region", "distractors", "clips a class", *arms, "winner", "over the runner-up",
        f"over {REFERENCE_ARM}", f"{QUESTIONED_ARM} over {REFERENCE_ARM}",
    ]  # fmt: skip
    lines = ["| " + " | ".join(header) + " |", "|" + " --- |" * len(header)]
    for record in records:
        ranking = rank([record])
        runner_up = "–"
        if ranking.over_runner_up is not None:
            runner_up = f"{_signed(ranking.over_runner_up)} ({ranking.runner_up})"
        row = [
            str(record.cell.region), str(record.cell.distractors), str(record.cell.clips),
            *(_mean_and_deviation(ranking.accuracies[arm]) for arm in arms),
            ranking.winner, runner_up, _signed(ranking.over_reference),
            _with_interval(ranking.questioned),
        ]  # fmt: skip
        lines.append("| " + " | ".join(row) + " |")
    seeds = len(next(iter(records[0].arms.values())).correct)
    lines += [
        "",
        f"Accuracy in percent, {seeds} seeds ± deviation; {len(records[0].videos)} test clips. "
        "\\*: a gain, the 95 % interval of the paired bootstrap over test clips excludes zero and "
        "the difference exceeds twice the pooled deviation of the seeds.",
    ]
    return lines


def draw_phase(records: Sequence[CellRecord]) -> Figure:
    """Draw the winner of every cell, then of every pair of dials with the third averaged."""
    own = [
        _map(of_clips, "distractors", "region", f"{clips} {DIALS['clips']}")
        for clips in sorted({record.cell.clips for record in records})
        if (of_clips := [record for record in records if record.cell.clips == clips])
    ]
    pairs = []
    for y, x in combinations(DIALS, 2):
        (third,) = DIALS.keys() - {x, y}
        if len(_values(records, third)) > 1:
            pairs.append(_map(records, x, y, f"mean over: {DIALS[third]}"))
    arms = [arm for arm in records[0].arms if arm != TIGHT]
    title = (
        "Winning read-outs, accuracy in percent, margins; framed and *: a gain over the runner-up"
    )
    return draw_winner_maps([own, pairs] if pairs else [own], arms, title=title)


def _map(records: Sequence[CellRecord], x: str, y: str, title: str) -> WinnerMap:
    columns, rows = _values(records, x), _values(records, y)
    cells = {}
    for row, of_y in enumerate(rows):
        for column, of_x in enumerate(columns):
            chosen = [
                record
                for record in records
                if getattr(record.cell, x) == of_x and getattr(record.cell, y) == of_y
            ]
            if chosen:
                cells[row, column] = _winner_cell(rank(chosen))
    names = [tuple(str(value) for value in values) for values in (columns, rows)]
    return WinnerMap(title, DIALS[x], names[0], DIALS[y], names[1], cells)


def _winner_cell(ranking: Ranking) -> WinnerCell:
    accuracy = 100 * float(ranking.accuracies[ranking.winner].mean())
    lines = [f"{ranking.winner} {accuracy:.1f}"]
    gain = ranking.over_runner_up
    if gain is not None:
        lines.append(f"{_signed(gain)} over {ranking.runner_up}")
    if ranking.over_reference is not None and ranking.runner_up != REFERENCE_ARM:
        lines.append(f"{_signed(ranking.over_reference)} over {REFERENCE_ARM}")
    strength = gain.difference / STRONG if gain is not None else 1.0
    return WinnerCell(ranking.winner, tuple(lines), strength, gain is not None and gain.counts)


def _values(records: Iterable[CellRecord], dial: str) -> list[Any]:
    found = sorted({getattr(record.cell, dial) for record in records})
    return found[::-1] if dial == "region" else found


def _mean_and_deviation(values: Tensor) -> str:
    mean = f"{100 * values.mean():.1f}"
    return f"{mean} ± {100 * values.std():.1f}" if len(values) > 1 else mean


def _signed(gain: Gain | None) -> str:
    if gain is None:
        return "–"
    return f"{100 * gain.difference:+z.1f}" + ("*" if gain.counts else "")


def _with_interval(gain: Gain | None) -> str:
    if gain is None:
        return "–"
    return f"{_signed(gain)} ({100 * gain.low:+z.1f} to {100 * gain.high:+z.1f})"
