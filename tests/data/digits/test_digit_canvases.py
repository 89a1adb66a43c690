"""Digits at random places of canvases, with their boxes."""

import pytest
import torch

from stn_action.data.digits.digit_canvases import NUM_PATCHES, PLACEMENTS, draw_canvases
from stn_action.data.digits.distortions import PATCH_SIZE
from stn_action.errors import InputError

DIGITS = torch.full((40, 28, 20), 100, dtype=torch.uint8)
OTHERS = torch.full((3, 28, 20), 200, dtype=torch.uint8)
SIZE_HW = (84, 60)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_a_box_holds_the_digit_and_nothing_else():
    drawn = draw_canvases(DIGITS, OTHERS, "T", size_hw=SIZE_HW, generator=seeded())
    assert len(drawn) == 40
    assert drawn.images.shape == (40, *SIZE_HW)
    for image, box in zip(drawn.images, drawn.boxes.long().tolist(), strict=True):
        left, top, right, bottom = box
        assert (bottom - top, right - left) == (28, 20)
        assert (image[top:bottom, left:right] == 100).all()
        assert int(image.long().sum()) == 100 * 28 * 20
    assert drawn.boxes[:, 0].unique().numel() > 10


def test_clutter_is_sixteen_patches_of_others():
    drawn = draw_canvases(DIGITS, OTHERS, "TC", size_hw=SIZE_HW, generator=seeded())
    pixels = (drawn.images == 200).sum((1, 2))
    assert (pixels <= NUM_PATCHES["TC"] * PATCH_SIZE**2).all()
    assert (pixels > 8 * PATCH_SIZE**2).all()


@pytest.mark.parametrize("placement", PLACEMENTS)
def test_equal_generators_give_equal_canvases(placement):
    one, same, other = (
        draw_canvases(DIGITS, OTHERS, placement, generator=seeded(seed)) for seed in (1, 1, 2)
    )
    assert torch.equal(one.images, same.images)
    assert torch.equal(one.boxes, same.boxes)
    assert not torch.equal(one.boxes, other.boxes)


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(InputError, match=r"\[28, 19\]: the canvas is smaller than a digit"):
        draw_canvases(DIGITS, OTHERS, "T", size_hw=(28, 19))
    with pytest.raises(InputError, match="expected one of T, TC, got 'R'"):
        draw_canvases(DIGITS, OTHERS, "R")  # type: ignore[arg-type]
