"""Descriptions of single frames to one description of the clip.

Letters: N clips, T frames, C channels of a frame.
"""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from stn_action.errors import InputError
from stn_action.models.model_choices import Temporal


class TemporalModule(nn.Module, ABC):
    """Frames (N, T, C) to (N, out_channels), in two steps: only the second one has parameters."""

    in_channels: int
    out_channels: int

    def forward(self, x: Tensor) -> Tensor:
        """Reduce (N, T, C) to (N, out_channels)."""
        return self.reduced(self.prepared(x))

    @abstractmethod
    def prepared(self, x: Tensor) -> Tensor:
        """Return what is computed of (N, T, C) without a parameter, (N, ...)."""

    @abstractmethod
    def reduced(self, *prepared: Tensor) -> Tensor:
        """Reduce what was prepared to (N, out_channels); of several one after the other."""


class TemporalMean(TemporalModule):
    """The mean over time."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.in_channels = self.out_channels = channels

    def prepared(self, x: Tensor) -> Tensor:
        """Return the mean (N, C)."""
        return x.mean(1)

    def reduced(self, *prepared: Tensor) -> Tensor:
        """Return what was prepared."""
        return torch.cat(prepared)


class TemporalDifference(TemporalModule):
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

    def prepared(self, x: Tensor) -> Tensor:
        """Return frames and differences (N, T, 2 * C), normalized."""
        change = x.diff(dim=1, prepend=x[:, :1])
        return F.layer_norm(torch.cat([x, change], dim=-1), self.norm.normalized_shape)

    def reduced(self, *prepared: Tensor) -> Tensor:
        """Reduce (N, T, 2 * C) to (N, out_channels); of several one after the other."""
        # the scale and shift of the norm are part of the linear layer: one pass less over frames
        bias = self.reduction.bias + self.reduction.weight @ self.norm.bias
        weight = self.reduction.weight * self.norm.weight
        x = torch.cat([F.linear(part, weight, bias) for part in prepared]).relu()
        x = x + self._convolved(x).relu()
        return x.mean(1)

    def _convolved(self, x: Tensor) -> Tensor:
        """Return the convolution along time of (N, T, C) as one product and shifted sums."""
        weight, bias = self.convolution.weight, self.convolution.bias
        assert bias is not None
        before, now, after = (x @ weight.permute(1, 2, 0).flatten(1)).chunk(3, -1)
        return (
            now + F.pad(before[:, :-1], (0, 0, 1, 0)) + F.pad(after[:, 1:], (0, 0, 0, 1))
            + bias
        )  # fmt: skip


class TemporalConvolution(TemporalModule):
    """Frames through two residual temporal convolutions, averaged over time."""

    def __init__(self, channels: int, out_channels: int = 128) -> None:
        super().__init__()
        self.in_channels = channels
        self.out_channels = out_channels
        self.reduction = nn.Linear(channels, out_channels)
        self.convolutions = nn.ModuleList(
            nn.Conv1d(out_channels, out_channels, 3, padding=1) for _ in range(2)
        )

    def prepared(self, x: Tensor) -> Tensor:
        """Return the frames (N, T, C), normalized."""
        return F.layer_norm(x, x.shape[-1:])

    def reduced(self, *prepared: Tensor) -> Tensor:
        """Reduce (N, T, C) to (N, out_channels); of several one after the other."""
        x = self.reduction(torch.cat(prepared)).relu().transpose(1, 2)  # (N, out_channels, T)
        for convolution in self.convolutions:
            x = x + convolution(x).relu()
        return x.mean(2)


class TemporalTransformer(TemporalModule):
    """Frames with their sinusoidal places through a small transformer, averaged over time.

    Two layers of four heads, normalized first; the places are those of Vaswani et al. 2017 (arXiv
    1706.03762, section 3.5), which any number of frames has.
    """

    def __init__(self, channels: int, out_channels: int = 128) -> None:
        super().__init__()
        self.in_channels = channels
        self.out_channels = out_channels
        self.reduction = nn.Linear(channels, out_channels)
        layer = nn.TransformerEncoderLayer(
            out_channels, 4, 2 * out_channels, dropout=0.1, batch_first=True, norm_first=True
        )
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(out_channels)

    def prepared(self, x: Tensor) -> Tensor:
        """Return the frames (N, T, C), normalized."""
        return F.layer_norm(x, x.shape[-1:])

    def reduced(self, *prepared: Tensor) -> Tensor:
        """Reduce (N, T, C) to (N, out_channels); of several one after the other."""
        x = self.reduction(torch.cat(prepared))
        x = x + sinusoidal_places(x.shape[1], self.out_channels).to(x)
        return self.norm(self.encoder(x)).mean(1)


def sinusoidal_places(num_steps: int, channels: int) -> Tensor:
    """Return codes of places (num_steps, channels): sines, then cosines of falling frequency.

    >>> sinusoidal_places(2, 2)
    tensor([[0.0000, 1.0000],
            [0.8415, 0.5403]])
    """
    half = channels // 2
    frequencies = 10_000 ** (-torch.arange(half) / half)
    angles = torch.arange(num_steps)[:, None] * frequencies
    return torch.cat([angles.sin(), angles.cos()], 1)


def build_temporal(name: Temporal, channels: int) -> TemporalModule:
    """Build the temporal module called `name` for frames of `channels` channels.

    Raises:
        InputError: there is no such module.
    """
    if name not in TEMPORAL:
        raise InputError(f"temporal must be one of {sorted(TEMPORAL)}, got {name!r}")
    return TEMPORAL[name](channels)


TEMPORAL: dict[
    Temporal, type[TemporalMean | TemporalDifference | TemporalConvolution | TemporalTransformer]
] = {
    "mean": TemporalMean,
    "difference": TemporalDifference,
    "convolution": TemporalConvolution,
    "transformer": TemporalTransformer,
}
