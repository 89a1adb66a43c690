"""Heat maps and the windows that they mean: centers by soft-argmax, scales by second moments.

Convention:
    - a heat map is (..., H, W), not negative, and sums to 1 over H and W
    - every cell is a box of uniform heat, so that a box of cells has exactly that box as window
    - scales and centers are (..., 2), x first, as of `theta.window_theta`

The spatial softmax of Levine et al. 2016 (arXiv 1504.00702), and the variance of the heat as of
"Numerical coordinate regression" (Nibali et al. 2018, arXiv 1801.07372), here as the window's size.
"""

import torch
from torch import Tensor

SHARPNESS = 8
"""Exponent of `soft_clip`: at 0.7 of the limit 0.5 % are lost, at the limit 8 %."""


def heat_window(heat: Tensor) -> tuple[Tensor, Tensor]:
    """Return scale and center of the window that a heat map means.

    The center is the mean place. The scale is that of a box of uniform heat with the same
    variance: a box of half-width s has the variance s^2 / 3.

    Args:
        heat: (..., H, W).

    Returns:
        Scale (..., 2), at least one cell's, and center (..., 2).

    Example:
        All heat in one cell of H x W has the scale (1 / W, 1 / H), equal heat everywhere (1, 1).
    """
    axes = [_line_window(heat.sum(-2)), _line_window(heat.sum(-1))]  # x, y
    scale, center = zip(*axes, strict=True)
    return torch.stack(scale, dim=-1), torch.stack(center, dim=-1)


def log_heat(scale: Tensor, center: Tensor, size_hw: tuple[int, int]) -> Tensor:
    """Return the logarithm, up to a constant, of heat of Gaussian shape that means windows.

    What of the Gaussian is beyond the map is cut off, which moves the window somewhat inward.

    Args:
        scale: (..., 2).
        center: (..., 2).
        size_hw: (H, W).

    Returns:
        (..., H, W).
    """
    columns = _line_log_heat(scale[..., 0], center[..., 0], size_hw[1])
    rows = _line_log_heat(scale[..., 1], center[..., 1], size_hw[0])
    return rows[..., :, None] + columns[..., None, :]


def soft_clip(x: Tensor, limit: Tensor | float) -> Tensor:
    """Limit numbers to +-limit smoothly: nearly unchanged inside, with a gradient beyond."""
    return x * (1 + (x / limit).abs() ** SHARPNESS) ** (-1 / SHARPNESS)


def soft_unclip(x: Tensor, limit: Tensor | float) -> Tensor:
    """Invert `soft_clip` for numbers within +-limit; none goes beyond 1.8 times the limit."""
    share = (x / limit).clamp(-0.999, 0.999)
    return limit * share * (1 - share.abs() ** SHARPNESS) ** (-1 / SHARPNESS)


def _line_window(heat: Tensor) -> tuple[Tensor, Tensor]:
    """Return scale and center (...) of heat (..., L) along a line."""
    L = heat.shape[-1]
    places = _cell_centers(L, heat)
    center = heat @ places
    variance = (heat * (places - center[..., None]).square()).sum(-1)
    return (3 * variance + 1 / L**2).sqrt(), center  # 1 / (3 L^2): the variance within a cell


def _line_log_heat(scale: Tensor, center: Tensor, L: int) -> Tensor:
    variance = ((scale.square() - 1 / L**2) / 3).clamp_min(1 / (3 * L**2))
    distances = _cell_centers(L, scale) - center[..., None]
    return -distances.square() / (2 * variance[..., None])


def _cell_centers(L: int, like: Tensor) -> Tensor:
    return (torch.arange(L, dtype=like.dtype, device=like.device) * 2 + 1) / L - 1
