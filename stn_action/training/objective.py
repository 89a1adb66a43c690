"""The training loss."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from torch import Tensor

from stn_action.batch import by_position, num_positions
from stn_action.errors import InputError
from stn_action.models.prediction import Focus, Prediction
from stn_action.training.cross_entropy import binary_cross_entropy, cross_entropy


class Objective(Protocol):
    """The interface of a training loss."""

    def __call__(self, prediction: Prediction, target: Tensor) -> Tensor:
        """Return the mean loss () of a batch; target as in `batch.Batch`."""
        ...


@dataclass(frozen=True)
class ClassificationLoss:
    """Cross-entropy of the prediction and of its auxiliary classifiers, and terms of the heads.

    Of clips with a class at each of P positions it is the sum over the positions.
    """

    label_smoothing: float = 0.0
    """Share of the target that is spread over all classes (Szegedy et al. 2016), in [0, 1); with
    several labels each is moved by half of it toward the other value."""
    branch_loss: float = 1.0
    """Weight of the mean loss of the auxiliary classifiers, one per branch."""
    random_glimpse_loss: float = 0.0
    """Weight of the loss of the branch that takes a window at random (AdaFocusV2, Wang et al.
    2022, arXiv 2112.14238)."""
    head_losses: tuple[Callable[[Focus], Tensor], ...] = ()
    """Terms of the heads' windows; see `regularizers`."""
    multi_label: bool = False
    """Several labels per clip: binary cross-entropy of each class, mean over classes."""
    class_weights: tuple[float, ...] | None = None
    """Factor of the loss of each class, see `cross_entropy`; None: all classes count by their
    clips."""
    focal_gamma: float | None = None
    """Focal loss: how much less clips count that are classified well; None: not less."""

    def __post_init__(self) -> None:
        if not 0 <= self.label_smoothing < 1:
            raise InputError(f"label_smoothing must be in [0, 1), got {self.label_smoothing}")
        if not self.branch_loss >= 0:
            raise InputError(f"branch_loss must be at least 0, got {self.branch_loss}")
        if not self.random_glimpse_loss >= 0:
            raise InputError(
                f"random_glimpse_loss must be at least 0, got {self.random_glimpse_loss}"
            )
        if self.focal_gamma is not None and not self.focal_gamma >= 0:
            raise InputError(f"focal_gamma must be at least 0, got {self.focal_gamma}")

    def __call__(self, prediction: Prediction, target: Tensor) -> Tensor:
        """Return the mean loss () of a batch, float32.

        Args:
            prediction: logits (B, C), branch_logits (B, K + 1, C) or None, random_logits (B, C)
                or None.
            target: (B,) int64; or (B, C) float32, probabilities (sum 1) of a single label, as
                mixup makes them, or 0 and 1 of several; or (B, P) int64, and C is that of all
                positions together.
        """
        loss = self._cross_entropy(prediction.logits, target)
        branches = prediction.branch_logits
        if branches is not None and self.branch_loss:
            of_each = target.repeat_interleave(branches.shape[1], dim=0)
            loss = loss + self.branch_loss * self._cross_entropy(branches.flatten(0, 1), of_each)
        if prediction.random_logits is not None and self.random_glimpse_loss:
            of_random = self._cross_entropy(prediction.random_logits, target)
            loss = loss + self.random_glimpse_loss * of_random
        for head_loss in self.head_losses:
            for focus in prediction.focus:
                loss = loss + head_loss(focus)
        return loss

    def _cross_entropy(self, logits: Tensor, target: Tensor) -> Tensor:
        logits = logits.float()
        weights = None if self.class_weights is None else logits.new_tensor(self.class_weights)
        loss = partial(
            binary_cross_entropy if self.multi_label else cross_entropy,
            label_smoothing=self.label_smoothing, class_weights=weights,
            focal_gamma=self.focal_gamma,
        )  # fmt: skip
        positions = num_positions(target)
        if positions == 1:
            return loss(logits, target)
        rows = by_position(logits, positions).flatten(0, 1)  # (B * P, C)
        return positions * loss(rows, target.flatten())
