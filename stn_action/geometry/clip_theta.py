"""Theta on a stage's map as theta on the clip: what cuts the same window out of the pixels.

Letters: K heads, S steps of theta in a clip, T frames of the clip; `...` are any leading sizes.
"""

import torch
from torch import Tensor

from stn_action.geometry.cells import Cells
from stn_action.geometry.outlines import frame_steps, map_to_clip
from stn_action.geometry.theta import AFFINE, PROJECTIVE, SPLINE, VOLUMETRIC, compose, kind_of


def clip_theta(theta: Tensor, cells: Cells) -> Tensor:
    """Convert theta on a stage's map to theta on the frames of the clip. Differentiable.

    Strides and paddings shift the cells against the clip (see `map_to_clip`). A step of theta
    covers the frames nearest to it.

    Args:
        theta: (..., K, S, *kind), S = 1 or the map's time steps; not volumetric.
        cells: positions of the map's cells in the clip.

    Returns:
        (..., K, S', *kind), output to input, normalized on the clip; S' = 1 if S is, else T.

    Raises:
        ValueError: theta has another shape, or is volumetric.
    """
    kind = kind_of(theta)
    if kind == VOLUMETRIC:
        raise ValueError("a volumetric theta has no windows of frames: use another family")
    num_steps = theta.shape[-3] if theta.dim() >= 4 else 0
    if num_steps not in (1, cells.size_thw[0]):
        raise ValueError(
            f"theta must be (..., K, S, {kind[0]}, {kind[1]}) with S = 1 or {cells.size_thw[0]}, "
            f"got {tuple(theta.shape)}"
        )
    on_clip = (
        map_to_clip(theta, cells) if kind == SPLINE else compose(_to_clip(theta, cells), theta)
    )
    if num_steps == 1:
        return on_clip
    return on_clip.index_select(-3, frame_steps(cells, num_steps).to(theta.device))


def _to_clip(theta: Tensor, cells: Cells) -> Tensor:
    """Return the map from a stage's coordinates to the clip's, of theta's kind, (*kind)."""
    corners = theta.new_tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    origin, right, below = map_to_clip(corners, cells)
    affine = torch.stack([right - origin, below - origin, origin], dim=-1)  # (2, 3)
    if kind_of(theta) == AFFINE:
        return affine
    assert kind_of(theta) == PROJECTIVE
    return torch.cat([affine, affine.new_tensor([[0.0, 0.0, 1.0]])])
