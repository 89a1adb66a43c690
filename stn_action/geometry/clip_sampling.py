"""Grid generator and sampler in one call, for maps and for clips frame by frame.

Conventions and samplers as in `sampling`.

Letters: N clips, K windows on each, S thetas of a clip, (h, w) a glimpse.
"""

from collections.abc import Sequence

from torch import Tensor

from stn_action.geometry.sampling import sample
from stn_action.geometry.theta import VOLUMETRIC, kind_of
from stn_action.geometry.transform_choices import Padding, Sampler


def spatial_transformer(
    features: Tensor,
    theta: Tensor,
    size: Sequence[int] | None = None,
    *,
    axis_aligned: bool = False,
    sampler: Sampler = "auto",
    padding: Padding = "zeros",
) -> Tensor:
    """Sample maps or clips at theta: grid generator and sampler in one call.

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
        ValueError: the shapes do not agree, features are integers, or the sampler cannot do this
            theta.

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


def sample_clips(
    features: Tensor,
    theta: Tensor,
    size: Sequence[int],
    *,
    axis_aligned: bool = False,
    sampler: Sampler = "auto",
    padding: Padding = "zeros",
) -> Tensor:
    """Sample K glimpses of every clip, frame by frame.

    Args:
        features: (N, C, T, H, W).
        theta: (N, K, S, *kind), S = 1 or T; not volumetric.
        size: (h, w) of a glimpse.
        axis_aligned: the caller knows that theta has no rotation or shear.
        sampler: see `sampling`.
        padding: see `sampling`.

    Returns:
        (N, K, C, T, h, w).

    Raises:
        ValueError: the shapes do not agree, or the sampler cannot do this theta.
    """
    maps, theta, unfold = fold_time(features, theta)
    return unfold(
        sample(maps, theta, size, axis_aligned=axis_aligned, sampler=sampler, padding=padding)
    )


def fold_time(features: Tensor, theta: Tensor):
    """Fold the time axis of clips into maps, with the theta of each map.

    Frames become separate maps if they share no window or are contiguous in memory (frame-wise
    trunks, channels_last), otherwise further channels: neither costs a copy.

    Args:
        features: (N, C, T, H, W).
        theta: (N, K, S, *kind), S = 1 or T.

    Returns:
        Maps (N', C', H, W), theta (N', K, *kind), and the function that unfolds results
        (N', K, C', ...) to (N, K, C, T, ...).

    Raises:
        ValueError: S is neither 1 nor T.
    """
    if features.dim() != 5:
        raise ValueError(f"features must be (N, C, T, H, W), got {tuple(features.shape)}")
    N, C, T = features.shape[:3]
    if theta.dim() != 5 or theta.shape[0] != N or theta.shape[2] not in (1, T):
        raise ValueError(
            f"theta must be ({N}, K, S, ...) for these features, S = 1 or {T} time steps, "
            f"got {tuple(theta.shape)}"
        )
    frame_by_frame = features.stride(0) == T * features.stride(2)
    if theta.shape[2] == 1 and T > 1 and not frame_by_frame:
        return features.flatten(1, 2), theta[:, :, 0], lambda x: x.unflatten(2, (C, T))
    return (
        features.transpose(1, 2).flatten(0, 1),
        theta.expand(-1, -1, T, -1, -1).transpose(1, 2).flatten(0, 1),
        lambda x: x.unflatten(0, (N, T)).movedim(1, 3),  # (N, K, C, T, ...)
    )
