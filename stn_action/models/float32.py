"""Modules that stay in float32 in a network of half precision."""

from collections.abc import Callable, Sequence
from typing import Self

import torch
from torch import Tensor, nn


class KeptInFloat32(nn.Module):
    """A module whose parameters and buffers `.half()` and `.bfloat16()` leave in float32.

    Coordinates in half precision cost entire pixels (see `geometry.theta.at_least_float32`), and a
    localization network's small steps are lost in its rounding. `.double()` and moves to another
    device act as usual; a memory format, which suits maps of one rank alone, is left to the trunk.
    """

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        def wide(tensor: Tensor) -> Tensor:
            result = fn(tensor.flatten())
            if result.is_floating_point() and result.dtype.itemsize < torch.float32.itemsize:
                return tensor.to(result.device, torch.float32)
            return result.view_as(tensor)

        return super()._apply(wide, recurse)


class PixelNormalization(KeptInFloat32):
    """Pixels (B, 3, T, H, W) minus the mean, divided by the standard deviation of their channel."""

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Tensor, std: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean.view(1, -1, 1, 1, 1), persistent=False)
        self.register_buffer("std", std.view(1, -1, 1, 1, 1), persistent=False)

    def forward(self, clip: Tensor) -> Tensor:
        """Normalize clips of any dtype, in float32."""
        return (clip.to(self.mean.dtype) - self.mean) / self.std


def pixel_normalization(mean: Sequence[float] | None, std: Sequence[float] | None) -> nn.Module:
    """Return the normalization of clips by each channel's mean and deviation; None: the identity.

    Args:
        mean: of each channel, in pixel values.
        std: likewise.
    """
    if mean is None or std is None:
        return nn.Identity()
    return PixelNormalization(torch.tensor(mean), torch.tensor(std))
