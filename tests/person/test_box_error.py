"""Box errors: one draw for each video, the person partly inside, the same in all frames."""

import pytest
import torch

from stn_action.geometry.boxes import box_sizes, shared_areas
from stn_action.person.box_error import (
    LEAST_INSIDE,
    LEAST_PIXELS,
    BoxErrors,
    boxes_with_error,
    tubes_with_error,
)
from stn_action.person.select import select_boxes
from stn_action.person.tube import Tube

STRONG = BoxErrors(looseness=(0.0, 1.5), shift=0.5, cut=0.2)
UNIT = torch.tensor([0.0, 0.0, 1.0, 1.0])


def draws(errors: BoxErrors, count: int = 1000) -> torch.Tensor:
    return torch.stack([errors.of_video(f"class/{number}") for number in range(count)])


def tube(offset: float = 0.0) -> Tube:
    frames = torch.tensor([0, 1, 2, 5, 6])
    boxes = torch.tensor([10.0, 20, 30, 60]) + frames[:, None] * torch.tensor([2.0, 1, 3, 0])
    return Tube(frames, boxes + offset, torch.ones(5))


def test_an_error_is_in_units_of_the_box():
    boxes = torch.tensor([[10.0, 20.0, 30.0, 60.0], [0.0, 0.0, 40.0, 20.0]])
    error = torch.tensor([-0.5, 0.0, 1.25, 0.75])
    assert boxes_with_error(boxes, error).tolist() == [[0, 20, 35, 50], [-20, 0, 50, 15]]
    assert torch.equal(boxes_with_error(boxes, UNIT), boxes)


def test_a_box_has_a_few_pixels_at_least():
    error = torch.tensor([0.0, 0.0, 0.25, 1.0])
    boxes = torch.tensor([[10.0, 10.0, 14.0, 50.0]])  # 1 pixel wide with the error
    assert boxes_with_error(boxes, error).tolist() == [[8.5, 10, 12.5, 50]]
    assert float(box_sizes(boxes_with_error(boxes, error)).min()) == LEAST_PIXELS


def test_a_looseness_alone_adds_the_same_on_all_sides():
    found = draws(BoxErrors(looseness=(0.2, 0.6)))
    margins = torch.cat([-found[:, :2], found[:, 2:] - 1], dim=1)
    torch.testing.assert_close(margins, margins[:, :1].expand(-1, 4))
    assert float(margins.min()) == pytest.approx(0.2, abs=0.01)
    assert float(margins.max()) == pytest.approx(0.6, abs=0.01)
    assert float(margins.mean()) == pytest.approx(0.4, abs=0.01)


def test_a_shift_alone_moves_the_box_in_all_directions():
    found = draws(BoxErrors(shift=0.5)) - UNIT
    torch.testing.assert_close(found[:, :2], found[:, 2:])
    assert float(found.abs().max()) == pytest.approx(0.5, abs=0.01)
    assert found.mean(0).tolist() == pytest.approx([0] * 4, abs=0.03)
    assert abs(float(torch.corrcoef(found[:, :2].T)[0, 1])) < 0.1


def test_a_cut_alone_takes_one_side_of_some():
    found = draws(BoxErrors(cut=0.2))
    depths = (found - UNIT).abs()
    assert torch.equal((depths > 0).sum(1) <= 1, torch.ones(1000, dtype=torch.bool))
    assert float((depths > 0).any(1).float().mean()) == pytest.approx(0.2, abs=0.03)
    assert float(depths.max()) == pytest.approx(0.5, abs=0.01)
    assert (depths > 0).float().mean(0).tolist() == pytest.approx([0.05] * 4, abs=0.02)
    assert draws(BoxErrors(cut=1.0), 50).ne(UNIT).sum(1).eq(1).all()


@pytest.mark.parametrize(
    "errors", [STRONG, BoxErrors(shift=3.0, cut=1.0), BoxErrors((-0.4, 5), 5.0)]
)
def test_a_part_of_the_person_stays_inside(errors):
    found = draws(errors)
    first, last = found[:, :2].clamp(min=0), found[:, 2:].clamp(max=1)
    assert float((last - first).min()) >= LEAST_INSIDE - 1e-6
    assert float(shared_areas(found, UNIT).min()) >= LEAST_INSIDE**2 - 1e-6


def test_an_error_depends_on_the_seed_and_the_name_of_the_video_alone():
    torch.manual_seed(1)
    first = STRONG.of_video("a/b")
    torch.manual_seed(2)
    assert torch.equal(STRONG.of_video("a/b"), first)
    torch.testing.assert_close(
        first, torch.tensor([0.0067, -0.6620, 1.6371, 0.9684]), atol=1e-4, rtol=0
    )
    others = [STRONG.of_video("a/c"), BoxErrors((0.0, 1.5), 0.5, 0.2, seed=1).of_video("a/b")]
    assert not any(torch.equal(first, other) for other in others)


def test_milder_settings_give_milder_errors_of_the_same_video():
    mild, strong = BoxErrors((0.0, 0.15), 0.05), BoxErrors((0.0, 1.5), 0.5)
    torch.testing.assert_close((draws(mild, 99) - UNIT) * 10, draws(strong, 99) - UNIT)


def test_all_people_of_a_video_have_its_error_in_all_frames():
    one, other = tubes_with_error([tube(), tube(50)], STRONG, "a/b")
    error = STRONG.of_video("a/b")
    assert torch.equal(one.boxes, boxes_with_error(tube().boxes, error))
    torch.testing.assert_close(other.boxes, one.boxes + 50)
    assert torch.equal(one.frame_indices, tube().frame_indices)
    assert torch.equal(one.scores, tube().scores)
    before, after = tube().smoothed(3), one.smoothed(3)
    torch.testing.assert_close(boxes_with_error(before.boxes, error), after.boxes)


@pytest.mark.parametrize("select", ["union", "longest"])
def test_people_are_selected_and_united_with_their_errors(select):
    error = STRONG.of_video("a/b")
    wrong = tubes_with_error([tube(), tube(50)], STRONG, "a/b")
    frames = torch.tensor([0, 3, 6])
    one, other = (boxes_with_error(known.boxes_at(frames), error) for known in (tube(), tube(50)))
    expected = torch.cat([one[:, :2].minimum(other[:, :2]), one[:, 2:].maximum(other[:, 2:])], 1)
    found = select_boxes(wrong, frames, select)
    torch.testing.assert_close(found, expected if select == "union" else one)


def test_without_errors_tubes_are_as_they_were():
    tubes = (tube(),)
    assert tubes_with_error(tubes, None, "a") == tubes
    assert tubes_with_error((), STRONG, "a") == ()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"looseness": (0.5, 0.2)}, r"looseness must be \[smallest, largest\], above -0.5"),
        ({"looseness": (-0.5, 0.2)}, "looseness must be"),
        ({"shift": -0.1}, "shift must not be negative, got -0.1"),
        ({"cut": 1.5}, "cut must be a probability, got 1.5"),
    ],
)
def test_a_setting_out_of_range_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        BoxErrors(**settings)
