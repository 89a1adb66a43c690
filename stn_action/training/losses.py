"""What is minimised."""

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F

from stn_action.errors import InputError
from stn_action.models.network import Prediction


@dataclass(frozen=True)
class ClipLoss:
    """Cross-entropy of the prediction, and of its auxiliary classifiers where it has them."""

    label_smoothing: float = 0.0
    """Share of the target that is spread over all classes (Szegedy et al. 2016), in [0, 1)."""
    branch_weight: float = 0.0
    """Weight of the mean cross-entropy of the auxiliary classifiers, one per branch."""

    def __post_init__(self) -> None:
        if not 0 <= self.label_smoothing < 1:
            raise InputError(f"label_smoothing must be in [0, 1), got {self.label_smoothing}")
        if not self.branch_weight >= 0:
            raise InputError(f"branch_weight must be from 0 on, got {self.branch_weight}")

    def __call__(self, prediction: Prediction, label: Tensor) -> Tensor:
        """The mean loss () of a batch, float32.

        Args:
            prediction: logits (B, classes), branch_logits (B, K + 1, classes) or None.
            label: (B,) int64.
        """
        loss = self._cross_entropy(prediction.logits, label)
        branches = prediction.branch_logits
        if branches is None or self.branch_weight == 0:
            return loss
        labels = label[:, None].expand(branches.shape[:2]).flatten()
        return loss + self.branch_weight * self._cross_entropy(branches.flatten(0, 1), labels)

    def _cross_entropy(self, logits: Tensor, label: Tensor) -> Tensor:
        return F.cross_entropy(logits.float(), label, label_smoothing=self.label_smoothing)
