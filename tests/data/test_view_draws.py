"""Views of other shapes, and the boxes that they become."""

import math

import pytest
import torch

from stn_action.data.view_draws import PLACES, MultiScaleCrop, RandomResizedCrop
from stn_action.geometry.boxes import box_sizes
from stn_action.person.crop import view_boxes

REGION = torch.tensor([[100.0, 50.0, 420.0, 290.0]])  # 320 x 240


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_random_resized_crops_have_areas_and_ratios_in_range_and_stay_in_the_region():
    crop, drawn = RandomResizedCrop((0.2, 0.6), (0.5, 2.0)), generator()
    views = [crop.draw((320, 240), drawn) for _ in range(300)]
    boxes = torch.cat([view_boxes(REGION, view, "square") for view in views])
    width, height = box_sizes(boxes).unbind(1)
    areas = width * height / (320 * 240)
    assert 0.195 < areas.min() < 0.22
    assert 0.58 < areas.max() < 0.605
    ratios = width / height
    assert 0.48 < ratios.min() < 0.55
    assert 1.8 < ratios.max() < 2.05
    assert 120 < (ratios > 1).sum() < 180  # even in the logarithm
    assert (boxes[:, :2] >= REGION[0, :2]).all()
    assert (boxes[:, 2:] <= REGION[0, 2:]).all()


def test_an_area_that_no_shape_has_room_for_gives_the_largest_view_in_the_middle():
    view = RandomResizedCrop((1.0, 1.0), (0.5, 0.5)).draw((320, 240), generator())
    assert view_boxes(REGION, view, "square").tolist() == [[200, 50, 320, 290]]


def test_shares_of_a_free_region_are_of_each_side():
    view = RandomResizedCrop((0.25, 0.25), (1.0, 1.0)).draw((1, 1), generator())
    sizes = box_sizes(view_boxes(REGION, view, "free"))
    assert sizes.tolist() == [[160, 120]]


def test_multi_scale_crops_have_two_neighboring_sizes_and_the_places_of_tsn():
    crop, drawn = MultiScaleCrop((1.0, 0.75, 0.5)), generator()
    views = [crop.draw((320, 240), drawn) for _ in range(400)]
    sizes = {tuple(box_sizes(view_boxes(REGION, view, "square"))[0].tolist()) for view in views}
    sides = [240, 180, 120]
    wanted = {(a, b) for i, a in enumerate(sides) for j, b in enumerate(sides) if abs(i - j) < 2}
    assert sizes == wanted
    assert {view.place_xy for view in views} == set(PLACES)
    only = MultiScaleCrop((0.5,), num_fixed_crops=5)
    assert {only.draw((9, 9), drawn).place_xy for _ in range(60)} == set(PLACES[:5])
    assert only.draw((9, 9), drawn).share == pytest.approx(math.sqrt(0.25))


@pytest.mark.parametrize(
    ("crop", "settings", "message"),
    [
        (RandomResizedCrop, {"scale": (0.5, 0.2)}, r"scale must be a range in \(0, 1\]"),
        (RandomResizedCrop, {"ratio": (0.0, 1.0)}, "ratio must be a range above 0"),
        (MultiScaleCrop, {"scales": (1.2,)}, r"scales must be in \(0, 1\], got \(1.2,\)"),
        (MultiScaleCrop, {"num_fixed_crops": 7}, "num_fixed_crops must be 5 or 13, got 7"),
    ],
)
def test_ranges_are_checked(crop, settings, message):
    with pytest.raises(ValueError, match=message):
        crop(**settings)
