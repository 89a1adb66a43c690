"""Metrics of videos that were predicted in several views.

A metric is one class and one row of `METRICS`. Letters: N videos, R views of them, C classes, P
positions.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import torch
from torch import Tensor

from stn_action.batch import by_position, num_positions
from stn_action.errors import InputError
from stn_action.evaluation.evaluation_choices import MetricName, Task
from stn_action.evaluation.views import ViewPredictions
from stn_action.extras import needs_extra


class Metric(Protocol):
    """A measure of the predictions of a list of videos."""

    def update(self, predictions: ViewPredictions) -> None:
        """Add the predictions of views; those of `evaluate` are of all processes."""
        ...

    def compute(self) -> dict[str, float]:
        """Return numbers by name; none if the metric has only tensors."""
        ...

    def artifacts(self) -> dict[str, Tensor]:
        """Return tensors by name, such as a confusion matrix; often none."""
        ...


class VideoMetric:
    """The mean prediction of each video over its views; a video without a view has failed."""

    def __init__(self, targets: Tensor, num_classes: int) -> None:
        """Start without views.

        Args:
            targets: (N,) int64, the class of each video of the list; or (N, C) float32 of zeros
                and ones with several labels; or (N, P) int64, the class at each position.
            num_classes: C.

        Raises:
            ValueError: targets are not class indices or rows of labels.
        """
        _check_targets(targets, num_classes)
        self.targets = targets
        self.num_classes = num_classes
        self.positions = num_positions(targets)
        width = self.positions * num_classes
        self._sums = torch.zeros(len(targets), width, dtype=torch.float64)
        self._counts = torch.zeros(len(targets))

    def update(self, predictions: ViewPredictions) -> None:
        """Add the predictions of views.

        Raises:
            ValueError: a view's target is not the one of its video.
        """
        video, target = predictions.video, predictions.target
        differs = self.targets[video] != target
        rows = (differs if differs.ndim == 1 else differs.any(1)).nonzero().flatten().tolist()
        if rows:
            number = int(video[rows[0]])
            raise ValueError(
                f"video {number} has target {self.targets[number].tolist()}, got a view of it "
                f"with {target[rows[0]].tolist()}: the views are of another list of videos"
            )
        self._sums.index_add_(0, video, predictions.probabilities.to(self._sums))
        self._counts.index_add_(0, video, torch.ones_like(video, dtype=self._counts.dtype))

    def compute(self) -> dict[str, float]:
        """Return no numbers: see `Metric.compute`."""
        return {}

    def artifacts(self) -> dict[str, Tensor]:
        """Return no tensors: see `Metric.artifacts`."""
        return {}

    @property
    def probabilities(self) -> Tensor:
        """(N, C) or (N, P * C) float32: the mean over a video's views; NaN for a failed video."""
        return (self._sums / self._counts[:, None]).float()

    @property
    def failed(self) -> Tensor:
        """(N,) bool: the videos without a view."""
        return self._counts == 0

    def position_hits(self) -> Tensor:
        """Return (N, P) bool: whether the most probable class is right; failed videos are wrong.

        Of equal probabilities the first class counts. P is 1 unless targets are of positions.
        """
        top = by_position(self.probabilities, self.positions).argmax(2)
        return (top == self.targets.view_as(top)) & ~self.failed[:, None]


class TopK(VideoMetric):
    """The share of videos whose class is among the k (or all, if fewer) most probable.

    Of several positions all must be right: 1 minus the error of sequences. Then k is 1.
    """

    def __init__(self, targets: Tensor, num_classes: int, k: int) -> None:
        super().__init__(targets, num_classes)
        self.k = k

    def compute(self) -> dict[str, float]:
        """Return the share; a failed video is wrong."""
        return {f"top{self.k}": float(self.correct().float().mean())}

    def correct(self) -> Tensor:
        """Return (N,) bool: whether a video's class is among them; false for a failed video."""
        if self.k == 1:
            return self.position_hits().all(1)
        top = self.probabilities.topk(min(self.k, self.num_classes)).indices
        return (top == self.targets[:, None]).any(1) & ~self.failed


class PositionAccuracy(VideoMetric):
    """The share of single positions whose class is the most probable."""

    def compute(self) -> dict[str, float]:
        """Return the share; a failed video is wrong at each."""
        return {"top1_position": float(self.position_hits().float().mean())}


class ConfusionMatrix(VideoMetric):
    """The confusion matrix, and the mean of the classes' accuracies."""

    def compute(self) -> dict[str, float]:
        """Return the mean accuracy of the classes that have a video."""
        per_class = torch.bincount(self.targets, minlength=self.num_classes)
        recalls = self._confusion().diagonal() / per_class
        return {"mean_class": float(recalls[per_class > 0].mean())}

    def artifacts(self) -> dict[str, Tensor]:
        """Return "confusion", (C, C) int64, and "failed_per_class", (C,) int64.

        Rows of the confusion are the true classes, columns the predicted ones; both tensors
        together add up to N.
        """
        failed = torch.bincount(self.targets[self.failed], minlength=self.num_classes)
        return {"confusion": self._confusion(), "failed_per_class": failed}

    def _confusion(self) -> Tensor:
        with needs_extra("a confusion matrix"):  # loaded late: it takes more than a second
            from torchmetrics.functional.classification import multiclass_confusion_matrix

        seen = ~self.failed
        probabilities, targets = self.probabilities[seen], self.targets[seen]
        return multiclass_confusion_matrix(probabilities, targets, self.num_classes).long()


class MeanAveragePrecision(VideoMetric):
    """The mean of the classes' average precisions, for videos with several labels."""

    def compute(self) -> dict[str, float]:
        """Return the mean over the classes that a video has; a failed video has no class."""
        return {"mean_ap": float(self._of_classes().nanmean())}

    def artifacts(self) -> dict[str, Tensor]:
        """Return "average_precisions", (C,) float32; NaN for a class that no video has."""
        return {"average_precisions": self._of_classes()}

    def _of_classes(self) -> Tensor:
        with needs_extra("average precision"):
            from torchmetrics.functional.classification import binary_average_precision

        probabilities, targets = self.probabilities.nan_to_num(0.0), self.targets.long()
        precisions = torch.full((self.num_classes,), torch.nan)

        for label in targets.any(0).nonzero().flatten().tolist():
            precisions[label] = binary_average_precision(probabilities[:, label], targets[:, label])
        return precisions


class VideoProbabilities(VideoMetric):
    """The mean prediction of each video."""

    def artifacts(self) -> dict[str, Tensor]:
        """Return "probabilities", see there; NaN for a failed video."""
        return {"probabilities": self.probabilities}


@dataclass(frozen=True)
class MetricSpec:
    """A row of `METRICS`."""

    label: str
    """What a table or a line calls it."""
    build: Callable[[Tensor, int], Metric]
    """(targets, number of classes) to the metric."""
    tasks: tuple[Task, ...] = ("class",)
    """The kinds of videos it is for."""


METRICS: dict[MetricName, MetricSpec] = {
    "top1": MetricSpec("top-1", partial(TopK, k=1), ("class", "positions")),
    "top5": MetricSpec("top-5", partial(TopK, k=5)),
    "mean_class": MetricSpec("mean class", ConfusionMatrix),
    "mean_ap": MetricSpec("mAP", MeanAveragePrecision, ("labels",)),
    "top1_position": MetricSpec("top-1 of positions", PositionAccuracy, ("positions",)),
}
"""The metrics with a number."""


@dataclass(frozen=True)
class Scores:
    """The metrics of a list of videos."""

    numbers: dict[str, float]
    """By name, in the order of `METRICS`."""
    artifacts: dict[str, Tensor]
    """By name: "probabilities", NaN for a failed video; and those of the metrics."""

    @property
    def probabilities(self) -> Tensor:
        """(N, C) or (N, P * C) float32: the mean over a video's views; NaN for a failed video."""
        return self.artifacts["probabilities"]

    def line(self) -> str:
        """Return the numbers with their labels, as a tool prints them."""
        return "  ".join(
            f"{spec.label} {self.numbers[name]:.1%}"
            for name, spec in METRICS.items()
            if name in self.numbers
        )


def metric_names(task: Task) -> list[MetricName]:
    """Return the names of the metrics of a task."""
    return [name for name, spec in METRICS.items() if task in spec.tasks]


def task_of(targets: Tensor) -> Task:
    """Return what videos have that have these targets, (N,), (N, C) float or (N, P) integer."""
    if targets.ndim == 1:
        return "class"
    return "labels" if targets.is_floating_point() else "positions"


def score_videos(predictions: ViewPredictions, targets: Tensor, num_classes: int) -> Scores:
    """Return the metrics of a list of videos; a video without a view counts as wrong.

    Args:
        predictions: of the views; `predictions.video` are places in the list.
        targets: (N,) int64; (N, C) float32 with several labels; (N, P) int64 of positions.
        num_classes: C.

    Raises:
        ValueError: the predictions are of another list of videos.
    """
    names = metric_names(task_of(targets))
    metrics: list[Metric] = [METRICS[name].build(targets, num_classes) for name in names]
    metrics.append(VideoProbabilities(targets, num_classes))
    numbers: dict[str, float] = {}
    artifacts: dict[str, Tensor] = {}
    for metric in metrics:
        metric.update(predictions)
        numbers |= metric.compute()
        artifacts |= metric.artifacts()
    return Scores(numbers, artifacts)


def check_monitor(name: MetricName, task: Task) -> None:
    """Check that the task has the metric.

    Raises:
        InputError: with the names of those it has.
    """
    names = metric_names(task)
    if name not in names:
        kinds = {"class": "one class", "labels": "several labels", "positions": "several positions"}
        raise InputError(
            f"train.monitor: {name} is not a metric of videos with {kinds[task]}, expected one of "
            f"{', '.join(names)}"
        )


def _check_targets(targets: Tensor, num_classes: int) -> None:
    if targets.ndim in (1, 2) and targets.numel():
        if targets.is_floating_point():
            fits = targets.ndim == 2 and targets.shape[1] == num_classes
        else:
            fits = bool(0 <= targets.min() <= targets.max() < num_classes)
        if fits:
            return
    raise ValueError(
        f"targets must be (N,), N > 0, or (N, P), integers from 0 to {num_classes - 1}, or "
        f"(N, {num_classes}) of floats, got {targets.dtype} of shape {tuple(targets.shape)}"
    )
