"""The separable samplers: axis-aligned windows as products of matrices, V = Ry U Rx^T.

Made of matrix products, they are deterministic on every device, where the backward of
`grid_sample` is not on CUDA. Conventions as in `grids`.

At a pixel's center the tent has a kink; there the gradient is the mean of the slopes of both sides.

Letters: N maps, K windows on each, (H, W) the map, (h, w) a glimpse.
"""

import torch
from torch import Tensor

from stn_action.geometry.grids import FAR, NOWHERE
from stn_action.geometry.theta import at_least_float32, is_readable

_LARGE_MAP = 64**2
"""Pixels of a map of which only the part below the windows is sampled, on a CPU."""


def window_kernels(
    theta: Tensor,
    map_hw: tuple[int, int],
    size: tuple[int, int],
    *,
    area: bool = True,
    padding: str = "zeros",
) -> tuple[Tensor, Tensor]:
    """Compute the matrices Ry (N, K, h, H) and Rx (N, K, w, W) of axis-aligned theta.

    The entries theta[0, 1] and theta[1, 0] are not used.

    Args:
        theta: (N, K, 2, 3).
        map_hw: (H, W).
        size: (h, w).
        area: by the area kernel; otherwise by the tent of bilinear sampling.
        padding: "zeros" or "border".
    """
    kernel = area_kernel if area else tent_kernel
    theta = at_least_float32(theta)
    scale = torch.stack([theta[..., 1, 1], theta[..., 0, 0]])
    shift = theta[..., 2].movedim(-1, 0).flip(0)
    if map_hw[0] == map_hw[1] and size[0] == size[1]:  # both axes at once: half the small steps
        rows, columns = kernel(scale, shift, map_hw[0], size[0], padding=padding)
        return rows, columns
    rows = kernel(scale[0], shift[0], map_hw[0], size[0], padding=padding)
    columns = kernel(scale[1], shift[1], map_hw[1], size[1], padding=padding)
    return rows, columns


def tent_kernel(
    scale: Tensor, shift: Tensor, in_size: int, out_size: int, *, padding: str = "zeros"
) -> Tensor:
    """Compute bilinear weights along a line: max(0, 1 - d) (Jaderberg et al. 2015, eq. 5).

    Args and result as of `area_kernel`.
    """
    scale, shift = _with_nowhere(scale, shift)
    positions = _positions(scale, shift, in_size, out_size)
    weights = torch.maximum(1 - _distances(positions, in_size), positions.new_zeros(()))
    return weights if padding == "zeros" else _with_border(weights, positions, 1)


def area_kernel(
    scale: Tensor, shift: Tensor, in_size: int, out_size: int, *, padding: str = "zeros"
) -> Tensor:
    """Compute area weights of `out_size` samples of a window on a line of `in_size` pixels.

    With f = max(1, |scale| * in_size / out_size), the pixels under one sample, and d the distance
    of pixel and sample centers: clamp(min((1 + f) / 2 - d, 1), 0) / f. At f = 1 that is the tent of
    bilinear sampling, max(0, 1 - d); beyond, every pixel counts by the share of it that the
    sample covers, so nothing aliases and every pixel in the window has a gradient. Exactly on a
    pixel's center, where the tent has a kink, the gradient is the mean of the slopes of both sides.

    Args:
        scale: (...), size of the window as a share of the line's; negative flips it.
        shift: (...), center of the window, normalized.
        in_size: pixels of the line.
        out_size: samples of the window.
        padding: values beyond the line: "zeros", or those of the "border" pixels.

    Returns:
        (..., out_size, in_size).
    """
    scale, shift = _with_nowhere(scale, shift)
    positions = _positions(scale, shift, in_size, out_size)
    # at ties `minimum` and `maximum` share the gradient; what clamp does varies with its version
    zero, one = positions.new_zeros(()), positions.new_ones(())
    covered = torch.maximum(scale.abs() * (in_size / out_size), one)[..., None, None]
    overlap = torch.minimum((1 + covered) / 2 - _distances(positions, in_size), one)
    weights = torch.maximum(overlap, zero) / covered
    return weights if padding == "zeros" else _with_border(weights, positions, covered)


def apply_kernels(features: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Compute Ry U Rx^T for every window, with the products in the best order for the layout.

    Args:
        features: (N, C, H, W).
        rows: (N, K, h, H), of the dtype of `features`.
        columns: (N, K, w, W), likewise.

    Returns:
        (N, K, C, h, w), every glimpse in the layout of the map.
    """
    if is_readable(rows) and features.shape[-2] * features.shape[-1] >= _LARGE_MAP:
        support_y, support_x = _support(rows), _support(columns)
        features = features[..., support_y, support_x]
        rows, columns = rows[..., support_y], columns[..., support_x]
    if is_channels_last(features):
        return _apply_channels_last(features, rows, columns)
    return _apply_contiguous(features, rows, columns)


def is_channels_last(features: Tensor) -> bool:
    """Return whether a pixel's channels are adjacent in memory, (N, C, H, W)."""
    return features.stride(1) == 1 and features.shape[1] > 1


def resize_area(features: Tensor, size: tuple[int, int]) -> Tensor:
    """Resample maps (N, C, H, W) to (N, C, h, w) by the area kernel."""
    if features.shape[-2:] == size:
        return features
    one = at_least_float32(features.new_ones(()))
    rows = area_kernel(one, one * 0, features.shape[-2], size[0]).to(features)
    columns = area_kernel(one, one * 0, features.shape[-1], size[1]).to(features)
    return rows @ (features @ columns.T)


def resize_clips(clips: Tensor, size: tuple[int, int]) -> Tensor:
    """Resample clips (B, C, T, H, W), frame by frame, to (B, C, T, h, w) by the area kernel."""
    frames = clips.transpose(1, 2).flatten(0, 1)  # (B * T, C, H, W)
    return resize_area(frames, size).unflatten(0, (clips.shape[0], clips.shape[2])).transpose(1, 2)


def _positions(scale: Tensor, shift: Tensor, in_size: int, out_size: int) -> Tensor:
    """Return the samples (..., out_size) of a window in pixels, centers at whole numbers."""
    outputs = (torch.arange(out_size, device=scale.device, dtype=scale.dtype) * 2 + 1) / out_size
    places = scale[..., None] * (outputs - 1) + shift[..., None]
    return ((places + 1) * in_size - 1) / 2


def _with_nowhere(scale: Tensor, shift: Tensor) -> tuple[Tensor, Tensor]:
    """Replace scale and shift that are not finite, or too large, by ones beyond the line."""
    near = (scale.abs() < FAR) & (shift.abs() < FAR)
    return torch.where(near, scale, 0), torch.where(near, shift, NOWHERE)


def _distances(positions: Tensor, in_size: int) -> Tensor:
    """Return the distances (..., out_size, in_size) of samples (..., out_size) to all pixels."""
    pixels = torch.arange(in_size, device=positions.device, dtype=positions.dtype)
    return (positions[..., None] - pixels).abs()


def _with_border(weights: Tensor, positions: Tensor, covered: Tensor | int) -> Tensor:
    """Add the weights beyond the line to its end pixels: (..., out_size, in_size)."""
    in_size = weights.shape[-1]
    ends = torch.stack([-0.5 - positions, positions - (in_size - 0.5)], dim=-1)
    zero, one = positions.new_zeros(()), positions.new_ones(())
    beyond = torch.minimum(torch.maximum(ends / covered + 0.5, zero), one)
    if in_size == 1:
        return weights + beyond.sum(-1, keepdim=True)
    inner = torch.zeros_like(weights[..., 2:])
    return weights + torch.cat([beyond[..., :1], inner, beyond[..., 1:]], dim=-1)


def _support(kernel: Tensor) -> slice:
    """Return the pixels that a kernel (N, K, out, in) gives weight to, and one on either side.

    At a kink a pixel without weight has a gradient; it is a neighbor of one with weight.
    """
    weighted = kernel.detach().flatten(0, -2).any(0).nonzero()
    if not len(weighted):
        return slice(0, 1)
    return slice(max(0, int(weighted[0]) - 1), int(weighted[-1]) + 2)


def _apply_contiguous(features: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    N, C, H, W = features.shape
    K, h, w = rows.shape[1], rows.shape[2], columns.shape[2]
    # one product for all K: (N, C*H, W) @ (N, W, K*w)
    wide = features.reshape(N, C * H, W) @ columns.reshape(N, K * w, W).transpose(1, 2)
    wide = wide.view(N, C, H, K, w).permute(0, 3, 1, 4, 2).reshape(N * K, C * w, H)
    glimpses = wide @ rows.reshape(N * K, h, H).transpose(1, 2)  # (N*K, C*w, h)
    return glimpses.view(N, K, C, w, h).transpose(3, 4).contiguous()


def _apply_channels_last(features: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    N, C, H, W = features.shape
    K, h, w = rows.shape[1], rows.shape[2], columns.shape[2]
    pixels = features.permute(0, 2, 3, 1).reshape(N, H, W * C)
    strips = rows.reshape(N, K * h, H) @ pixels  # (N, K*h, W*C)
    # a kernel for every strip: `bmm` beats a broadcast product
    columns = columns[:, :, None].expand(N, K, h, w, W).reshape(N * K * h, w, W)
    glimpses = columns @ strips.view(N * K * h, W, C)  # (N*K*h, w, C)
    return glimpses.view(N, K, h, w, C).permute(0, 1, 4, 2, 3)
