"""The memory layout of a trunk's weights, which that of its maps follows."""

import torch
from torch import Tensor, nn

from stn_action.errors import InputError
from stn_action.models.stages import evaluating

CHANNELS_LAST = {4: torch.channels_last, 5: torch.channels_last_3d}
"""Memory format of weights, by their number of axes; activations follow."""


def lay_out_channels_last(module: nn.Module) -> None:
    """Store the weights of all convolutions with their channels last, in place."""
    for weight in module.parameters():
        if memory_format := CHANNELS_LAST.get(weight.dim()):
            weight.data = weight.data.contiguous(memory_format=memory_format)


def lay_out_trunk(trunk: nn.Module, example: Tensor, setting: str) -> None:
    """Store a trunk's weights with their channels last, if it runs with them.

    Args:
        trunk: of clips; its parameters stay the same objects.
        example: a clip (1, 3, T, H, W) that it takes.
        setting: name of what asks for it, for messages.

    Raises:
        InputError: its forward pass needs contiguous maps.
    """
    before = [(weight, weight.data) for weight in trunk.parameters()]
    lay_out_channels_last(trunk)
    try:  # of two clips: with one, convolutions may leave their output contiguous
        with evaluating(trunk):
            trunk(torch.cat([example, example]).to(before[0][1] if before else example))
    except RuntimeError as error:
        for weight, data in before:
            weight.data = data
        raise InputError(
            f"{setting}: the trunk does not run with its channels last ({error}); set "
            f"{setting}=false"
        ) from error
