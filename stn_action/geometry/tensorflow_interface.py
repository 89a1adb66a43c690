"""The interface of kevinzakka/spatial-transformer-network (TensorFlow), on this package's sampler.

Arguments are the same, numbers are not: docs/from_tensorflow.md shows where and why.
"""

from collections.abc import Sequence
from numbers import Integral

from torch import Tensor

from stn_action.geometry.clip_sampling import spatial_transformer


def spatial_transformer_network(
    input_map: Tensor,
    theta: Tensor,
    out_dims: Sequence[int] | None = None,
    *,
    channels_last: bool = False,
) -> Tensor:
    """Sample one affine glimpse of every map, called as the TensorFlow function of this name.

    Convention:
        - theta maps output to input, normalized, in the order of (x, y)
        - -1 and 1 are the outer edges of the corner pixels (`align_corners=False`); in the
          TensorFlow code they are the centers of the first and the last but one pixel
        - bilinear; outside the map values are zero

    Args:
        input_map: (B, C, H, W), or (B, H, W, C) with `channels_last`; floating point.
        theta: (B, 6), row by row, or (B, 2, 3).
        out_dims: height and width of the result; None: those of `input_map`.
        channels_last: whether `input_map` and the result have their channels last.

    Returns:
        (B, C, *out_dims), or (B, *out_dims, C) with `channels_last`; of the dtype of `input_map`.

    Raises:
        ValueError: `input_map`, `theta` or `out_dims` has another shape, `input_map` is empty or
            has integers.

    Example:
        >>> theta = torch.tensor([[1.0, 0, 0, 0, 1, 0]]).expand(8, 6)
        >>> spatial_transformer_network(torch.rand(8, 3, 40, 60), theta, (20, 30)).shape
        torch.Size([8, 3, 20, 30])
    """
    _check_map(input_map, channels_last)
    _check_theta(theta, len(input_map))
    _check_out_dims(out_dims)
    if not channels_last:
        return spatial_transformer(input_map, theta, out_dims)
    maps = input_map.movedim(-1, 1)  # (B, C, H, W)
    return spatial_transformer(maps, theta, out_dims).movedim(1, -1)  # (B, h, w, C)


def _check_map(input_map: Tensor, channels_last: bool) -> None:
    if input_map.dim() != 4 or 0 in input_map.shape:
        wanted = "(B, H, W, C)" if channels_last else "(B, C, H, W)"
        raise ValueError(
            f"input_map must be {wanted}, each at least 1, got {tuple(input_map.shape)}"
        )
    if not input_map.is_floating_point():
        raise ValueError(
            f"input_map must be floating point, got {input_map.dtype}: interpolated values would "
            "be truncated, convert it by .float()"
        )


def _check_theta(theta: Tensor, B: int) -> None:
    if tuple(theta.shape) not in ((B, 6), (B, 2, 3)):
        raise ValueError(
            f"theta must be ({B}, 6) or ({B}, 2, 3) for this input_map, got {tuple(theta.shape)}"
        )


def _check_out_dims(out_dims: Sequence[int] | None) -> None:
    if out_dims is None:
        return
    is_pair = isinstance(out_dims, Sequence) and len(out_dims) == 2
    if not is_pair or not all(isinstance(side, Integral) and side > 0 for side in out_dims):
        raise ValueError(
            f"out_dims must be two positive integers, (height, width), or None, got {out_dims!r}"
        )
