"""Sums over the clips of batches, of which the monitor of the heads makes its statistics.

K heads (or other descriptions), D axes of a window's center: 2, of a volumetric theta 3.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from stn_action.geometry.attention_mass import effective_area
from stn_action.geometry.boxes import box_areas, shared_areas
from stn_action.geometry.theta import (
    VOLUMETRIC,
    enclosing_boxes,
    kind_of,
    window_centers,
    window_scales,
)
from stn_action.models.prediction import Focus


def focus_sums(batches: Sequence[Focus]) -> Tensor:
    """Return sums over the clips of each of N batches: (N, K, 5 + 2 D), float64, detached.

    Count, squared displacement, share in bounds, scale, overlap; centers, squared centers. Windows
    of several batches cost hardly more than those of one: most of it is starting the operations.

    Args:
        batches: placements of one stage, one for each batch.
    """
    counts = torch.tensor([len(focus.places) for focus in batches])
    places = torch.cat([focus.places.detach() for focus in batches])
    if any(focus.theta is None for focus in batches):
        values = _of_weights(places)
    else:
        values = _of_windows(places, _bases(batches))  # (K, B, 5 + 2 D)
    sums = values.new_zeros(len(counts), *values[:, 0].shape)
    batch_of = torch.arange(len(counts)).repeat_interleave(counts).to(values.device)
    return sums.index_add_(0, batch_of, values.transpose(0, 1))


def _of_weights(weights: Tensor) -> Tensor:
    """Return the values of weights (B, K, S, H, W): (K, B, 5 + 2 D); see `HeadStatistics`.

    Each is the sum over the steps S of a clip.
    """
    num_steps = weights.shape[2]
    weights = weights.double().transpose(0, 1).flatten(1, 2)  # (K, B * S, H, W)
    H, W = weights.shape[2:]
    x, y = ((torch.arange(n, device=weights.device) * 2 + 1) / n - 1 for n in (W, H))
    centers = torch.stack([weights.sum(2) @ x.double(), weights.sum(3) @ y.double()], dim=-1)
    from_equal = (weights - 1 / (H * W)).abs().sum((2, 3)) / 2
    common = torch.stack([one.minimum(weights).sum((2, 3)) for one in weights])  # (K, K, B * S)
    ones, scale = torch.ones_like(from_equal), effective_area(weights).sqrt()
    values = torch.stack([ones, from_equal.square(), ones, scale, _of_others(common)], dim=-1)
    values = torch.cat([values, centers, centers.square()], dim=-1)
    return values.unflatten(1, (-1, num_steps)).sum(2)


def _bases(batches: Sequence[Focus]) -> Tensor | None:
    """Return the base of each clip of all batches, (B, K, *kind); None: there are none."""
    bases = []
    for focus in batches:
        if focus.base is None or focus.theta is None:
            return None
        theta = focus.theta
        bases.append(focus.base.detach().expand(*theta.shape[:2], *theta.shape[3:]))
    return torch.cat(bases)


def _of_windows(theta: Tensor, base: Tensor | None) -> Tensor:
    """Return the values of theta (B, K, S, *kind), base (B, K, *kind): (K, B, 5 + 2 D).

    Each is the sum over the steps S of a clip.
    """
    start = theta if base is None else base.unsqueeze(2)
    moved = (theta.double() - start.double()).square().mean((3, 4)).transpose(0, 1)  # (K, B, S)
    centers = _centers(theta.double())  # (B, K, S, D)
    if base is not None:  # where each clip has its own, only what is learned tells clips apart
        centers = centers - _centers(start.double())
    centers = centers.transpose(0, 1)  # (K, B, S, D)
    theta = theta.double().transpose(0, 1)  # (K, B, S, *kind)
    boxes = enclosing_boxes(theta)
    in_bounds = _share_inside(boxes) * _share_of_time_inside(theta)
    overlap = _overlap(boxes.flatten(1, 2)).view_as(moved)
    values = [torch.ones_like(moved), moved, in_bounds, window_scales(theta), overlap]
    return torch.cat([torch.stack(values, dim=-1), centers, centers.square()], dim=-1).sum(2)


def _centers(theta: Tensor) -> Tensor:
    return theta[..., 3] if kind_of(theta) == VOLUMETRIC else window_centers(theta)


def _share_of_time_inside(theta: Tensor) -> Tensor:
    """Return the share (...) of a window's time inside the clip; 1 except for volumes."""
    if kind_of(theta) != VOLUMETRIC:
        return theta.new_ones(theta.shape[:-2])
    center, reach = theta[..., 2, 3], theta[..., 2, :3].abs().sum(-1)
    inside = (center + reach).clamp(-1, 1) - (center - reach).clamp(-1, 1)
    return inside / (2 * reach).clamp_min(torch.finfo(theta.dtype).tiny)


def _share_inside(boxes: Tensor) -> Tensor:
    inside = box_areas(boxes.clamp(-1, 1))
    return inside / box_areas(boxes).clamp_min(torch.finfo(boxes.dtype).tiny)


def _overlap(boxes: Tensor) -> Tensor:
    """Return for each head the mean IoU with the others (K, N), of boxes (K, N, 4)."""
    areas = box_areas(boxes)
    shared = shared_areas(boxes[:, None], boxes[None])
    union = areas[:, None] + areas[None] - shared
    iou = shared / union.clamp_min(torch.finfo(boxes.dtype).tiny)
    return _of_others(iou)


def _of_others(pairs: Tensor) -> Tensor:
    """Return for each head the mean over the others (K, N), of values of pairs (K, K, N)."""
    K = len(pairs)
    pairs = pairs * (1 - torch.eye(K, dtype=pairs.dtype, device=pairs.device))[..., None]
    return pairs.sum(1) / max(K - 1, 1)
