"""Metrics of videos that were predicted in several views. N videos, R views of them, C classes.

A metric is one class and one row of `METRICS`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import torch
from torch import Tensor
from torchmetrics.functional.classification import (
    binary_average_precision,
    multiclass_confusion_matrix,
)

from stn_action.errors import InputError
from stn_action.evaluation.evaluation_choices import MetricName
from stn_action.evaluation.views import ViewPredictions


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
                and ones with several labels.
            num_classes: C.

        Raises:
            ValueError: targets are not class indices or rows of labels.
        """
        _check_targets(targets, num_classes)
        self.targets = targets
        self.num_classes = num_classes
        self._sums = torch.zeros(len(targets), num_classes, dtype=torch.float64)
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
        """(N, C) float32: the mean over a video's views; NaN for a failed video."""
        return (self._sums / self._counts[:, None]).float()

    @property
    def failed(self) -> Tensor:
        """(N,) bool: the videos without a view."""
        return self._counts == 0


class TopK(VideoMetric):
    """The share of videos whose class is among the k (or all, if fewer) most probable."""

    def __init__(self, targets: Tensor, num_classes: int, k: int) -> None:
        super().__init__(targets, num_classes)
        self.k = k

    def compute(self) -> dict[str, float]:
        """Return the share; a failed video is wrong."""
        return {f"top{self.k}": float(self.correct().float().mean())}

    def correct(self) -> Tensor:
        """Return (N,) bool: whether a video's class is among them; false for a failed video."""
        if self.k == 1:  # of equal probabilities the first class
            top = self.probabilities.argmax(1, keepdim=True)
        else:
            top = self.probabilities.topk(min(self.k, self.num_classes)).indices
        return (top == self.targets[:, None]).any(1) & ~self.failed


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
        seen = ~self.failed
        probabilities, targets = self.probabilities[seen], self.targets[seen]
        return multiclass_confusion_matrix(probabilities, targets, self.num_classes).long()


class MeanAveragePrecision(VideoMetric):
    """The mean of the classes' average precisions, for videos with several labels."""

    def compute(self) -> dict[str, float]:
        """Return the mean over the classes that a video has; a failed video has no class."""
        probabilities, targets = self.probabilities.nan_to_num(0.0), self.targets.long()
        precisions = [
            binary_average_precision(probabilities[:, label], targets[:, label])
            for label in targets.any(0).nonzero().flatten().tolist()
        ]
        return {"mean_ap": float(torch.stack(precisions).mean())}


class VideoProbabilities(VideoMetric):
    """The mean prediction of each video."""

    def artifacts(self) -> dict[str, Tensor]:
        """Return "probabilities", (N, C) float32; NaN for a failed video."""
        return {"probabilities": self.probabilities}


@dataclass(frozen=True)
class MetricSpec:
    """A row of `METRICS`."""

    label: str
    """What a table or a line calls it."""
    build: Callable[[Tensor, int], Metric]
    """(targets, number of classes) to the metric."""
    multi_label: bool = False
    """For videos with several labels; else for those with one."""


METRICS: dict[MetricName, MetricSpec] = {
    "top1": MetricSpec("top-1", partial(TopK, k=1)),
    "top5": MetricSpec("top-5", partial(TopK, k=5)),
    "mean_class": MetricSpec("mean class", ConfusionMatrix),
    "mean_ap": MetricSpec("mAP", MeanAveragePrecision, multi_label=True),
}
"""The metrics with a number."""


@dataclass(frozen=True)
class Scores:
    """The metrics of a list of videos."""

    numbers: dict[str, float]
    """By name, in the order of `METRICS`."""
    artifacts: dict[str, Tensor]
    """By name: "probabilities" (N, C), NaN for a failed video; and those of the metrics."""

    @property
    def probabilities(self) -> Tensor:
        """(N, C) float32: the mean over a video's views; NaN for a failed video."""
        return self.artifacts["probabilities"]

    def line(self) -> str:
        """Return the numbers with their labels, as a tool prints them."""
        return "  ".join(
            f"{spec.label} {self.numbers[name]:.1%}"
            for name, spec in METRICS.items()
            if name in self.numbers
        )


def metric_names(*, multi_label: bool) -> list[MetricName]:
    """Return the names of the metrics of a task: one label a video, or several."""
    return [name for name, spec in METRICS.items() if spec.multi_label == multi_label]


def score_videos(predictions: ViewPredictions, targets: Tensor, num_classes: int) -> Scores:
    """Return the metrics of a list of videos; a video without a view counts as wrong.

    Args:
        predictions: of the views; `predictions.video` are places in the list.
        targets: (N,) int64, or (N, C) float32 with several labels.
        num_classes: C.

    Raises:
        ValueError: the predictions are of another list of videos.
    """
    names = metric_names(multi_label=targets.ndim == 2)
    metrics: list[Metric] = [METRICS[name].build(targets, num_classes) for name in names]
    metrics.append(VideoProbabilities(targets, num_classes))
    numbers: dict[str, float] = {}
    artifacts: dict[str, Tensor] = {}
    for metric in metrics:
        metric.update(predictions)
        numbers |= metric.compute()
        artifacts |= metric.artifacts()
    return Scores(numbers, artifacts)


def check_monitor(name: MetricName, *, multi_label: bool) -> None:
    """Check that the task has the metric.

    Raises:
        InputError: with the names of those it has.
    """
    names = metric_names(multi_label=multi_label)
    if name not in names:
        labels = "several labels" if multi_label else "one label"
        raise InputError(
            f"train.monitor: {name} is not a metric of videos with {labels}, expected one of "
            f"{', '.join(names)}"
        )


def _check_targets(targets: Tensor, num_classes: int) -> None:
    if targets.ndim == 2 and targets.shape[1] == num_classes and len(targets):
        return
    if targets.ndim == 1 and len(targets) and 0 <= targets.min() <= targets.max() < num_classes:
        return
    raise ValueError(
        f"targets must be (N,), N > 0, each from 0 to {num_classes - 1}, or (N, {num_classes}), "
        f"got shape {tuple(targets.shape)}"
    )
