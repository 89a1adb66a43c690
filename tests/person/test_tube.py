import pytest
import torch

from stn_action.person.tube import Tube


def tube(frames: list[int], lefts: list[float]) -> Tube:
    boxes = torch.tensor([[left, 2 * left, left + 10, 2 * left + 30] for left in lefts])
    return Tube(torch.tensor(frames), boxes, torch.ones(len(frames)))


def test_known_frames_give_their_own_boxes():
    known = tube([3, 4, 8], [10.0, 20.0, 60.0])
    assert torch.equal(known.boxes_at(torch.tensor([3, 4, 8])), known.boxes)


def test_a_gap_is_filled_linearly():
    known = tube([3, 4, 8], [10.0, 20.0, 60.0])
    assert known.boxes_at(torch.tensor([5, 7])).tolist() == [[30, 60, 40, 90], [50, 100, 60, 130]]


def test_the_ends_are_held():
    known = tube([3, 4, 8], [10.0, 20.0, 60.0])
    boxes = known.boxes_at(torch.tensor([0, 100, 2]))
    assert torch.equal(boxes, known.boxes[[0, 2, 0]])


def test_a_tube_of_one_box_holds_it_everywhere():
    boxes = tube([5], [10.0]).boxes_at(torch.tensor([0, 5, 9]))
    assert torch.equal(boxes, torch.tensor([[10.0, 20.0, 20.0, 50.0]]).repeat(3, 1))


def test_indices_may_come_in_any_order_and_repeat():
    known = tube([0, 10], [0.0, 100.0])
    assert known.boxes_at(torch.tensor([7, 1, 7]))[:, 0].tolist() == pytest.approx([70, 10, 70])


def test_smoothing_fills_gaps_and_gives_them_no_score():
    smooth = tube([2, 3, 6], [0.0, 10.0, 40.0]).smoothed(1)
    assert smooth.frame_indices.tolist() == [2, 3, 4, 5, 6]
    assert smooth.boxes[:, 0].tolist() == pytest.approx([0, 10, 20, 30, 40])
    assert smooth.scores.tolist() == [1, 1, 0, 0, 1]


def test_smoothing_counts_frames_of_the_video_and_not_known_boxes():
    smooth = tube([0, 4, 8], [0.0, 40.0, 0.0]).smoothed(3)
    assert smooth.boxes[4, 0].item() == pytest.approx((30 + 40 + 30) / 3)
    assert smooth.boxes[2, 0].item() == pytest.approx(20)


@pytest.mark.parametrize(
    ("frames", "boxes", "scores", "message"),
    [
        (torch.zeros(0).long(), torch.zeros(0, 4), torch.zeros(0), "at least one box"),
        (torch.tensor([0.0]), torch.zeros(1, 4), torch.zeros(1), r"must be int64 \(N,\)"),
        (torch.tensor([0]), torch.zeros(2, 4), torch.zeros(1), r"must be float32 \(1, 4\)"),
        (torch.tensor([0]), torch.zeros(1, 4), torch.zeros(2), r"scores must be \(1,\), got \(2,"),
        (torch.tensor([1, 1]), torch.zeros(2, 4), torch.zeros(2), "must strictly increase"),
    ],
)
def test_a_malformed_tube_is_refused(frames, boxes, scores, message):
    with pytest.raises(ValueError, match=message):
        Tube(frames, boxes, scores)
