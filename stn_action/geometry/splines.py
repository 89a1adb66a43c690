"""Thin-plate splines over a fixed grid of control points.

Bookstein 1989; Jaderberg et al. 2015, section 3.2.

Convention:
    - the control points stand on a regular 4 x 4 grid over the output, corners included, row by row
    - theta (..., 16, 2) gives the place of each of them in the input, normalized x and y
    - between them the map is the smoothest one: f(p) = a + A p + sum_i w_i U(|p - c_i|), U(r) =
      r^2 log r^2, with the side conditions sum w_i = sum w_i c_i = 0

f is linear in theta, so f(p) = basis(p) @ theta with a basis that depends on the points alone.

Letters: M points.
"""

import numpy as np
import torch
from torch import Tensor

GRID_SIZE = 4
NUM_CONTROL_POINTS = GRID_SIZE**2


def control_points(like: Tensor) -> Tensor:
    """Return the control points on the output, (16, 2), of the dtype and device of `like`."""
    return like.new_tensor(_POINTS)


def spline_basis(points: Tensor) -> Tensor:
    """Compute the weight of each control point at each point.

    Args:
        points: (..., M, 2), normalized, on the output.

    Returns:
        (..., M, 16); rows sum to 1. Of the dtype of `points`, but computed in float64: the terms
        are larger than their sum.
    """
    dtype, points = points.dtype, points.double()
    squared = _offsets(points).square().sum(-1)  # (..., M, 16)
    ones = torch.ones_like(points[..., :1])
    terms = torch.cat([_xlogx(squared), ones, points], dim=-1)  # (..., M, 19)
    return (terms @ points.new_tensor(_SOLUTION)).to(dtype)


def spline_basis_slopes(points: Tensor) -> Tensor:
    """Compute the derivatives (..., M, 16, 2) of `spline_basis` by x and y."""
    dtype, points = points.dtype, points.double()
    offsets = _offsets(points)
    squared = offsets.square().sum(-1, keepdim=True)
    at_center = squared == 0
    slopes = 2 * offsets * (torch.where(at_center, 1, squared).log() + 1)  # (..., M, 16, 2)
    linear = points.new_tensor([[0, 0], [1, 0], [0, 1]]).expand(*points.shape[:-1], 3, 2)
    terms = torch.cat([slopes, linear], dim=-2)  # (..., M, 19, 2)
    return (points.new_tensor(_SOLUTION).T @ terms).to(dtype)


def _offsets(points: Tensor) -> Tensor:
    return points.unsqueeze(-2) - control_points(points)  # (..., M, 16, 2)


def _xlogx(x: Tensor) -> Tensor:
    """Compute x log x, 0 at 0, with a finite gradient there."""
    return x * torch.where(x == 0, 1, x).log()


def _solution(points: np.ndarray) -> np.ndarray:
    """Return the matrix (19, 16) from control points to weights and affine part."""
    squared = np.square(points[:, None] - points[None]).sum(-1)
    kernel = squared * np.log(np.where(squared == 0, 1, squared))
    sides = np.concatenate([np.ones((len(points), 1)), points], axis=1)  # (16, 3)
    system = np.block([[kernel, sides], [sides.T, np.zeros((3, 3))]])
    return np.linalg.inv(system)[:, : len(points)]


_LINE = np.linspace(-1, 1, GRID_SIZE)
_GRID = np.stack(np.meshgrid(_LINE, _LINE), axis=-1).reshape(-1, 2)
_POINTS, _SOLUTION = _GRID.tolist(), _solution(_GRID).tolist()
