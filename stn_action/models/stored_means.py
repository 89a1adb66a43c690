"""Weighted means of the cells of stored maps, without a copy of the maps of a batch.

Letters: N maps, K weighted means of each, S maps of weights (1, or one of every time step), (H, W)
a map, T its time steps, C channels.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor


class MapSource(Protocol):
    """The interface of stored maps, such as `data.stored_maps.StoredMaps`."""

    def maps(self, numbers: Tensor) -> Tensor:
        """Return the maps (N, C, T, H, W) float32 of views (N,)."""
        ...

    def cells(self, number: int) -> Tensor:
        """Return the map of a view as cells, (H * W, T, C) float32."""
        ...


def stored_means(source: MapSource, numbers: Tensor, weights: Tensor) -> Tensor:
    """Return the weighted means (N, K, T, C) of stored maps; weights get a gradient.

    Args:
        source: of the maps.
        numbers: (N,) int64, of views.
        weights: (N, K, S, H, W), S = 1 or T.
    """
    means: Any = _StoredMeans.apply(weights.flatten(3), source, numbers.tolist())
    return means


class _StoredMeans(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weights: Tensor, source: MapSource, numbers: Sequence[int]) -> Tensor:
        ctx.source, ctx.numbers, ctx.shape = source, numbers, weights.shape
        N, K, S, _ = weights.shape
        _, T, C = source.cells(numbers[0]).shape
        means = weights.new_empty(N, K, T, C)
        for place in _by_view(numbers):
            own, of_clip, cells = weights[place], means[place], source.cells(numbers[place])
            if S == 1:
                torch.mm(own[:, 0], cells.flatten(1), out=of_clip.flatten(1))
            else:
                of_clip.copy_((own.transpose(0, 1) @ cells.transpose(0, 1)).transpose(0, 1))
        return means

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        found = gradients[0].new_empty(ctx.shape)  # (N, K, S, H * W)
        for place in _by_view(ctx.numbers):
            of_clip, own = gradients[0][place], found[place]
            cells = ctx.source.cells(ctx.numbers[place])
            if ctx.shape[2] == 1:
                torch.mm(of_clip.flatten(1), cells.flatten(1).T, out=own[:, 0])
            else:
                own.copy_((of_clip.transpose(0, 1) @ cells.permute(1, 2, 0)).transpose(0, 1))
        return found, None, None


def _by_view(numbers: Sequence[int]) -> list[int]:
    """Return the places of a batch so that those of one view follow each other, in the cache."""
    return sorted(range(len(numbers)), key=numbers.__getitem__)
