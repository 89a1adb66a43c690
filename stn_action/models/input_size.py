"""The sizes of clips that a trunk takes: those with position embeddings often take one alone."""

import torch
from torch import Tensor, nn

from stn_action.errors import InputError
from stn_action.models.stages import evaluating

SIDES = (112, 160, 182, 224, 256, 288, 299, 320, 384, 448)
"""Of square clips that published trunks were trained on, pixels."""
FAILURES = (RuntimeError, ValueError, TypeError, AssertionError, IndexError)
"""What trunks raise on clips of a size that they do not take."""


def check_input_size(trunk: nn.Module, name: str, size_hw: tuple[int, int], like: Tensor) -> None:
    """Check that a trunk takes clips of a size.

    Args:
        trunk: of clips (B, 3, T, H, W).
        name: of the size, for the message.
        size_hw: height and width.
        like: a clip (1, 3, T, H, W) of any height and width.

    Raises:
        InputError: it does not; the message lists sizes that it takes.
    """
    if (error := _failure(trunk, size_hw, like)) is None:
        return
    tried = [(like.shape[3], like.shape[4]), *((side, side) for side in SIDES)]
    taken = [size for size in dict.fromkeys(tried) if _failure(trunk, size, like) is None]
    listed = ", ".join(f"{height}x{width}" for height, width in taken)
    raise InputError(
        f"{name} {size_hw[0]}x{size_hw[1]}: the trunk does not take clips of this size "
        f"({str(error).strip('. ')}). "
        + (f"It takes {listed}" if taken else "Nor does it take the other sizes that were tried")
        + ": set both look_size and glimpse_size to a size that it takes, or use another trunk"
    )


def _failure(trunk: nn.Module, size_hw: tuple[int, int], like: Tensor) -> Exception | None:
    clip = like.new_zeros(*like.shape[:3], *size_hw)
    try:
        with evaluating(trunk), torch.no_grad():
            trunk(clip)
    except FAILURES as error:
        return error
    return None
