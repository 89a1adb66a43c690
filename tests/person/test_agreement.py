"""Found boxes against annotated ones."""

import pytest
import torch

from stn_action.person.agreement import best_overlaps, share_of_frames
from stn_action.person.tube import Tube
from stn_action.person.video_people import VideoPeople


def tube(frames: list[int], *boxes: tuple[float, ...]) -> Tube:
    return Tube(torch.tensor(frames), torch.tensor(boxes), torch.ones(len(frames)))


def test_the_best_box_of_the_same_frame_counts():
    truth = VideoPeople("v", (tube([0, 1, 5], *[(0.0, 0, 10, 10)] * 3),), (20, 40))
    found = VideoPeople(
        "v",
        (
            tube([0, 2], (0.0, 0, 10, 20), (0.0, 0, 10, 20)),  # half, in frames 0 to 2
            tube([1, 2], (0.0, 0, 10, 10), (9.0, 9, 10, 10)),  # all of it, in frame 1
        ),
        (20, 40),
        num_frames=6,
    )
    assert best_overlaps(found, truth).tolist() == [0.5, 1.0, 0.0]
    assert share_of_frames(found) == 0.5


def test_annotations_of_another_size_are_scaled_and_found_boxes_padded():
    truth = VideoPeople("v", (tube([0], (0.0, 0, 16, 12)),), (240, 320))
    found = VideoPeople("v", (tube([0], (2.125, 1.6, 14.875, 11.2)),), (256, 340))
    exact = 12.75 * 9.6 / (17 * 12.8)
    assert best_overlaps(found, truth).tolist() == pytest.approx([exact])
    looser = 1 / 6
    assert best_overlaps(found, truth, looseness=looser).tolist() == pytest.approx([1.0])


def test_what_must_be_known_is_reported():
    unknown = VideoPeople("v", ())
    with pytest.raises(ValueError, match="size_hw of v must be known"):
        best_overlaps(unknown, unknown)
    with pytest.raises(ValueError, match="num_frames of v must be known"):
        share_of_frames(unknown)
    sized = VideoPeople("v", (), (20, 40), num_frames=3)
    assert best_overlaps(sized, sized).tolist() == []
    assert share_of_frames(sized) == 0
