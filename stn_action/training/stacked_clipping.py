"""Clipping of the gradients of several networks that are stacked, each network's by itself.

Letters: S networks; their parameters are tensors (S, ...).
"""

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from stn_action.training.optim import GradientNorms, split_groups

_TINY = 1e-6
"""As of `nn.utils.clip_grads_with_norm_`."""


def clip_stacked_gradients(
    groups: Iterable[dict[str, Any]],
    *,
    clip_grad_norm: float | None = None,
    clip_localization_norm: float | None = None,
) -> GradientNorms:
    """Clip the gradients of each network of a stack as `clip_gradients` clips those of one.

    Args:
        groups: of parameters (S, ...).
        clip_grad_norm: see `clip_gradients`.
        clip_localization_norm: see `clip_gradients`.

    Returns:
        The largest norms of a network before clipping.
    """
    others, localization, gain = split_groups(groups)
    stored_max_norm = None if clip_localization_norm is None else clip_localization_norm * gain
    return GradientNorms(_clip(others, clip_grad_norm), _clip(localization, stored_max_norm) / gain)


def _clip(parameters: Sequence[nn.Parameter], max_norm: float | None) -> float:
    gradients = [p.grad for p in parameters if p.grad is not None]
    if not gradients:
        return 0.0
    norms = torch.stack([_norms(gradient) for gradient in gradients]).norm(dim=0)  # (S,)
    if max_norm is not None:
        factors = (max_norm / (norms + _TINY)).clamp(max=1.0)
        for gradient in gradients:
            gradient.mul_(factors.view(-1, *[1] * (gradient.dim() - 1)))
    return float(norms.max())


def _norms(gradient: Tensor) -> Tensor:
    """Return the norm (S,) of each network's part of (S, ...)."""
    return torch.linalg.vector_norm(gradient.flatten(1), dim=1)
