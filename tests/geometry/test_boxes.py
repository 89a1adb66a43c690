import pytest
import torch

from stn_action.geometry import boxes as B

WIDE = torch.tensor([10.0, 10.0, 30.0, 50.0])
SIZE_HW = (60, 100)


def test_clipping_keeps_a_box_inside():
    assert torch.equal(B.clip_boxes(WIDE, SIZE_HW), WIDE)


def test_clipping_cuts_each_side_at_its_own_border():
    around = torch.tensor([[-5.0, -7.0, 120.0, 80.0]])
    assert B.clip_boxes(around, SIZE_HW).tolist() == [[0, 0, 100, 60]]


def test_a_box_outside_becomes_empty():
    outside = torch.tensor([150.0, 10.0, 170.0, 20.0])
    assert B.clip_boxes(outside, SIZE_HW).tolist() == [100, 10, 100, 20]


def test_padding_adds_a_share_of_each_extent():
    assert B.pad_boxes(WIDE, 0.25).tolist() == [5, 0, 35, 60]
    assert torch.equal(B.pad_boxes(WIDE, 0.0), WIDE)


def test_padding_refuses_to_turn_a_box_inside_out():
    with pytest.raises(ValueError, match=r"looseness must be above -0.5, got -0.5"):
        B.pad_boxes(WIDE, -0.5)


def test_squaring_enlarges_the_shorter_side_about_the_center():
    assert B.square_boxes(WIDE).tolist() == [0, 10, 40, 50]
    assert B.square_boxes(torch.tensor([[0.0, 0.0, 8.0, 2.0]])).tolist() == [[0, -3, 8, 5]]


def test_shifting_moves_a_box_inside_by_as_little_as_possible():
    boxes = torch.tensor(
        [[-20.0, 10, 30, 20], [90, 50, 110, 70], [1, 2, 3, 4], [-10, -30, 130, 50]]
    )
    expected = [[0, 10, 50, 20], [80, 40, 100, 60], [1, 2, 3, 4], [-20, -10, 120, 70]]
    assert B.shift_boxes_inside(boxes, (60, 100)).tolist() == expected


def test_limiting_shrinks_about_the_center_in_each_direction():
    boxes = torch.tensor([[0.0, 0, 10, 40], [-50, 0, 50, 4]])
    assert B.limit_boxes(boxes, (20, 30)).tolist() == [[0, 10, 10, 30], [-15, 0, 15, 4]]


def test_the_union_contains_every_box():
    boxes = torch.tensor([[5.0, 6.0, 7.0, 8.0], [1.0, 7.0, 6.0, 20.0]])
    assert B.union_box(boxes).tolist() == [1, 6, 7, 20]


def slowly_smoothed(boxes: torch.Tensor, window: int) -> torch.Tensor:
    rows = []
    for frame in range(len(boxes)):
        reach = min(window // 2, frame, len(boxes) - 1 - frame)
        rows.append(boxes[frame - reach : frame + reach + 1].mean(dim=0))
    return torch.stack(rows)


@pytest.mark.parametrize("window", [1, 3, 7, 99])
def test_smoothing_agrees_with_a_slow_loop(window):
    boxes = torch.rand(11, 4) * 100
    torch.testing.assert_close(B.smooth_boxes(boxes, window), slowly_smoothed(boxes, window))


def test_smoothing_keeps_a_steady_motion_up_to_its_ends():
    boxes = WIDE + torch.arange(9.0)[:, None] * torch.tensor([2.0, -1.0, 2.0, -1.0])
    torch.testing.assert_close(B.smooth_boxes(boxes, 5), boxes)


@pytest.mark.parametrize("window", [0, 4, -1])
def test_smoothing_refuses_a_window_without_a_middle(window):
    with pytest.raises(ValueError, match=f"odd number of frames, at least 1, got {window}"):
        B.smooth_boxes(WIDE[None], window)


def test_centers_and_sizes_are_x_then_y():
    assert B.box_centers(WIDE).tolist() == [20, 30]
    assert B.box_sizes(WIDE).tolist() == [20, 40]


def test_areas_and_what_boxes_share_by_hand():
    other = torch.tensor(
        [[20.0, 0.0, 60.0, 20.0], [40.0, 0.0, 50.0, 20.0], [30.0, 50.0, 10.0, 10.0]]
    )
    assert B.box_areas(WIDE) == 20 * 40
    assert B.shared_areas(WIDE, other).tolist() == [10 * 10, 0, 0]
    assert B.shared_areas(WIDE[None], other[:, None]).shape == (3, 1)


def test_a_box_contains_its_border_and_swapped_corners_change_nothing():
    points = torch.tensor([[10.0, 10.0], [20.0, 49.0], [31.0, 20.0], [20.0, 51.0]])
    expected = [True, True, False, False]
    assert B.box_contains_points(WIDE, points).tolist() == expected
    assert B.box_contains_points(WIDE[[2, 1, 0, 3]], points).tolist() == expected


def test_normalized_coordinates_reach_the_outer_edges():
    whole = torch.tensor([[0.0, 0.0, 100.0, 60.0], [25.0, 15.0, 50.0, 60.0]])
    normalized = B.boxes_to_normalized(whole, SIZE_HW)
    assert normalized.tolist() == [[-1, -1, 1, 1], [-0.5, -0.5, 0, 1]]
    torch.testing.assert_close(B.boxes_to_pixels(normalized, SIZE_HW), whole)


@pytest.mark.parametrize(
    "call",
    [
        lambda boxes: B.clip_boxes(boxes, SIZE_HW),
        lambda boxes: B.pad_boxes(boxes, 0.1),
        lambda boxes: B.square_boxes(boxes),
        lambda boxes: B.box_contains_points(boxes, torch.zeros(2)),
        lambda boxes: B.boxes_to_normalized(boxes, SIZE_HW),
        lambda boxes: B.boxes_to_pixels(boxes, SIZE_HW),
    ],
)
def test_what_is_no_box_is_refused(call):
    with pytest.raises(ValueError, match=r"boxes must be \(\.\.\., 4\) xyxy, got \(3, 5\)"):
        call(torch.zeros(3, 5))


@pytest.mark.parametrize("call", [B.union_box, lambda boxes: B.smooth_boxes(boxes, 3)])
def test_an_empty_sequence_of_boxes_is_refused(call):
    with pytest.raises(ValueError, match=r"at least one box, got \(0, 4\)"):
        call(torch.zeros(0, 4))


def test_points_need_two_coordinates():
    with pytest.raises(ValueError, match=r"points must be \(\.\.\., 2\), got \(3,\)"):
        B.box_contains_points(WIDE, torch.zeros(3))
