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
        return torch.stack(
            [_means(own, source.cells(n)) for own, n in zip(weights, numbers, strict=True)]
        )

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (gradient,) = gradients
        pairs = zip(gradient, ctx.numbers, strict=True)
        per_clip = ctx.shape[2] == 1
        found = [_of_weights(own, ctx.source.cells(n), per_clip=per_clip) for own, n in pairs]
        return torch.stack(found), None, None


def _means(weights: Tensor, cells: Tensor) -> Tensor:
    """Return (K, T, C) of weights (K, S, H * W) and cells (H * W, T, C)."""
    if weights.shape[1] == 1:
        return (weights[:, 0] @ cells.flatten(1)).unflatten(1, cells.shape[1:])
    return (weights.transpose(0, 1) @ cells.transpose(0, 1)).transpose(0, 1)


def _of_weights(gradient: Tensor, cells: Tensor, *, per_clip: bool) -> Tensor:
    """Return the gradient (K, S, H * W) of weights for a gradient (K, T, C) of the means."""
    if per_clip:
        return (gradient.flatten(1) @ cells.flatten(1).T).unsqueeze(1)
    return (gradient.transpose(0, 1) @ cells.permute(1, 2, 0)).transpose(0, 1)
