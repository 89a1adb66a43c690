"""Sampling a map where theta points: the grid generator and the samplers.

Convention:
    - theta (N, K, 2, 3) maps output coordinates to input coordinates, both normalized;
      `align_corners=False`, chosen here for the whole package
    - outside the map everything is zero

Letters: N maps, K windows on each, (H, W) the map, (h, w) a glimpse.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from stn_action.geometry.transforms import at_least_float32


def sample(
    features: Tensor, theta: Tensor, size: tuple[int, int], *, axis_aligned: bool = False
) -> Tensor:
    """Cut K glimpses out of every map.

    Axis-aligned windows take the separable area sampler: bilinear where a window is enlarged,
    exact averaging where it is shrunk, made of matrix products, so deterministic on every
    device. All others take bilinear `grid_sample`, on a float32 grid.

    Args:
        features: (N, C, H, W).
        theta: (N, K, 2, 3).
        size: (h, w) of a glimpse.
        axis_aligned: the caller knows that theta has no rotation or shear.

    Returns:
        (N, K, C, h, w), of the dtype of `features`, or of autocast's where that is on.

    Raises:
        ValueError: the shapes do not agree.
    """
    _check(features, theta)
    if axis_aligned:
        rows, columns = window_kernels(theta, features.shape[-2:], size)
        return _apply_kernels(features, rows.to(features), columns.to(features))
    return _grid_sample(features, at_least_float32(theta), size)


def pooled(
    features: Tensor, theta: Tensor, size: tuple[int, int], *, axis_aligned: bool = False
) -> Tensor:
    """The spatial mean of every glimpse, without making an axis-aligned one.

    mean(Ry U Rx^T) = ry^T U rx, with ry and rx the column means of the kernels: K glimpses are one
    batched product.

    Args:
        features: (N, C, H, W).
        theta: (N, K, 2, 3).
        size: (h, w) of the glimpses that are averaged.
        axis_aligned: the caller knows that theta has no rotation or shear.

    Returns:
        (N, K, C), of the dtype of `features`, or of autocast's where that is on.

    Raises:
        ValueError: the shapes do not agree.
    """
    _check(features, theta)
    if not axis_aligned:
        return sample(features, theta, size).mean((-2, -1))
    rows, columns = window_kernels(theta, features.shape[-2:], size)
    weights = rows.mean(-2)[..., :, None] * columns.mean(-2)[..., None, :]  # (N, K, H, W)
    return weights.flatten(2).to(features) @ features.flatten(2).transpose(1, 2)


def window_kernels(
    theta: Tensor, map_hw: tuple[int, ...], size: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """The separable sampler's matrices Ry (N, K, h, H) and Rx (N, K, w, W) of axis-aligned theta.

    A glimpse is Ry U Rx^T. The products theta[0, 1] and theta[1, 0] are not looked at.
    """
    theta = at_least_float32(theta)
    rows = area_kernel(theta[..., 1, 1], theta[..., 1, 2], map_hw[0], size[0])
    columns = area_kernel(theta[..., 0, 0], theta[..., 0, 2], map_hw[1], size[1])
    return rows, columns


def area_kernel(scale: Tensor, shift: Tensor, in_size: int, out_size: int) -> Tensor:
    """Weights of `out_size` samples of a window on a line of `in_size` pixels.

    With f = max(1, |scale| * in_size / out_size), the pixels under one sample, and d the distance
    of pixel and sample centres: clamp(min((1 + f) / 2 - d, 1), 0) / f. At f = 1 that is the tent of
    bilinear sampling, max(0, 1 - d); beyond, every pixel counts by the share of it that the
    sample covers, so nothing aliases and every pixel in the window has a gradient. Exactly on a
    pixel's centre, where the tent has a kink, the gradient is the mean of the slopes of both sides.

    Args:
        scale: (...), size of the window as a share of the line's; negative flips it.
        shift: (...), centre of the window, normalized.
        in_size: pixels of the line.
        out_size: samples of the window.

    Returns:
        (..., out_size, in_size).
    """
    outputs = (torch.arange(out_size, device=scale.device, dtype=scale.dtype) * 2 + 1) / out_size
    positions = scale[..., None] * (outputs - 1) + shift[..., None]
    positions = ((positions + 1) * in_size - 1) / 2  # pixel units, centres at whole numbers
    pixels = torch.arange(in_size, device=scale.device, dtype=scale.dtype)
    distance = (positions[..., None] - pixels).abs()
    # at ties `minimum` and `maximum` share the gradient; what clamp does varies with its version
    zero, one = scale.new_zeros(()), scale.new_ones(())
    covered = torch.maximum(scale.abs() * (in_size / out_size), one)[..., None, None]
    overlap = torch.minimum((1 + covered) / 2 - distance, one)
    return torch.maximum(overlap, zero) / covered


def resize_area(features: Tensor, size: tuple[int, int]) -> Tensor:
    """Resample whole maps (N, C, H, W) to (N, C, h, w) by the area kernel."""
    one = at_least_float32(features.new_ones(()))
    rows = area_kernel(one, one * 0, features.shape[-2], size[0]).to(features)
    columns = area_kernel(one, one * 0, features.shape[-1], size[1]).to(features)
    return rows @ (features @ columns.T)


def _apply_kernels(features: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    N, C, H, W = features.shape
    K, h, w = rows.shape[1], rows.shape[2], columns.shape[2]
    # one product for all K: (N, C*H, W) @ (N, W, K*w)
    wide = features.reshape(N, C * H, W) @ columns.reshape(N, K * w, W).transpose(1, 2)
    wide = wide.view(N, C, H, K, w).permute(0, 3, 2, 1, 4).reshape(N * K, H, C * w)
    glimpses = rows.reshape(N * K, h, H) @ wide  # (N*K, h, C*w)
    return glimpses.view(N, K, h, C, w).permute(0, 1, 3, 2, 4)


def _grid_sample(features: Tensor, theta: Tensor, size: tuple[int, int]) -> Tensor:
    N, C = features.shape[:2]
    K = theta.shape[1]
    with torch.autocast(features.device.type, enabled=False):  # it would narrow the grid
        grid = F.affine_grid(theta.flatten(0, 1), [N * K, C, *size], align_corners=False)
        # the K grids of a map are stacked along the height, so that the map is not repeated
        grid = grid.view(N, K * size[0], size[1], 2)
        wide = features if features.dtype == grid.dtype else features.to(grid.dtype)
        glimpses = F.grid_sample(wide, grid, align_corners=False)
    return glimpses.view(N, C, K, *size).transpose(1, 2).to(features.dtype)


def _check(features: Tensor, theta: Tensor) -> None:
    if features.dim() != 4:
        raise ValueError(f"features must be (N, C, H, W), got {tuple(features.shape)}")
    if theta.dim() != 4 or theta.shape[0] != len(features) or theta.shape[2:] != (2, 3):
        raise ValueError(
            f"theta must be ({len(features)}, K, 2, 3) for these features, got {tuple(theta.shape)}"
        )
