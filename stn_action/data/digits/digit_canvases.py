"""Digits at random places of larger canvases, with and without clutter, and their true boxes.

The images of the spatial transformer paper's co-localization (Jaderberg et al. 2015, arXiv
1506.02025, appendix A.2): a digit of 28x28 pixels on a canvas of 84x84, and for the cluttered set
16 patches of 6x6 pixels of other digits.
"""

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from stn_action.data.digits.distortions import clutter, digit_boxes
from stn_action.errors import InputError

Placement = Literal["T", "TC"]
PLACEMENTS = get_args(Placement)
CANVAS_SIZE = 84
"""Height and width of the paper's canvases, pixels."""
NUM_PATCHES: dict[Placement, int] = {"T": 0, "TC": 16}


@dataclass(frozen=True)
class DigitCanvases:
    """N canvases with one digit each."""

    images: Tensor
    """(N, H, W) uint8."""
    boxes: Tensor
    """(N, 4) float32, xyxy in pixels: where the digit is."""

    def __len__(self) -> int:
        return len(self.images)


def draw_canvases(
    digits: Tensor,
    others: Tensor,
    placement: Placement,
    *,
    size_hw: tuple[int, int] = (CANVAS_SIZE, CANVAS_SIZE),
    generator: torch.Generator | None = None,
) -> DigitCanvases:
    """Draw a canvas for each digit.

    Args:
        digits: (N, h, w) uint8.
        others: (M, h, w) uint8, digits of which the patches are taken.
        placement: T, the digit alone at a random place, or TC, with patches.
        size_hw: H, W of the canvas.
        generator: of the places and patches.

    Raises:
        InputError: the canvas is smaller than a digit, or there is no such placement.
    """
    if placement not in PLACEMENTS:
        raise InputError(f"expected one of {', '.join(PLACEMENTS)}, got {placement!r}")
    uniform = torch.rand(len(digits), 2 + 5 * NUM_PATCHES[placement], generator=generator)
    images = clutter(digits, uniform, size_hw, others)
    return DigitCanvases(images, digit_boxes(uniform, size_hw, (digits.shape[1], digits.shape[2])))
