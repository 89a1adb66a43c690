"""Temporal shift in image networks, so that the frames of a clip see each other.

Lin, Gan and Han 2019, "TSM: Temporal Shift Module for Efficient Video Understanding" (arXiv
1811.08383, section 4): a share of the channels goes to the frame after, as large a share to the
frame before. The shift is inside the residual branch, before its first convolution, so that each
frame keeps its own channels too. It has no parameter, and multiplies nothing.
"""

from typing import Any, Self

import torch
from torch import Tensor, nn

from stn_action.errors import InputError
from stn_action.models.backbones.frame_wise import FrameWise

FIRST_CONVOLUTIONS = {
    "BasicBlock": "conv1",
    "Bottleneck": "conv1",
    "InvertedResidual": "conv_pw",
    "EdgeResidual": "conv_exp",
    "ConvNeXtBlock": "conv_dw",
}
"""Classes of timm's residual blocks, and the first convolution of their residual branch."""
MANY_BLOCKS = 23
"""Of the third stage of a ResNet, from which on every second block shifts, as in TSM's code."""


class TemporalShift:
    """A forward pre-hook that moves channels to neighboring frames; zeros move in at the ends.

    All convolutions of a trunk share one, and so do copies of them: the trunk tells it how many
    frames a clip has before it runs.

    Args:
        divisor: one of so many channels goes each way.
    """

    def __init__(self, divisor: int) -> None:
        self.divisor = divisor
        self.num_frames = 1
        self.num_blocks = 0

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Return itself: copies of a convolution share it, too."""
        return self

    def __call__(self, module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Return the inputs of a convolution with the first of them shifted."""
        return (shifted(inputs[0], self.num_frames, self.divisor), *inputs[1:])


def shifted(maps: Tensor, num_frames: int, divisor: int) -> Tensor:
    """Move the first 1/divisor of the channels one frame back, the next as many one forward.

    Args:
        maps: (N * T, C, H, W), the frames of one clip one after another.
        num_frames: T.
        divisor: of C.

    Returns:
        (N * T, C, H, W); a clip's first and last frame get zeros from beyond it.
    """
    clips = maps.unflatten(0, (-1, num_frames))
    fold = maps.shape[1] // divisor
    to_before, to_after, rest = clips.split([fold, fold, maps.shape[1] - 2 * fold], dim=2)
    nothing = torch.zeros_like(to_before[:, :1])
    parts = [
        torch.cat([to_before[:, 1:], nothing], dim=1),
        torch.cat([nothing, to_after[:, :-1]], dim=1),
        rest,
    ]
    return torch.cat(parts, dim=2).flatten(0, 1)


def add_temporal_shift(trunk: nn.Module, divisor: int, name: str) -> None:
    """Let the residual blocks of a frame-wise trunk shift channels between frames, in place.

    The names of its tensors stay the same.

    Args:
        trunk: built by `build_backbone`.
        divisor: see `TemporalShift`.
        name: of the trunk, for messages.

    Raises:
        InputError: it does not take frames one by one, or has no residual block that is known.
    """
    if not isinstance(trunk, FrameWise):
        raise InputError(
            f"model.temporal_shift: {name} is a network of clips, whose frames see each other; "
            "expected 0, or an image network as model.backbone: timm/<network>"
        )
    convolutions = _first_convolutions(trunk.image)
    if not convolutions:
        raise InputError(
            f"model.temporal_shift: {name} has no residual block of a known kind "
            f"({', '.join(FIRST_CONVOLUTIONS)}); expected 0 or another model.backbone, such as "
            "timm/resnet50"
        )
    trunk.shift = TemporalShift(divisor)
    trunk.shift.num_blocks = len(convolutions)
    for convolution in convolutions:
        convolution.register_forward_pre_hook(trunk.shift)


def _first_convolutions(image: nn.Module) -> list[nn.Module]:
    """Return the first convolution of the residual branch of each block that shifts."""
    third = getattr(image, "layer3", None)
    every = 2 if isinstance(third, nn.Sequential) and len(third) >= MANY_BLOCKS else 1
    found = []
    for path, block in image.named_modules():
        own = FIRST_CONVOLUTIONS.get(type(block).__name__)
        # the blocks of EfficientNets that change the map's size have no residual connection
        if own is None or not getattr(block, "has_skip", True):
            continue
        number = path.rpartition(".")[2]
        if every == 1 or not number.isdecimal() or int(number) % every == 0:
            found.append(block.get_submodule(own))
    return found
