"""Smoothing over the time steps of a clip."""

import torch
from torch import Tensor


def smooth_steps(values: Tensor, window: int) -> Tensor:
    """Average each step with its neighbors in time.

    The window stays centered: toward both ends it shrinks on both sides alike, so that what
    changes at a constant speed is kept, at the ends as well (as of `boxes.smooth_boxes`). The first
    and the last step keep their values.

    Args:
        values: (B, S, ...) of S consecutive steps.
        window: steps in the average, odd; 1 changes nothing.

    Returns:
        (B, S, ...).

    Raises:
        ValueError: `window` is not an odd positive number.

    Example:
        With a window of 3 the steps 0, 3, 9, 0 become 0, 4, 4, 0.
    """
    if window < 1 or window % 2 == 0:
        raise ValueError(f"window must be an odd number of steps, at least 1, got {window}")
    steps = torch.arange(values.shape[1], device=values.device)
    reach = torch.minimum(steps, len(steps) - 1 - steps).clamp(max=window // 2)
    inside = (steps[:, None] - steps).abs() <= reach[:, None]
    weights = inside.to(values) / inside.sum(1, keepdim=True)
    return torch.einsum("st,bt...->bs...", weights, values)
