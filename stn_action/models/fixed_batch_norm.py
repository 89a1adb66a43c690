"""Batch norm that stays as the weights file has it."""

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


def fixed_batch_norm(trunk: nn.Module, *, affine: bool) -> list[str]:
    """Return the paths of a trunk's batch-norm layers, which are to stay in evaluation mode.

    Args:
        trunk: clips to features.
        affine: freeze their scales and shifts, too.
    """
    layers = {
        name: module for name, module in trunk.named_modules() if isinstance(module, _BatchNorm)
    }
    if affine:
        for layer in layers.values():
            layer.requires_grad_(False)
    return list(layers)
