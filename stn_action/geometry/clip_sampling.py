"""Sampling clips frame by frame. Conventions and samplers as in `sampling`.

Letters: N clips, K windows on each, S thetas of a clip, (h, w) a glimpse.
"""

from collections.abc import Sequence

from torch import Tensor

from stn_action.geometry.sampling import Padding, Sampler, sample


def sample_clips(
    features: Tensor,
    theta: Tensor,
    size: Sequence[int],
    *,
    axis_aligned: bool = False,
    sampler: Sampler = "auto",
    padding: Padding = "zeros",
) -> Tensor:
    """Cut K glimpses out of every clip, frame by frame.

    Args:
        features: (N, C, T, H, W).
        theta: (N, K, S, *kind), S = 1 or T, no volumetric one.
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
    """Maps and theta that belong together, of clips, and the way back.

    Frames become maps of their own where they share no window or lie one after the other in
    memory (frame-wise trunks, channels_last), else further channels: neither costs a copy.

    Args:
        features: (N, C, T, H, W).
        theta: (N, K, S, *kind), S = 1 or T.

    Returns:
        Maps (N', C', H, W), theta (N', K, *kind), and a function of (N', K, C', ...) to
        (N, K, C, T, ...).

    Raises:
        ValueError: S fits neither.
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
