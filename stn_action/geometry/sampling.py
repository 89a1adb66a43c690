"""Sampling of maps at theta: all samplers behind two functions.

Convention:
    - theta (..., *kind) maps output to input, normalized (see `theta`); `align_corners=False`
    - outside the map values are zero, or with padding="border" those of the nearest pixel
    - theta that is not finite samples outside the map (beyond its right or lower edge) and has no
      gradient; so do points that a homography sends behind its horizon

Samplers:
    - grid: bilinear `grid_sample` on a float32 grid, trilinear in volumes; every kind of theta. On
      a pixel's center its gradient is the slope to the right or below
    - separable: the same values as products of matrices; axis-aligned theta
    - area: the same where a window is enlarged, exact averaging where it is shrunk
    - nearest: the paper's integer kernel (eq. 4), for evaluation: theta gets no gradient
    - auto: area for axis-aligned theta, grid for all others; on a CPU, where nothing is shrunk, so
      that all give equal values, grid or separable, whichever is faster for layout and dtype

Letters: N maps, K windows on each, (H, W) the map, (h, w) a glimpse.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from stn_action.geometry.grids import sample_grid
from stn_action.geometry.kernels import apply_kernels, is_channels_last, window_kernels
from stn_action.geometry.theta import (
    AFFINE,
    VOLUMETRIC,
    at_least_float32,
    is_readable,
    kind_of,
)
from stn_action.geometry.transform_choices import PADDINGS, SAMPLERS, Padding, Sampler


def sample(
    features: Tensor,
    theta: Tensor,
    size: Sequence[int],
    *,
    axis_aligned: bool = False,
    sampler: Sampler = "auto",
    padding: Padding = "zeros",
) -> Tensor:
    """Sample K glimpses of every map.

    Args:
        features: (N, C, H, W), or (N, C, T, H, W) for volumetric theta.
        theta: (N, K, *kind).
        size: (h, w) of a glimpse, or (t, h, w).
        axis_aligned: the caller knows that theta has no rotation or shear.
        sampler: see the module.
        padding: see the module.

    Returns:
        (N, K, C, *size), of the dtype of `features`, or of autocast's where that is on.

    Raises:
        ValueError: the shapes do not agree, features are integers, or the sampler cannot do this
            theta.
    """
    size = _checked(features, theta, size)
    theta = at_least_float32(theta)
    chosen = _chosen(features, theta, size, axis_aligned, sampler, padding)
    if chosen in ("grid", "nearest"):
        mode = "bilinear" if chosen == "grid" else "nearest"
        return sample_grid(features, theta, size, mode=mode, padding=padding)
    map_hw = (features.shape[-2], features.shape[-1])
    rows, columns = window_kernels(
        theta, map_hw, (size[0], size[1]), area=chosen == "area", padding=padding
    )
    return apply_kernels(features, rows.to(features), columns.to(features))


def pooled(
    features: Tensor,
    theta: Tensor,
    size: Sequence[int],
    *,
    axis_aligned: bool = False,
    sampler: Sampler = "auto",
    padding: Padding = "zeros",
) -> Tensor:
    """Compute the spatial mean of every glimpse; axis-aligned glimpses are never sampled.

    mean(Ry U Rx^T) = ry^T U rx, with ry and rx the column means of the kernels: K glimpses are one
    batched product.

    Args:
        features: (N, C, H, W), or (N, C, T, H, W) for volumetric theta.
        theta: (N, K, *kind).
        size: (h, w) of the glimpses that are averaged, or (t, h, w).
        axis_aligned: the caller knows that theta has no rotation or shear.
        sampler: see the module.
        padding: see the module.

    Returns:
        (N, K, C), or (N, K, C, t); of the dtype of `features`, or of autocast's where that is on.

    Raises:
        ValueError: the shapes do not agree, features are integers, or the sampler cannot do this
            theta.
    """
    size = _checked(features, theta, size)
    if not is_separable(theta, axis_aligned=axis_aligned, sampler=sampler):
        glimpses = sample(features, theta, size, sampler=sampler, padding=padding)
        return glimpses.mean((-2, -1))
    map_hw = (features.shape[-2], features.shape[-1])
    weights = pooling_weights(theta, map_hw, (size[0], size[1]), sampler=sampler, padding=padding)
    return weighted_means(features, weights)


def is_separable(theta: Tensor, *, axis_aligned: bool, sampler: Sampler) -> bool:
    """Return whether `pooled` takes the mean of a glimpse as a weighted mean of the map's cells."""
    if sampler in ("separable", "area"):
        return True
    return sampler == "auto" and axis_aligned and kind_of(theta) == AFFINE


def pooling_weights(
    theta: Tensor,
    map_hw: tuple[int, int],
    size: tuple[int, int],
    *,
    sampler: Sampler = "auto",
    padding: Padding = "zeros",
) -> Tensor:
    """Compute the weights (N, K, H, W) of a map's cells in the means of axis-aligned glimpses.

    Args:
        theta: (N, K, 2, 3).
        map_hw: (H, W).
        size: (h, w) of the glimpses.
        sampler: one of those that are separable.
        padding: see the module.

    Raises:
        ValueError: the sampler cannot do this theta.
    """
    _check_sampler(theta, sampler, padding)
    rows, columns = window_kernels(
        theta, map_hw, size, area=sampler != "separable", padding=padding
    )
    return rows.mean(-2)[..., :, None] * columns.mean(-2)[..., None, :]


def weighted_means(features: Tensor, weights: Tensor) -> Tensor:
    """Compute the sums of a map's cells times K weights for each cell.

    Args:
        features: (N, C, H, W).
        weights: (N, K, H, W), of any dtype; means if they sum to 1 over (H, W).

    Returns:
        (N, K, C), of the dtype of `features`, or of autocast's where that is on.
    """
    weights = weights.flatten(2).to(features)
    pixels = features.flatten(2)  # (N, C, H * W)
    if is_channels_last(features):
        return weights @ pixels.transpose(1, 2)
    if _is_fused(features):
        return (pixels[:, None] * weights[:, :, None]).sum(-1)
    # in the other order the gradient would have another layout and be copied
    return (pixels @ weights.transpose(1, 2)).transpose(1, 2)


def _is_fused(features: Tensor) -> bool:
    """Return whether a compiler makes one loop of a product and its sum, not a library call.

    On a processor that takes half the time or less, as few windows make the matrices narrow
    (docs/performance.md, compiled samplers). Run or exported as it is, it would store the product.
    """
    if not torch.compiler.is_compiling() or torch.compiler.is_exporting():
        return False
    plain = features.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
    return plain and features.device.type == "cpu"


def _chosen(
    features: Tensor,
    theta: Tensor,
    size: tuple[int, ...],
    axis_aligned: bool,
    sampler: str,
    padding: str,
) -> str:
    """Return the sampler to use: `sampler`, or for "auto" the fastest one that is exact."""
    _check_sampler(theta, sampler, padding)
    if sampler != "auto":
        return sampler
    if not axis_aligned or kind_of(theta) != AFFINE:
        return "grid"
    if not is_readable(theta) or _shrinks(theta, features.shape[-2:], size):
        return "area"  # right for every window, and deterministic on CUDA
    return "grid" if _grid_is_faster(features) else "separable"


def _grid_is_faster(features: Tensor) -> bool:
    """Return whether `grid_sample` beats matrix products on this map (docs/results.md, samplers).

    Only in float32 or wider, and not on small channels_last maps.
    """
    if features.dtype not in (torch.float32, torch.float64) or torch.is_autocast_enabled("cpu"):
        return False
    return not is_channels_last(features) or max(features.shape[-2:]) > _LARGE_MAP


def _shrinks(theta: Tensor, map_hw: Sequence[int], size: Sequence[int]) -> bool:
    """Return whether any window may cover more pixels than it has samples, along any axis."""
    largest = max(map_hw[0] / size[0], map_hw[1] / size[1])
    return not float(theta.detach()[..., :2].abs().amax()) * largest <= 1 + 1e-6


def _check_sampler(theta: Tensor, sampler: str, padding: str) -> None:
    if sampler not in SAMPLERS:
        raise ValueError(f"sampler must be one of {SAMPLERS}, got {sampler!r}")
    if padding not in PADDINGS:
        raise ValueError(f"padding must be one of {PADDINGS}, got {padding!r}")
    if sampler in ("separable", "area") and kind_of(theta) != AFFINE:
        raise ValueError(
            f"sampler {sampler!r} is for axis-aligned theta (..., 2, 3), got {tuple(theta.shape)}: "
            "use 'grid'"
        )
    if sampler == "nearest" and theta.requires_grad and torch.is_grad_enabled():
        raise ValueError(
            "sampler 'nearest' has no gradient for theta: detach theta, or use it under "
            "torch.no_grad(), for evaluation"
        )


def _checked(features: Tensor, theta: Tensor, size: Sequence[int]) -> tuple[int, ...]:
    """Return the size after checking all shapes."""
    volumetric = kind_of(theta) == VOLUMETRIC
    wanted = "(N, C, T, H, W)" if volumetric else "(N, C, H, W)"
    if features.dim() != (5 if volumetric else 4):
        raise ValueError(f"features must be {wanted}, got {tuple(features.shape)}")
    if not features.is_floating_point():
        raise ValueError(
            f"features must be floating point, got {features.dtype}: interpolated values would be "
            "truncated, convert them by .float()"
        )
    if theta.dim() != 4 or theta.shape[0] != features.shape[0]:
        raise ValueError(
            f"theta must be ({len(features)}, K, {theta.shape[-2]}, {theta.shape[-1]}) for these "
            f"features, got {tuple(theta.shape)}"
        )
    if len(size) != features.dim() - 2 or min(size) < 1:
        names = "(t, h, w)" if volumetric else "(h, w)"
        raise ValueError(f"size must be {names}, each at least 1, got {tuple(size)}")
    return tuple(size)


_LARGE_MAP = 40
"""Side of a map beyond which products over entire rows cost more than reading two pixels."""
