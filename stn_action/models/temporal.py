"""Descriptions of single frames to one description of the clip."""

import torch
from torch import Tensor, nn

from stn_action.errors import InputError
from stn_action.models.model_choices import Temporal


class TemporalMean(nn.Module):
    """The mean over time."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.in_channels = self.out_channels = channels

    def forward(self, x: Tensor) -> Tensor:
        """Reduce (N, T, C) to (N, C)."""
        return x.mean(1)


class TemporalDifference(nn.Module):
    """Frames and their differences through a small temporal convolution, averaged over time.

    The differences between neighboring frames are the cheapest motion cue (temporal difference
    networks, arXiv 2012.10071); a network that processes frames one by one has none.
    """

    def __init__(self, channels: int, out_channels: int = 128) -> None:
        super().__init__()
        self.in_channels = channels
        self.out_channels = out_channels
        self.norm = nn.LayerNorm(2 * channels)
        self.reduction = nn.Linear(2 * channels, out_channels)
        self.convolution = nn.Conv1d(out_channels, out_channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Reduce (N, T, C) to (N, out_channels)."""
        change = x.diff(dim=1, prepend=x[:, :1])
        x = self.reduction(self.norm(torch.cat([x, change], dim=-1))).relu()
        x = x + self.convolution(x.transpose(1, 2)).transpose(1, 2).relu()
        return x.mean(1)


def build_temporal(name: Temporal, channels: int) -> TemporalMean | TemporalDifference:
    """Build the temporal module called `name` for frames of `channels` channels.

    Raises:
        InputError: there is no such module.
    """
    if name not in TEMPORAL:
        raise InputError(f"temporal must be one of {sorted(TEMPORAL)}, got {name!r}")
    return TEMPORAL[name](channels)


TEMPORAL: dict[Temporal, type[TemporalMean | TemporalDifference]] = {
    "mean": TemporalMean,
    "difference": TemporalDifference,
}
