"""The test: predictions of a network for all views of the test videos, and their metrics."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from torch import Tensor, nn
from torch.utils.data import DataLoader

from stn_action.batch import Batch
from stn_action.build.protocol_line import protocol
from stn_action.config.schema import Config
from stn_action.data.datasets.dataset_table import DATASETS
from stn_action.data.listing import Listing
from stn_action.data.video_table import Video
from stn_action.distributed import Strategy
from stn_action.errors import InputError
from stn_action.evaluation.attention import TargetScores, score_targets
from stn_action.evaluation.bootstrap import ShareInterval
from stn_action.evaluation.error_analysis import ErrorAnalysis, analyze_errors
from stn_action.evaluation.evaluation_choices import MetricName
from stn_action.evaluation.frame_scores import FrameScores, score_frames
from stn_action.evaluation.metrics import METRICS, Scores, score_videos
from stn_action.evaluation.places import places_of
from stn_action.evaluation.views import ViewPredictions, evaluate, shuffled_theta
from stn_action.geometry.boxes import box_centers
from stn_action.geometry.outlines import source_to_clip
from stn_action.person.store.tube_folder import TubeFolder, read_tube_csv
from stn_action.progress import show_progress

CONTROL_SEED = 0
"""Of shuffles and random windows, the controls of the attention scores."""


@dataclass(frozen=True)
class TestResult:
    """The result of a test."""

    protocol: str
    """On what and how, in one line."""
    scores: Scores
    monitor: MetricName
    """The metric that counts, `train.monitor`."""
    regions: TargetScores | None
    """How often the heads look at the target regions, if these are known."""
    shuffled: float | None
    """The monitored metric with the windows of each video on another one."""
    failures: list[tuple[str, str]]
    """Names of the videos that could not be read, and why."""
    frames: FrameScores | None = None
    """The frame mAP, of samples that are persons at key frames."""
    interval: ShareInterval | None = None
    """Of the top-1 accuracy, where several folds are pooled."""
    errors: ErrorAnalysis | None = None
    """What the scores mean; None: there is no analysis of several positions."""
    folder: Path | None = None
    """The folder of the run that ended with this test."""

    __test__ = False

    def numbers(self) -> dict[str, Any]:
        """Return plain types, for a file or a log."""
        numbers: dict[str, Any] = {
            "protocol": self.protocol,
            "monitor": self.monitor,
            **self.scores.numbers,
        }
        if self.frames is not None:
            numbers["frame_map"] = self.frames.mean
        if self.interval is not None:
            numbers["top1_interval"] = list(self.interval[:2])
        if self.errors is not None:
            numbers |= self.errors.numbers()
        if self.shuffled is not None:
            numbers[shuffled_name(self.monitor)] = self.shuffled
        if self.regions is not None:
            numbers["regions"] = self.regions.table()
        if self.failures:
            numbers["failures"] = [list(failure) for failure in self.failures]
        return numbers

    def lines(self) -> list[str]:
        """Return the lines that a tool prints."""
        lines = [self.protocol, self.scores.line()]
        if self.interval is not None:
            lines.append(self.interval.line(METRICS["top1"].label))
        if self.frames is not None:
            lines.append(self.frames.line())
        if self.shuffled is not None:
            label = METRICS[self.monitor].label
            lines.append(f"{label} with theta shuffled across videos {self.shuffled:.1%}")
        if self.regions is not None:
            lines.append(
                "target region's center in the window, or in the cells with half of the weight "
                "(share of frames):"
            )
            for name, row in self.regions.table().items():
                lines.append(
                    f"  {name:<9} hit {row['hit']:.1%}  area {row['area']:.1%}  effective area "
                    f"{row['effective_area']:.1%}  shuffled {row['shuffled']:.1%}  random "
                    f"{row['random']:.1%}"
                )
        lines += [] if self.errors is None else self.errors.lines()
        lines += [f"counted as wrong: {name}: {reason}" for name, reason in self.failures]
        return lines


def run_test(
    config: Config,
    network: nn.Module,
    batches: DataLoader,
    listing: Listing,
    strategy: Strategy,
    *,
    console: Console | None = None,
) -> TestResult:
    """Evaluate on the test videos of a listing: metrics, attention, theta shuffled.

    Args:
        config: the experiment.
        network: in any mode, prepared or placed by the strategy.
        batches: all views of `listing.test`.
        listing: the videos.
        strategy: of the run.
        console: where progress is shown; None: nowhere.
    """
    at_once = config.eval.batch_size

    def shown(what: str) -> Iterable[Batch]:
        return show_progress(
            batches, total=len(batches), what=what, unit="batches", console=console,
            enabled=console is not None and strategy.is_main,
        )  # fmt: skip

    predictions = evaluate(
        network, shown("testing"), strategy, collect_focus=True, views_at_once=at_once
    )
    targets, num_classes = listing.test.targets, len(listing.classes)
    scores = score_videos(predictions, targets, num_classes)
    key_frames, frames = DATASETS[config.data.name].key_frames, None
    if key_frames is not None:
        frames = score_frames(key_frames(config.data.root), listing.test, scores.probabilities)
    if frames is not None:
        scores = replace(scores, artifacts=scores.artifacts | frames.artifacts())
    regions = shuffled = None
    if predictions.focus and config.data.regions is not None:
        regions = attention_scores(predictions, listing.test, config.data.regions)
    given = [focus.can_be_given for focus in predictions.focus]
    if given and all(given) and len(listing.test) > 1 and config.eval.shuffled_theta:
        generator = torch.Generator().manual_seed(CONTROL_SEED)
        source = shuffled_theta(predictions, generator)
        again = evaluate(
            network, shown("testing with shuffled theta"), strategy, theta_source=source,
            views_at_once=at_once,
        )  # fmt: skip
        shuffled = score_videos(again, targets, num_classes).numbers[config.train.monitor]
    failures = [(listing.test[index].name, message) for index, message in predictions.failures]
    line = protocol(config, listing, len(failures))
    monitor = config.train.monitor
    errors = analyze_errors(scores, listing.test, listing.classes)
    return TestResult(line, scores, monitor, regions, shuffled, failures, frames, errors=errors)


def shuffled_name(monitor: MetricName) -> str:
    """Return the name of a metric with theta shuffled, as in `test.json`."""
    return f"{monitor}_shuffled_theta"


def attention_scores(
    predictions: ViewPredictions, videos: Sequence[Video], folder: Path
) -> TargetScores:
    """Score how often heads look at the center of the target region, on one view per video.

    Args:
        predictions: with focus.
        videos: in the order of the predictions' video numbers.
        folder: a CSV of boxes per video; videos without one are left out.

    Raises:
        InputError: no video has a region.
    """
    assert predictions.frame_indices is not None
    assert predictions.boxes is not None
    rows = _middle_views(predictions)
    regions = TubeFolder(folder)
    centers = torch.full((len(rows), predictions.boxes.shape[1], 2), torch.nan)
    for place, row in enumerate(rows):
        path = regions.path_of(videos[int(predictions.video[row])].name)
        if path is not None:
            points = box_centers(read_tube_csv(path).boxes_at(predictions.frame_indices[row]))
            centers[place] = source_to_clip(points, predictions.boxes[row]).float()
    if centers.isnan().all():
        raise InputError(
            f"data.regions: {folder} has no CSV named like any of the {len(videos)} test videos"
        )
    generator = torch.Generator().manual_seed(CONTROL_SEED)
    return score_targets(places_of(predictions.focus, rows), centers, generator=generator)


def _middle_views(predictions: ViewPredictions) -> Tensor:
    """Return the rows (N,) of the middle view of each video that has one."""
    rows = []
    for video in predictions.video.unique():
        own = (predictions.video == video).nonzero().flatten()
        rows.append(own[len(own) // 2])
    return torch.stack(rows)
