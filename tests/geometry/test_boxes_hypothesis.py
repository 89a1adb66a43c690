"""Box arithmetic on drawn boxes: what goes there and back comes home to 1e-4 pixels."""

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from stn_action.geometry import boxes as B
from stn_action.person.crop import CropSpec, View, inverse_map, source_box, view_boxes
from stn_action.person.tube import Tube
from stn_action.person.video_people import VideoPeople

SIDES = st.integers(2, 4096)
SIZES = st.tuples(SIDES, SIDES)
TOLERANCE = 1e-4


@st.composite
def boxes_in(draw: st.DrawFn, reach: float = 0.0, count: int = 3):
    """An image's size and boxes (count, 4) in it, or beyond it by up to `reach` of its sides."""
    height, width = draw(SIZES)
    rows = []
    for _ in range(count):
        corner = [
            sorted(draw(st.lists(st.floats(-reach, 1 + reach, width=32), min_size=2, max_size=2)))
            for _ in range(2)
        ]
        (x0, x1), (y0, y1) = corner
        rows.append([x0 * width, y0 * height, x1 * width + 1, y1 * height + 1])
    return (height, width), torch.tensor(rows, dtype=torch.float64)


def close(one: torch.Tensor, other: torch.Tensor) -> bool:
    return float((one - other).abs().max()) <= TOLERANCE


@given(boxes_in(reach=0.5))
def test_normalized_and_back(drawn):
    size_hw, boxes = drawn
    for given_boxes in (boxes, boxes.float()):
        there = B.boxes_to_normalized(given_boxes, size_hw)
        tolerance = TOLERANCE
        if given_boxes.dtype == torch.float32:  # its spacing at 4096 pixels is 5e-4
            tolerance = max(TOLERANCE, 5e-7 * max(size_hw))
        assert (B.boxes_to_pixels(there, size_hw) - given_boxes).abs().max() <= tolerance


@given(boxes_in(reach=0.5), st.floats(0, 4))
def test_padding_and_its_inverse(drawn, looseness):
    _, boxes = drawn
    loose = B.pad_boxes(boxes, looseness)
    shrink = -looseness / (1 + 2 * looseness)
    assert close(B.pad_boxes(loose, shrink), boxes)
    assert close(B.box_centers(loose), B.box_centers(boxes))
    assert close(B.box_sizes(loose), B.box_sizes(boxes) * (1 + 2 * looseness))


@given(boxes_in(reach=0.75))
def test_clipping_is_done_once_and_lies_inside(drawn):
    (height, width), boxes = drawn
    clipped = B.clip_boxes(boxes, (height, width))
    assert torch.equal(B.clip_boxes(clipped, (height, width)), clipped)
    assert (clipped[:, 0::2] <= width).all()
    assert (clipped[:, 1::2] <= height).all()
    assert (clipped >= 0).all()
    assert close(B.shared_areas(clipped, boxes), B.box_areas(clipped))


@given(boxes_in(reach=0.5))
def test_squares_hold_their_box_and_stay_squares(drawn):
    _, boxes = drawn
    squares = B.square_boxes(boxes)
    sides = B.box_sizes(squares)
    assert close(sides[:, 0], sides[:, 1])
    assert close(B.square_boxes(squares), squares)
    assert (
        close(B.shared_areas(squares, boxes), B.box_areas(boxes).clamp(min=0))
        or (
            (B.shared_areas(squares, boxes) - B.box_areas(boxes)).abs() <= 1e-6 * B.box_areas(boxes)
        ).all()
    )


@given(boxes_in(), st.floats(0, 2), st.floats(0.1, 1), st.booleans(), st.booleans())
@settings(max_examples=60)
def test_a_point_goes_into_the_clip_and_comes_home(drawn, looseness, share, mirror, square):
    size_hw, boxes = drawn
    spec = CropSpec((32, 32), looseness=looseness, aspect="square" if square else "free")
    region = source_box(boxes.float(), size_hw, spec)
    view = view_boxes(region, View(share, (0.3, 0.9)), spec.aspect)
    edges = inverse_map(view, mirror).double()
    points = B.box_centers(boxes)
    start, end = edges[:, :2], edges[:, 2:]
    in_clip = (points - start) / (end - start) * 2 - 1  # [-1, 1] over the clip
    assert close(start + (in_clip + 1) / 2 * (end - start), points)
    assert ((edges[:, 0] > edges[:, 2]) == mirror).all()


@given(boxes_in(), st.floats(0.25, 4))
def test_boxes_scaled_to_another_size_and_back(drawn, factor):
    (height, width), boxes = drawn
    if min(height, width) < 200:  # rounding to whole pixels changes the aspect of small images
        height, width = height + 200, width + 200
    other = round(height * factor), round(width * factor)
    expected = B.clip_boxes(boxes.float(), (height, width))
    assume((B.box_sizes(expected) > 0).all())  # one that starts on the edge is outside, and refused
    tube = Tube(torch.arange(3), boxes.float(), torch.ones(3))
    there = VideoPeople("v", (tube,), (height, width)).tubes_in(other)
    (back,) = VideoPeople("v", there, other).tubes_in((height, width))
    assert (back.boxes - expected).abs().max() <= 4e-7 * 4 * max(height, width) + TOLERANCE


@given(boxes_in(count=9), st.sampled_from([1, 3, 5, 9]))
def test_smoothing_keeps_a_constant_motion_and_the_sum(drawn, window):
    _, boxes = drawn
    moving = boxes[:1] + torch.arange(9)[:, None] * (boxes[1] - boxes[0]) / 100
    assert close(B.smooth_boxes(moving, window), moving)
    smooth = B.smooth_boxes(boxes, window)
    assert (smooth >= boxes.amin(0) - TOLERANCE).all()
    assert (smooth <= boxes.amax(0) + TOLERANCE).all()


@given(boxes_in(reach=0.5, count=5))
def test_the_union_is_the_smallest_box_around_all(drawn):
    _, boxes = drawn
    union = B.union_box(boxes)
    around = B.shared_areas(union.expand(5, 4), boxes)
    assert torch.allclose(around, B.box_areas(boxes), rtol=1e-9)
    assert set(union.tolist()) <= set(boxes.flatten().tolist())


@pytest.mark.parametrize("jitter", [0.0, 0.1, 0.4])
def test_jitter_moves_each_side_by_no_more_than_its_share(jitter):
    spec = CropSpec((8, 8), looseness=0, box_jitter=jitter, aspect="free")
    box = torch.tensor([[20.0, 30, 60, 50]])
    generator = torch.Generator().manual_seed(0)
    moves = torch.cat([source_box(box, (90, 90), spec, generator) - box for _ in range(200)])
    most = moves.abs().amax(0)
    limits = jitter * torch.tensor([40.0, 20, 40, 20])
    assert (most <= limits + 1e-4).all()
    assert (most >= 0.9 * limits).all()
