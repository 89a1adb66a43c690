"""A localization network that cannot move all windows alike."""

import torch
from torch import Tensor, nn


class CenteredLocalization(nn.Module):
    """A localization network whose raw numbers are 0 in the mean over images.

    What it sees decides where its windows are relative to each other; their mean stays at the
    start of the family. Without labels this is what keeps windows from a shared escape: to the
    corner of the canvas, say, where all images are equally black and so have no distance.

    In training the mean is that of the batch, afterwards a moving average, as in batch norm.

    Args:
        localization: (N, C, H, W) to (N, num_outputs).
        num_outputs: raw numbers.
        momentum: share of a batch in the moving average.
    """

    mean: Tensor

    def __init__(self, localization: nn.Module, num_outputs: int, *, momentum: float = 0.1) -> None:
        super().__init__()
        self.localization = localization
        self.momentum = momentum
        self.register_buffer("mean", torch.zeros(num_outputs))

    def forward(self, features: Tensor) -> Tensor:
        """Compute raw numbers (N, num_outputs) of features (N, C, H, W)."""
        raw = self.localization(features)
        if not self.training:
            return raw - self.mean
        mean = raw.mean(0)
        with torch.no_grad():
            self.mean.lerp_(mean, self.momentum)
        return raw - mean
