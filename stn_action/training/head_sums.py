"""Sums over the clips of a batch, of which the monitor of the heads makes its statistics.

K heads (or other descriptions), D axes of a window's center: 2, of a volumetric theta 3.
"""

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


def focus_sums(focus: Focus) -> Tensor:
    """Return sums over the clips of a batch: (K, 5 + 2 D), float64, detached.

    Count, squared displacement, share in bounds, scale, overlap; centers, squared centers.

    Args:
        focus: of one placement.
    """
    if focus.theta is None:
        return _weight_sums(focus.places.detach())
    return _window_sums(focus.theta.detach(), focus.base)


def _weight_sums(weights: Tensor) -> Tensor:
    """Return the sums of weights (B, K, S, H, W); see `HeadStatistics`."""
    weights = weights.double().transpose(0, 1).flatten(1, 2)  # (K, B * S, H, W)
    H, W = weights.shape[2:]
    x, y = ((torch.arange(n, device=weights.device) * 2 + 1) / n - 1 for n in (W, H))
    centers = torch.stack([weights.sum(2) @ x.double(), weights.sum(3) @ y.double()], dim=-1)
    from_equal = (weights - 1 / (H * W)).abs().sum((2, 3)) / 2
    count = torch.full_like(from_equal[:, 0], weights.shape[1])
    common = torch.stack([one.minimum(weights).sum((2, 3)) for one in weights])  # (K, K, B * S)
    scale = effective_area(weights).sqrt()
    sums = [count, from_equal.square().sum(1), count, scale.sum(1), _of_others(common).sum(1)]
    return torch.cat([torch.stack(sums, 1), centers.sum(1), centers.square().sum(1)], 1)


def _window_sums(theta: Tensor, base: Tensor | None) -> Tensor:
    """Return the sums of theta (B, K, S, *kind), base (K, *kind) or (B, K, *kind)."""
    start = theta if base is None else base.detach().unsqueeze(-3)
    moved = (theta.double() - start.double()).square().mean((3, 4))  # (B, K, S)
    centers = _centers(theta.double())  # (B, K, S, D)
    if base is not None:  # where each clip has its own, only what is learned tells clips apart
        centers = centers - _centers(start.double())
    centers = centers.transpose(0, 1).flatten(1, 2)  # (K, B * S, D)
    theta = theta.double().transpose(0, 1).flatten(1, 2)  # (K, B * S, *kind)
    boxes = enclosing_boxes(theta)
    displacement = moved.sum((0, 2))
    count = torch.full_like(displacement, theta.shape[1])
    in_bounds = (_share_inside(boxes) * _share_of_time_inside(theta)).sum(1)
    scale = window_scales(theta).sum(1)
    sums = [count, displacement, in_bounds, scale, _overlap(boxes).sum(1)]
    return torch.cat([torch.stack(sums, 1), centers.sum(1), centers.square().sum(1)], 1)


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
