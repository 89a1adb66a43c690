"""Polygons: points inside them, and the share of the clip that they cover.

Convention:
    - a polygon is (P, 2), its corners (x, y) in order, in either direction; repeated points
      change nothing, so that polygons of fewer corners can be padded
    - it need not be convex; where it crosses itself, inside is what a ray leaves an odd number of
      times, and areas are those of simple polygons only (loops that turn back subtract)

Letters: K polygons that belong together; `...` are any leading sizes.
"""

import torch
from torch import Tensor


def contains_points(polygons: Tensor, points: Tensor) -> Tensor:
    """Return whether points are inside polygons, edges included, for either order of corners.

    Args:
        polygons: (..., P, 2).
        points: (..., 2), broadcast against the polygons.

    Returns:
        (...) bool; a polygon without area contains nothing.
    """
    following = polygons.roll(-1, dims=-2)
    points = points[..., None, :]
    sides = _cross(following - polygons, points - polygons)  # (..., P), 0 on an edge's line
    low, high = torch.minimum(polygons, following), torch.maximum(polygons, following)
    on_edge = (sides == 0) & ((low <= points) & (points <= high)).all(-1)
    rises = following[..., 1] > polygons[..., 1]
    crosses = (polygons[..., 1] > points[..., 1]) != (following[..., 1] > points[..., 1])
    left_of_edge = crosses & ((sides > 0) == rises)
    inside = (left_of_edge.sum(-1) % 2 == 1) | on_edge.any(-1)
    return inside & (polygon_area(polygons) > 0)


def window_area(polygons: Tensor) -> Tensor:
    """Return the share of the clip that each window covers; parts outside do not count.

    Args:
        polygons: (..., P, 2), normalized on the clip.

    Returns:
        (...) in [0, 1].
    """
    return polygon_area(_clamped(_clamped(polygons, 0), 1)) / 4


def union_area(polygons: Tensor, num_lines: int = 128) -> Tensor:
    """Return the share of the clip that windows cover together, overlap counted once.

    Measured along horizontal lines: exact in x, to one line's height in y.

    Args:
        polygons: (..., K, P, 2), normalized on the clip.
        num_lines: how many lines, at equal distances.

    Returns:
        (...) in [0, 1].
    """
    lines = (torch.arange(num_lines, dtype=torch.float64) + 0.5) * 2 / num_lines - 1
    covered = polygons.new_zeros(polygons.shape[:-3])
    for y in lines.tolist():  # one after the other, to save memory
        covered = covered + _covered_length(polygons, y)
    return covered / (2 * num_lines)


def polygon_area(points: Tensor) -> Tensor:
    """Return the areas (...) of simple polygons (..., P, 2), for either order of corners."""
    points = points - points[..., :1, :]
    return _cross(points, points.roll(-1, dims=-2)).sum(-1).abs() / 2


def _covered_length(polygons: Tensor, y: float) -> Tensor:
    """Return the length (...) of a horizontal line inside any of polygons (..., K, P, 2)."""
    following = polygons.roll(-1, dims=-2)
    crosses = (polygons[..., 1] <= y) != (following[..., 1] <= y)  # (..., K, P)
    most = int(crosses.sum(-1).max()) if crosses.numel() else 0  # even: what enters leaves
    if most == 0:
        return polygons.new_zeros(polygons.shape[:-3])
    edges = following - polygons
    x = polygons[..., 0] + (y - polygons[..., 1]) / edges[..., 1] * edges[..., 0]
    x = x.where(crosses, x.new_tensor(torch.inf)).sort(dim=-1).values[..., :most].clamp(-1, 1)
    left, right = x[..., 0::2].flatten(-2), x[..., 1::2].flatten(-2)  # (..., K * most / 2)
    left, order = left.sort(dim=-1)
    right = right.gather(-1, order).cummax(dim=-1).values
    reached = torch.cat([torch.full_like(right[..., :1], -1), right[..., :-1]], dim=-1)
    return (right - torch.maximum(left, reached)).clamp(min=0).sum(-1)


def _clamped(points: Tensor, axis: int) -> Tensor:
    """Clamp one coordinate of polygons (..., P, 2) to [-1, 1].

    Corners are added where an edge crosses a bound; the flat parts then have no area, so that
    the area is that of the polygon clipped at the bounds.
    """
    edges = points.roll(-1, dims=-2) - points
    length = edges[..., axis]
    length = torch.where(length == 0, torch.ones_like(length), length)
    lines = torch.stack([-1 - points[..., axis], 1 - points[..., axis]], dim=-1)
    shares = (lines / length[..., None]).clamp(0, 1).sort(dim=-1).values  # (..., P, 2)
    crossings = points[..., None, :] + shares[..., None] * edges[..., None, :]
    refined = torch.cat([points[..., None, :], crossings], dim=-2).flatten(-3, -2)
    pressed = refined.clone()
    pressed[..., axis] = refined[..., axis].clamp(-1, 1)
    return pressed


def _cross(a: Tensor, b: Tensor) -> Tensor:
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
