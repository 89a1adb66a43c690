"""The sizes of clips that a trunk takes: those with position embeddings often take one alone."""

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from stn_action.errors import InputError
from stn_action.models.module_exchange import exchange_modules
from stn_action.models.stages import evaluating

SIDES = (112, 160, 182, 224, 256, 288, 299, 320, 384, 448)
"""Of square clips that published trunks were trained on, pixels."""
LENGTHS = (16, 32, 8, 4, 64)
"""Frames of these clips, the usual ones first."""
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
    if (error := _failure(trunk, like.new_zeros(*like.shape[:3], *size_hw))) is None:
        return
    own = (like.shape[3], like.shape[4])
    raise InputError(
        f"{name} {size_hw[0]}x{size_hw[1]}: the trunk does not take clips of this size "
        f"({str(error).strip('. ')}). {sizes_taken(trunk, like, own)}: "
        "set both look_size and glimpse_size to a size that it takes, or use another trunk"
    )


@contextmanager
def explained_size(
    trunk: nn.Module, clip: Tensor, example_thw: tuple[int, int, int] | None
) -> Iterator[None]:
    """Name the size of a clip where a trunk fails on it, and the sizes that it takes.

    Args:
        trunk: of clips (B, 3, T, H, W).
        clip: what it is run on.
        example_thw: frames, height and width of clips that it takes; None: unknown.
    """
    try:
        yield
    except (RuntimeError, AssertionError) as error:
        thw = (clip.shape[2], clip.shape[3], clip.shape[4])
        if example_thw is None or thw == example_thw or not _takes(trunk, clip, example_thw):
            raise
        if _takes(trunk, clip, thw):
            raise
        raise InputError(
            f"the trunk does not take clips of {described_thw(thw)} ({str(error).strip('. ')}). "
            f"{sizes_taken(trunk, clip)}; its example clip has {described_thw(example_thw)}"
        ) from error


def sizes_taken(trunk: nn.Module, like: Tensor, *own: tuple[int, int]) -> str:
    """Return a sentence with sizes of clips that a trunk takes, of those that are usual.

    Other numbers of frames are tried where it takes no size with those of `like`. Nothing is
    computed: shapes alone pass through a copy of the trunk.

    Args:
        trunk: of clips (B, 3, T, H, W).
        like: a clip (N, 3, T, H, W).
        *own: further heights and widths to try.
    """
    bare = _without_memory(trunk)
    sizes = list(dict.fromkeys([*own, *((side, side) for side in SIDES)]))
    for length in dict.fromkeys([like.shape[2], *LENGTHS]):
        clips = [(size, _meta_clip(like, (length, *size))) for size in sizes]
        taken = [size for size, clip in clips if _failure(bare, clip) is None]
        if taken:
            listed = ", ".join(f"{height}x{width}" for height, width in taken)
            return f"It takes {length} frames of {listed}"
    return "Nor does it take the other sizes that were tried"


def described_thw(thw: tuple[int, int, int]) -> str:
    """Return a clip's size for a message, as in `16 frames of 224x224`."""
    return f"{thw[0]} frames of {thw[1]}x{thw[2]}"


def _takes(trunk: nn.Module, like: Tensor, thw: tuple[int, int, int]) -> bool:
    """Return whether a trunk takes clips of a size, as far as shapes tell."""
    return _failure(_without_memory(trunk), _meta_clip(like, thw)) is None


def _meta_clip(like: Tensor, thw: tuple[int, int, int]) -> Tensor:
    return torch.empty(1, like.shape[1], *thw, dtype=like.dtype, device="meta")


def _without_memory(trunk: nn.Module) -> nn.Module:
    """Return a copy of a trunk of shapes alone, without its hooks."""
    bare = exchange_modules(trunk, lambda path, module: None)
    for module in bare.modules():
        module._forward_hooks = OrderedDict()
        module._forward_pre_hooks = OrderedDict()
        module._parameters = {
            name: value if value is None else nn.Parameter(value.to("meta"), requires_grad=False)
            for name, value in module._parameters.items()
        }
        module._buffers = {
            name: value if value is None else value.to("meta")
            for name, value in module._buffers.items()
        }
    return bare


def _failure(trunk: nn.Module, clip: Tensor) -> Exception | None:
    try:
        with evaluating(trunk), torch.no_grad():
            trunk(clip)
    except FAILURES as error:
        return error
    return None
