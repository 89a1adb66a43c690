"""The whole spatial transformer in one function: grid generator and sampler."""

from collections.abc import Sequence

from torch import Tensor

from stn_action.geometry.clip_sampling import sample_clips
from stn_action.geometry.sampling import Padding, Sampler, sample
from stn_action.geometry.theta import VOLUMETRIC, kind_of


def spatial_transformer(
    features: Tensor,
    theta: Tensor,
    size: Sequence[int] | None = None,
    *,
    axis_aligned: bool = False,
    sampler: Sampler = "auto",
    padding: Padding = "zeros",
) -> Tensor:
    """Sample maps or clips where theta points: grid generator and sampler in one call.

    Args:
        features: maps (N, C, H, W) or clips (N, C, T, H, W).
        theta: one or K per map: (N, *kind) or (N, K, *kind); of clips also one or K per time
            step, (N, K, S, *kind) with S = 1 or T. An affine one may be flat, (..., 6). A
            volumetric one, (N, 3, 4) or (N, K, 3, 4), resamples a clip in space and time.
        size: (h, w), for volumetric theta (t, h, w); None: the map's own.
        axis_aligned: the caller knows that theta has no rotation or shear.
        sampler: see `sampling`.
        padding: see `sampling`.

    Returns:
        (N, C, *size) for one theta per map, (N, K, C, *size) for K; clips keep T before (h, w).

    Raises:
        ValueError: the shapes do not agree, or the sampler cannot do this theta.

    Example:
        >>> spatial_transformer(torch.rand(8, 3, 40, 60), torch.rand(8, 2, 3), (20, 30)).shape
        torch.Size([8, 3, 20, 30])
    """
    if theta.shape[-1] == 6:
        theta = theta.unflatten(-1, (2, 3))
    kind = kind_of(theta)
    if features.dim() not in (4, 5):
        raise ValueError(
            f"features must be (N, C, H, W) or (N, C, T, H, W), got {tuple(features.shape)}"
        )
    options = {"axis_aligned": axis_aligned, "sampler": sampler, "padding": padding}
    given = theta.dim()
    if given == 3:
        theta = theta.unsqueeze(1)  # (N, 1, *kind)
    if kind == VOLUMETRIC or features.dim() == 4:
        result = sample(features, theta, size or features.shape[2:], **options)
    else:
        if theta.dim() == 4:
            theta = theta.unsqueeze(2)  # (N, K, 1, *kind)
        result = sample_clips(features, theta, size or features.shape[3:], **options)
    return result.squeeze(1) if given == 3 else result
