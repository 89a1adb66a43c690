"""The results of a probe: numbers, table and chart."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from stn_action.build.protocol_line import protocol
from stn_action.config.schema import Config
from stn_action.data.listing import Listing
from stn_action.data.video_groups import numbered_groups
from stn_action.data.video_table import VideoTable
from stn_action.evaluation.bootstrap import PairedDifference, paired_bootstrap, resampled_units
from stn_action.runs.folds import pooled_listing
from stn_action.runs.probe_cell import CellResult
from stn_action.runs.probe_grid import ProbeSetting, short_rate
from stn_action.visualize.chart_figure import Figure, seeds_in_words
from stn_action.visualize.charts import draw_bars

HEADER_OF_TABLE = (
    "read-out", "lr", "relative lr", "mean", "deviation", "per seed", "against", "95 % interval",
    "p", "parameters", "seconds", "area", "effective area", "shuffled",
)  # fmt: skip


@dataclass(frozen=True)
class ProbeRow:
    """The results of a setting; N test videos of all folds."""

    setting: ProbeSetting
    chosen: bool
    """Whether rates were chosen inside of the training videos of each fold."""
    results: list[list[CellResult]]
    """By seed and fold."""

    @property
    def label(self) -> str:
        """Return the arm, with its relative learning rate if that is the plan's."""
        return self.setting.arm.name if self.chosen else self.setting.label

    @property
    def correct(self) -> Tensor:
        """Return (seeds, N) bool."""
        return torch.tensor([[one for fold in own for one in fold.correct] for own in self.results])

    @property
    def shuffled(self) -> Tensor | None:
        """Return (seeds, N) bool, with the places of other videos; None: there are none."""
        if any(fold.shuffled is None for own in self.results for fold in own):
            return None
        return torch.tensor(
            [[one for fold in own for one in fold.shuffled or ()] for own in self.results]
        )

    @property
    def accuracies(self) -> list[float]:
        """Return the accuracy of each seed."""
        return self.correct.double().mean(1).tolist()

    def mean_of(self, name: str) -> float:
        """Return the mean of a number over seeds and folds."""
        values = [getattr(fold, name) for own in self.results for fold in own]
        return sum(values) / len(values)

    @property
    def seconds(self) -> float:
        """Return the time of training all folds, mean over seeds."""
        return self.mean_of("seconds") * len(self.results[0])


@dataclass(frozen=True)
class ProbeResults:
    """What a probe found out."""

    protocol: str
    rows: list[ProbeRow]
    videos: VideoTable
    """The test videos in the order of the results."""
    classes: tuple[str, ...]
    seeds: Sequence[int]
    against: str = ""
    """The arm that others are compared with; at several rates its first."""
    clips_per_class: float | None = None
    """Training clips of a class, mean over classes and folds."""

    @property
    def reference(self) -> ProbeRow:
        """Return the row that others are compared with."""
        return next(row for row in self.rows if row.setting.arm.name == self.against)

    @property
    def groups(self) -> Tensor:
        """Return (N,) int64: videos that may resemble each other have one number."""
        return numbered_groups(self.videos)[1]

    def difference(self, row: ProbeRow, against: ProbeRow) -> PairedDifference:
        """Return the gain of a row, by a paired bootstrap over groups, seeds averaged per video."""
        return paired_bootstrap(
            against.correct.double().mean(0), row.correct.double().mean(0), self.groups,
            generator=torch.Generator().manual_seed(0),
        )  # fmt: skip


def collect_results(
    config: Config, rows: list[ProbeRow], listings: Sequence[Listing], seeds: Sequence[int],
    words: Sequence[str],
) -> ProbeResults:  # fmt: skip
    """Return the results of a grid.

    Args:
        config: of any fold.
        rows: of the grid.
        listings: of the folds.
        seeds: in the order of the rows' results.
        words: what the protocol line must say besides.
    """
    known = {video.name: video for video in listings[0].all_videos}
    tested = rows[0].results[0]
    videos = VideoTable(known[name] for fold in tested for name in fold.videos)
    pooled = pooled_listing(config, listings) if len(listings) > 1 else listings[0]
    failed = sum(math.isnan(row[0]) for fold in tested for row in fold.probabilities)
    line = protocol(config, replace(pooled, test=videos), failed)
    return ProbeResults("; ".join([line, *words]), rows, videos, pooled.classes, seeds)


def table_of_probe(results: ProbeResults) -> list[list[str]]:
    """Return the header and a row of cells for each setting."""
    reference = results.reference
    rows = [
        [name if name != "against" else f"against {reference.label}" for name in HEADER_OF_TABLE]
    ]
    for row in results.rows:
        values = torch.tensor(row.accuracies, dtype=torch.float64)
        rate = "–" if row.setting.relative_lr is None else short_rate(row.setting.relative_lr)
        shuffled = row.shuffled
        difference = ["–"] * 3
        if row is not reference:
            d = results.difference(row, reference)
            difference = [
                f"{100 * d.difference:+.1f}", f"{100 * d.low:+.1f} to {100 * d.high:+.1f}",
                f"{d.p:.2g}",
            ]  # fmt: skip
        rows.append([
            row.setting.arm.name,
            "chosen" if row.chosen else short_rate(row.setting.lr),
            "chosen" if row.chosen and rate != "–" else rate,
            f"{100 * values.mean():.1f}",
            f"{100 * values.std():.1f}" if len(values) > 1 else "–",
            " ".join(f"{100 * value:.1f}" for value in row.accuracies),
            *difference,
            f"{row.mean_of('parameters'):,.0f}",
            f"{row.seconds:.1f}",
            f"{100 * row.mean_of('area'):.0f}",
            f"{100 * row.mean_of('effective_area'):.0f}",
            "–" if shuffled is None else f"{100 * shuffled.double().mean():.1f}",
        ])  # fmt: skip
    return rows


def markdown_of_probe(results: ProbeResults) -> str:
    """Return protocol and table as Markdown."""
    rows = table_of_probe(results)
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    lines.insert(1, "|" + " --- |" * len(rows[0]))
    notes = [
        f"percent; seeds {', '.join(map(str, results.seeds))}; intervals by a paired bootstrap "
        f"over {resampled_units(results.groups)}; seeds averaged per video",
        "area: of a window, or of the cells that hold half of the weights; effective area: exp of "
        "the entropy of the weights; both as shares of the map; shuffled: with the windows or "
        "weights of another clip; seconds: training of all folds, mean over seeds",
    ]
    return "\n".join([results.protocol, "", *lines, "", *notes]) + "\n"


def draw_probe(results: ProbeResults) -> Figure:
    """Draw a bar with its deviation for each row."""
    heights, deviations = [], []
    for row in results.rows:
        values = 100 * torch.tensor(row.accuracies, dtype=torch.float64)
        heights.append(float(values.mean()))
        deviations.append(float(values.std()) if len(values) > 1 else math.nan)
    several = len({row.setting.lr for row in results.rows}) > 1 and not results.rows[0].chosen
    names = [
        f"{row.label}, lr {short_rate(row.setting.lr)}" if several else row.label
        for row in results.rows
    ]
    return draw_bars(
        {"accuracy": heights}, names, x_label="read-out", y_label="top-1 (%)",
        title=results.protocol, deviations={"accuracy": deviations},
        error_bars=seeds_in_words(len(row.accuracies) for row in results.rows),
        size_inches=(max(8.2, 0.9 * len(names)), 4.8),
    )  # fmt: skip
