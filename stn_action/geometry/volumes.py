"""Slices of volumetric windows at one time.

A volumetric theta sends the output's cube [-1, 1]^3 to a parallelepiped of (x, y, t). The plane of
a time intersects it in a convex polygon of three to six corners.

Letters: T times, P points of a polygon.
"""

import math
from itertools import product

import torch
from torch import Tensor

from stn_action.geometry.theta import VOLUMETRIC, kind_of, transform_points, window_centers

SLICE_POINTS = 12
"""P: one for each edge of the cube; edges that the plane does not cross repeat a point."""

_CORNERS = [corner[::-1] for corner in product((-1.0, 1.0), repeat=3)]
_EDGES = [
    (one, other)
    for one in range(8)
    for other in range(one + 1, 8)
    if sum(a != b for a, b in zip(_CORNERS[one], _CORNERS[other], strict=True)) == 1
]
_TOP_LEFT = _EDGES.index((0, 4))  # the edge along the output's time over its top left corner


def slice_volumes(theta: Tensor, times: Tensor) -> Tensor:
    """Return the slice of volumetric windows at each time.

    Args:
        theta: (..., 3, 4).
        times: (T,), normalized on the map.

    Returns:
        (..., T, P, 2), normalized on the map: convex polygons, from the window's top left
        corner over its top right one. A window that does not reach a time gives P times its
        own center, a polygon without area. NaN where theta is not finite.

    Raises:
        ValueError: theta or the times have another shape.
    """
    if kind_of(theta) != VOLUMETRIC or times.dim() != 1:
        raise ValueError(
            "theta must be (..., 3, 4) and times (T,), got "
            f"{tuple(theta.shape)} and {tuple(times.shape)}"
        )
    wide = theta.double()
    corners = transform_points(wide, wide.new_tensor(_CORNERS))  # (..., 8, 3)
    ends = corners[..., torch.tensor(_EDGES, device=theta.device), :]  # (..., 12, 2, 3)
    points, found = _crossings(ends.unsqueeze(-4), times.to(wide)[:, None])
    centers = window_centers(wide)[..., None, None, :]  # (..., 1, 1, 2)
    turn = torch.linalg.det(wide[..., :3]) * wide[..., 2, 2]  # < 0: the window is mirrored
    turn = torch.where(turn < 0, -1.0, 1.0).to(wide)[..., None, None]
    polygons = _in_order(points, found, turn)
    polygons = torch.where(found.any(-1)[..., None, None], polygons, centers)
    finite = theta.isfinite().all(-1).all(-1)[..., None, None, None]
    return polygons.where(finite, torch.nan).to(theta.dtype)


def _crossings(ends: Tensor, times: Tensor) -> tuple[Tensor, Tensor]:
    """Return where edges (..., 12, 2, 3) cross the planes of times (T, 1), and which do.

    Returns:
        (..., T, 12, 2) and bool (..., T, 12).
    """
    start, end = ends.unbind(-2)
    low, high = torch.minimum(start[..., 2], end[..., 2]), torch.maximum(start[..., 2], end[..., 2])
    found = (low <= times) & (times <= high)
    rise = end[..., 2] - start[..., 2]
    share = (times - start[..., 2]) / torch.where(rise == 0, 1, rise)  # along the plane: its start
    return start[..., :2] + share[..., None] * (end - start)[..., :2], found


def _in_order(points: Tensor, found: Tensor, turn: Tensor) -> Tensor:
    """Sort the found points (..., P, 2) by their angle about their mean; the last is repeated.

    They start on the edge over the top left corner if that is crossed; `turn` is the direction.
    """
    count = found.sum(-1, keepdim=True).clamp(min=1)
    kept = points.where(found[..., None], 0)
    mean = kept.sum(-2, keepdim=True) / count[..., None]
    x, y = (kept - mean).unbind(-1)
    angles = torch.atan2(y, x)
    start = angles[..., _TOP_LEFT, None].where(found[..., _TOP_LEFT, None], -math.pi)
    angles = (turn * (angles - start)).remainder(2 * math.pi).where(found, torch.inf)
    order = angles.argsort(dim=-1)
    places = torch.arange(points.shape[-2], device=points.device)
    order = order.gather(-1, torch.minimum(places.expand_as(order), count - 1))
    return kept.gather(-2, order[..., None].expand_as(kept))
