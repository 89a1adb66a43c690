"""The smallest box of cells that holds a share of a map's mass.

Letters: N maps, P pairs of a first and a last row, (H, W) the map.
"""

import torch
from torch import Tensor

_ENTRIES_AT_ONCE = 8_000_000
"""Sums of columns in memory at a time, 64 MB."""
_ROUNDING = 1e-9
"""Share of the mass that a box may lack."""


def smallest_boxes(mass: Tensor, share: float) -> Tensor:
    """Return the box of fewest cells that holds a share of the mass; of several, the heaviest.

    For every pair of rows and every first column, the last column is found by bisection in the
    cumulated sums: H^2 W log(W) steps for the H^2 W^2 boxes of a map.

    Args:
        mass: (N, H, W), at least 0; a map of zeros counts as uniform.
        share: above 0, at most 1.

    Returns:
        (N, 4) float64, xyxy, normalized on the map, along its cells' edges.

    Raises:
        ValueError: the shape or the share is wrong.
    """
    if mass.dim() != 3:
        raise ValueError(f"mass must be (N, H, W), got {tuple(mass.shape)}")
    if not 0 < share <= 1:
        raise ValueError(f"share must be above 0 and at most 1, got {share}")
    H, W = mass.shape[1:]
    tops, bottoms = torch.triu_indices(H, H, device=mass.device)
    bottoms = bottoms + 1
    at_once = max(1, _ENTRIES_AT_ONCE // (len(tops) * (W + 1)))
    parts = [_smallest(part, share, tops, bottoms) for part in mass.double().split(at_once)]
    edges = torch.cat(parts)  # (N, 4) cells
    return 2 * edges / edges.new_tensor([W, H, W, H]) - 1


def _smallest(mass: Tensor, share: float, tops: Tensor, bottoms: Tensor) -> Tensor:
    """Return edges (N, 4) in cells, xyxy, of boxes with rows from one of `tops` (P,) on."""
    H, W = mass.shape[1:]
    total = mass.sum((1, 2), keepdim=True)
    mass = torch.where(total > 0, mass / total, 1 / (H * W))
    below = _cumulated(mass.transpose(1, 2)).transpose(1, 2)  # (N, H + 1, W)
    strips = (below[:, bottoms] - below[:, tops]).clamp_min(0)
    sums = _cumulated(strips)  # (N, P, W + 1)
    left = torch.arange(W, device=mass.device)
    wanted = sums[..., :-1] + share * (1 - _ROUNDING)
    right = torch.searchsorted(sums, wanted).maximum(left + 1)  # (N, P, W)
    held = sums.gather(-1, right.clamp_max(W)) - sums[..., :-1]
    cells = (bottoms - tops)[:, None] * (right - left)
    cost = (cells - held / 2).masked_fill(right > W, torch.inf)
    best = cost.flatten(1).argmin(1)  # (N,)
    pair, column = best // W, best % W
    chosen = right.flatten(1).gather(1, best[:, None])[:, 0]
    return torch.stack([column, tops[pair], chosen, bottoms[pair]], dim=-1).double()


def _cumulated(x: Tensor) -> Tensor:
    """Return the sums (..., W + 1) of the first 0, 1, ... W entries of (..., W)."""
    # a product with zeros and ones: on CUDA `cumsum` is not deterministic
    return x @ x.new_ones(x.shape[-1], x.shape[-1] + 1).triu(1)
