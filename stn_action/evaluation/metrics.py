"""Scores of videos that were seen in several views. N videos, R views of them, C classes."""

from typing import NamedTuple

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.functional.classification import (
    multiclass_accuracy,
    multiclass_confusion_matrix,
)


class Scores(NamedTuple):
    """The scores of a list of videos; a failed video is wrong in each of them."""

    top1: float
    top5: float
    """A video is right when its class is among the five (or all, if fewer) most probable."""
    mean_class: float
    """The mean of the classes' top-1 accuracies, over the classes that have a video."""
    confusion: Tensor
    """(C, C) int64: rows are the true classes, columns the predicted ones; no failed videos."""
    failed_per_class: Tensor
    """(C,) int64: the videos without a prediction; `confusion` and these add up to N."""
    probabilities: Tensor
    """(N, C) float32: the mean of the softmax over a video's views; NaN for a failed video."""
    correct: Tensor
    """(N,) bool: top-1 is right; false for a failed video."""


class VideoScores(Metric):
    """Top-1, top-5, mean-class accuracy and confusion of videos, from the softmax of their views.

    Correct across processes: each may see any part of the views. A video without a view has
    failed and counts as wrong.
    """

    full_state_update = False
    sums: Tensor
    counts: Tensor

    def __init__(self, labels: Tensor, num_classes: int, *, sync_on_compute: bool = True) -> None:
        """Prepare for a list of videos.

        Args:
            labels: (N,) int64, the true class of each video of the list.
            num_classes: C.
            sync_on_compute: add up the processes' views; False when each process has them all.

        Raises:
            ValueError: labels are not (N,) class numbers.
        """
        super().__init__(sync_on_compute=sync_on_compute)
        if (
            labels.ndim != 1
            or len(labels) == 0
            or not (labels >= 0).logical_and(labels < num_classes).all()
        ):
            raise ValueError(
                f"labels must be (N,), N > 0, each from 0 to {num_classes - 1}, got shape "
                f"{tuple(labels.shape)}"
            )
        self.num_classes = num_classes
        self.register_buffer("labels", labels.long(), persistent=False)
        shape = (len(labels), num_classes)
        self.add_state("sums", torch.zeros(shape, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("counts", torch.zeros(len(labels)), dist_reduce_fx="sum")

    def update(self, video: Tensor, probabilities: Tensor, label: Tensor) -> None:
        """Add views.

        Args:
            video: (R,) int64, the place of each view's video in the list.
            probabilities: (R, C), the softmax of each view.
            label: (R,) int64, the class each view came with.

        Raises:
            ValueError: a view's class is not the one of its video.
        """
        labels = self._labels()
        video = video.to(labels.device)
        wrong = (labels[video] != label.to(labels.device)).nonzero().flatten()
        if len(wrong):
            row = int(wrong[0])
            raise ValueError(
                f"video {int(video[row])} has label {int(labels[video[row]])}, got a view of it "
                f"labelled {int(label[row])}: the views are of another list of videos"
            )
        self.sums.index_add_(0, video, probabilities.to(self.sums))
        self.counts.index_add_(0, video, torch.ones_like(video, dtype=self.counts.dtype))

    def compute(self) -> dict[str, Tensor]:
        """The probabilities (N, C), NaN for failed videos; see `scores` for all else."""
        return {"probabilities": (self.sums / self.counts[:, None]).float()}

    def scores(self) -> Scores:
        """All scores of the views so far."""
        probabilities = self.compute()["probabilities"].cpu()
        labels = self._labels().cpu()
        failed = probabilities.isnan().any(1)
        correct = (probabilities.argmax(1) == labels) & ~failed
        seen, seen_labels = probabilities[~failed], labels[~failed]
        per_class = torch.bincount(labels, minlength=self.num_classes)
        confusion = multiclass_confusion_matrix(seen, seen_labels, self.num_classes).long()
        recalls = confusion.diagonal() / per_class
        return Scores(
            top1=float(correct.float().mean()),
            top5=self._share_in_top(min(5, self.num_classes), seen, seen_labels),
            mean_class=float(recalls[per_class > 0].mean()),
            confusion=confusion,
            failed_per_class=torch.bincount(labels[failed], minlength=self.num_classes),
            probabilities=probabilities,
            correct=correct,
        )

    def _share_in_top(self, k: int, seen: Tensor, seen_labels: Tensor) -> float:
        if len(seen) == 0:
            return 0.0
        accuracy = multiclass_accuracy(
            seen, seen_labels, self.num_classes, average="micro", top_k=k
        )
        return float(accuracy) * len(seen) / len(self._labels())

    def _labels(self) -> Tensor:
        return self.get_buffer("labels")
