"""Which of the persons in a video a clip is about."""

import pytest
import torch

from stn_action.person.select import TubeChoice, select_boxes
from stn_action.person.tube import Tube


def tube(first: int, last: int, box: tuple[float, ...], score: float = 0.5, step: int = 1) -> Tube:
    frames = torch.arange(first, last + 1, step)
    boxes = torch.tensor(box, dtype=torch.float32).expand(len(frames), 4).clone()
    return Tube(frames, boxes, torch.full((len(frames),), score))


EARLY = tube(0, 40, (0, 0, 10, 20), score=0.6)
LARGE = tube(30, 60, (50, 0, 90, 80), score=0.5)
SURE = tube(35, 50, (100, 10, 110, 30), score=0.9)
TUBES = (EARLY, LARGE, SURE)


@pytest.mark.parametrize(
    ("select", "frames", "left"),
    [
        ("longest", [0, 10, 20], 0),
        ("longest", [32, 40, 50], 50),  # EARLY is seen to 40 only
        ("largest", [0, 10, 20], 0),
        ("largest", [36, 40], 50),
        ("score", [20, 40], 100),
        ("score", [0, 20], 0),
        ("longest", [70, 80], 0),  # no person is visible any more: the longest of the video
        ("score", [70, 80], 100),
    ],
)
def test_one_person_is_chosen_within_the_clips_time(select, frames, left):
    boxes = select_boxes(TUBES, torch.tensor(frames), select)
    assert boxes.shape == (len(frames), 4)
    assert boxes[:, 0].tolist() == [left] * len(frames)


def test_the_union_holds_all_people_present_in_each_frame():
    boxes = select_boxes(TUBES, torch.tensor([0, 35, 55]), "union")
    assert boxes.tolist() == [[0, 0, 10, 20], [0, 0, 110, 80], [50, 0, 90, 80]]


def test_the_union_of_a_clip_without_people_holds_all_of_the_video():
    boxes = select_boxes(TUBES, torch.tensor([70, 71]), "union")
    assert boxes.tolist() == [[0, 0, 110, 80]] * 2


def test_in_a_frame_between_two_people_the_union_holds_both():
    apart = (tube(0, 3, (0, 0, 10, 10)), tube(8, 9, (20, 0, 30, 10)))
    boxes = select_boxes(apart, torch.tensor([2, 5, 8]), "union")
    assert boxes.tolist() == [[0, 0, 10, 10], [0, 0, 30, 10], [20, 0, 30, 10]]


@pytest.mark.parametrize("select", ["longest", "largest", "score", "union"])
def test_a_gap_between_detections_counts_as_seen(select):
    sparse = tube(0, 40, (0, 0, 10, 20), score=0.9, step=20)
    other = tube(60, 80, (50, 0, 90, 80), score=0.5)
    boxes = select_boxes((other, sparse), torch.tensor([5, 6, 7]), select)
    assert boxes.tolist() == [[0, 0, 10, 20]] * 3


def test_boxes_are_smoothed_and_gaps_filled():
    frames = torch.tensor([0, 4, 5])
    boxes = torch.tensor([[0.0, 0, 10, 10], [8, 0, 18, 10], [8, 0, 18, 10]])
    moving = Tube(frames, boxes, torch.ones(3))
    assert select_boxes((moving,), torch.tensor([1, 2]), "longest")[:, 0].tolist() == [2, 4]
    smooth = select_boxes((moving,), torch.tensor([4]), "longest", smooth_window=3)
    assert smooth[0, 0].item() == pytest.approx((6 + 8 + 8) / 3)


def test_short_tubes_are_passed_over():
    assert TubeChoice("union", min_span=32).kept(TUBES) == (EARLY,)
    assert TubeChoice().kept(TUBES) == TUBES


def test_settings_are_checked():
    with pytest.raises(ValueError, match=r"select must be one of .*'union'.* got 'both'"):
        TubeChoice("both")
    with pytest.raises(ValueError, match="min_span must be at least 1, got 0"):
        TubeChoice(min_span=0)
    with pytest.raises(ValueError, match="tubes must not be empty"):
        select_boxes((), torch.tensor([0]), "longest")
