"""The grid generator and the grid sampler; `grid_sample` is called here alone.

Convention:
    - theta (N, K, *kind) maps output to input, normalized; `align_corners=False`, chosen here for
      the entire package
    - theta with an entry that is not finite, or as large as `FAR`, samples outside the map; so do
      points that a homography sends behind its horizon, or as far

Letters: N maps, K windows on each, (h, w) a glimpse, (t, h, w) of a volume.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from stn_action.geometry.splines import NUM_CONTROL_POINTS, spline_basis
from stn_action.geometry.theta import (
    AFFINE,
    PROJECTIVE,
    SPLINE,
    VOLUMETRIC,
    is_readable,
    kind_of,
    without_autocast,
)

FAR = 1e4
"""Entries of theta and normalized coordinates from here on count as nowhere, without gradient."""

NOWHERE = 3.0
"""The coordinate of nowhere: beyond the map's bottom right."""

_NOWHERE_THETA = {
    AFFINE: [[0, 0, NOWHERE]] * 2,
    VOLUMETRIC: [[0, 0, 0, NOWHERE]] * 3,
    PROJECTIVE: [[0, 0, NOWHERE], [0, 0, NOWHERE], [0, 0, 1]],
    SPLINE: [[NOWHERE, NOWHERE]] * NUM_CONTROL_POINTS,
}


def generate_grid(theta: Tensor, size: Sequence[int]) -> Tensor:
    """Compute the sampling grid of the glimpses (Jaderberg et al. 2015, eq. 1).

    Args:
        theta: (N, K, *kind), float32 or wider.
        size: (h, w), or (t, h, w) for volumetric theta.

    Returns:
        (N, K, h, w, 2), or (N, K, t, h, w, 3); normalized, (x, y) or (x, y, t), finite.
    """
    N, K = theta.shape[:2]
    kind = kind_of(theta)
    theta = _with_nowhere(theta, kind)
    if kind == SPLINE:
        basis = spline_basis(pixel_centers(size, theta).flatten(0, 1))  # (h * w, 16)
        # one product: as one for each window it would be as many small ones
        mapped = basis @ theta.movedim(-2, 0).flatten(1)  # (h * w, N * K * 2)
        return mapped.view(*size, N, K, 2).movedim((2, 3), (0, 1))
    mapped = _linear_grid(theta, size)
    if kind in (AFFINE, VOLUMETRIC):
        return mapped
    assert kind == PROJECTIVE
    # points on the horizon or behind it have no image
    depth = mapped[..., 2:]
    visible = depth > torch.finfo(depth.dtype).eps
    mapped = mapped[..., :2] / torch.where(visible, depth, 1)  # never by 0: that has no gradient
    visible = visible & (mapped.abs() < FAR)
    return torch.where(visible, mapped, NOWHERE)


def _linear_grid(theta: Tensor, size: Sequence[int]) -> Tensor:
    """Apply the rows of theta (N, K, R, D + 1) to the pixel centers: (N, K, *size, R).

    A sum over axes of what each line of pixels adds: one operation on the entire grid for all but
    the last, where a product of matrices for each window would be slow.
    """
    D = len(size)
    grid = theta[..., D].view(*theta.shape[:2], *[1] * D, theta.shape[2])
    for axis, n in enumerate(size):  # of the slowest coordinate, which is the last of theta, first
        line = _line(n, theta).view(n, *[1] * (D - axis))
        row = theta[..., D - 1 - axis].view(*theta.shape[:2], *[1] * D, theta.shape[2])
        grid = grid + line * row
    return grid


def _line(n: int, like: Tensor) -> Tensor:
    return (torch.arange(n, dtype=like.dtype, device=like.device) * 2 + 1) / n - 1


def _with_nowhere(theta: Tensor, kind: tuple[int, int]) -> Tensor:
    """Replace theta that is not finite, or too large, by one outside the map."""
    if is_readable(theta) and theta.numel() and float(theta.detach().abs().amax()) < FAR:
        return theta
    near = (theta.abs() < FAR).flatten(-2).all(-1)[..., None, None]
    return torch.where(near, theta, theta.new_tensor(_NOWHERE_THETA[kind]))


def pixel_centers(size: Sequence[int], like: Tensor) -> Tensor:
    """Return the centers of an output's pixels: (h, w, 2), normalized x and y."""
    y, x = torch.meshgrid(*[_line(n, like) for n in size], indexing="ij")
    return torch.stack([x, y], dim=-1)


def sample_grid(
    features: Tensor, theta: Tensor, size: Sequence[int], *, mode: str, padding: str
) -> Tensor:
    """Sample K glimpses of every map by `grid_sample`, on a float32 grid.

    Args:
        features: (N, C, H, W), or (N, C, T, H, W) for volumetric theta.
        theta: (N, K, *kind), float32 or wider.
        size: (h, w), or (t, h, w).
        mode: "bilinear" (trilinear in volumes) or "nearest".
        padding: "zeros" or "border".

    Returns:
        (N, K, C, *size), of the dtype of `features`.
    """
    K = theta.shape[1]
    with without_autocast(features):  # it would narrow the grid
        grid = generate_grid(theta, size)
        if mode == "nearest":
            grid = _on_pixels(grid, features.shape[2:])
        # the K grids of a map are stacked along its first axis, so that the map is not repeated
        grid = grid.flatten(1, 2)
        wide = features if features.dtype == grid.dtype else features.to(grid.dtype)
        glimpses = F.grid_sample(wide, grid, mode=mode, padding_mode=padding, align_corners=False)
    return glimpses.unflatten(2, (K, size[0])).transpose(1, 2).to(features.dtype)


def _on_pixels(grid: Tensor, map_size: Sequence[int]) -> Tensor:
    """Move a grid to the pixel centers floor(x + 1/2) (Jaderberg et al. 2015, eq. 4).

    `grid_sample` itself rounds halves to the even pixel.
    """
    sizes = grid.new_tensor(list(map_size)[::-1])
    pixels = (((grid + 1) * sizes - 1) / 2 + 0.5).floor()
    return (2 * pixels + 1) / sizes - 1
