"""What is minimised."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F

from stn_action.errors import InputError
from stn_action.models.prediction import Focus, Prediction


@dataclass(frozen=True)
class ClipLoss:
    """Cross-entropy of the prediction, and of its auxiliary classifiers where it has them."""

    label_smoothing: float = 0.0
    """Share of the target that is spread over all classes (Szegedy et al. 2016), in [0, 1)."""
    branch_loss: float = 1.0
    """Weight of the mean cross-entropy of the auxiliary classifiers, one per branch."""
    random_glimpse_loss: float = 0.0
    """Weight of the cross-entropy of the branch that looks at a random window (AdaFocusV2, Wang et
    al. 2022, arXiv 2112.14238)."""
    head_losses: tuple[Callable[[Focus], Tensor], ...] = ()
    """Terms of where the heads looked; see `regularizers`."""

    def __post_init__(self) -> None:
        if not 0 <= self.label_smoothing < 1:
            raise InputError(f"label_smoothing must be in [0, 1), got {self.label_smoothing}")
        if not self.branch_loss >= 0:
            raise InputError(f"branch_loss must be from 0 on, got {self.branch_loss}")
        if not self.random_glimpse_loss >= 0:
            raise InputError(
                f"random_glimpse_loss must be from 0 on, got {self.random_glimpse_loss}"
            )

    def __call__(self, prediction: Prediction, label: Tensor) -> Tensor:
        """The mean loss () of a batch, float32.

        Args:
            prediction: logits (B, classes), branch_logits (B, K + 1, classes) or None,
                random_logits (B, classes) or None.
            label: (B,) int64.
        """
        loss = self._cross_entropy(prediction.logits, label)
        branches = prediction.branch_logits
        if branches is not None and self.branch_loss:
            labels = label[:, None].expand(branches.shape[:2]).flatten()
            of_branches = self._cross_entropy(branches.flatten(0, 1), labels)
            loss = loss + self.branch_loss * of_branches
        if prediction.random_logits is not None and self.random_glimpse_loss:
            loss = loss + self.random_glimpse_loss * self._cross_entropy(
                prediction.random_logits, label
            )
        for head_loss in self.head_losses:
            for focus in prediction.focus:
                loss = loss + head_loss(focus)
        return loss

    def _cross_entropy(self, logits: Tensor, label: Tensor) -> Tensor:
        return F.cross_entropy(logits.float(), label, label_smoothing=self.label_smoothing)
