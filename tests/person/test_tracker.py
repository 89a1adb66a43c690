"""Detections to tubes: people keep their identity."""

import numpy as np
import pytest
import torch
from torch import Tensor
from torchvision.ops import box_iou

from stn_action.errors import InputError
from stn_action.person.detect_video import detect_people
from stn_action.person.detectors.detector_base import Detections
from stn_action.person.tracker import (
    TRACKERS,
    DetectedFrame,
    PeopleTracker,
    require_tracker,
    track_people,
)
from stn_action.person.tube import Tube
from tests.person.scene import ColorDetector, crossing, draw, standing, write_scene


def seen(*boxes: Tensor, score: float = 0.9) -> Detections:
    rows = torch.stack(boxes) if boxes else torch.zeros(0, 4)
    return Detections(rows, torch.full((len(rows),), score))


def tracked(found: list[tuple[int, Detections]]) -> tuple[Tube, ...]:
    return track_people((DetectedFrame(*one) for one in found), detections_per_second=30)


def walked(tube: Tube, truth: Tensor) -> Tensor:
    """(N,) overlap of a tube's boxes with the way of one person (T, 4)."""
    return box_iou(tube.boxes, truth[tube.frame_indices]).diagonal()


@pytest.mark.parametrize("every", [1, 2, 3])
def test_people_who_cross_keep_their_identity(tmp_path, every):
    truth = crossing()
    path = write_scene(tmp_path / "crossing.mp4", truth)
    people = detect_people(path, "crossing", ColorDetector(), every=every, batch_size=4)
    assert (people.size_hw, people.num_frames, people.fps) == ((120, 240), 60, 30.0)
    assert len(people.tubes) == 2
    in_order = sorted(people.tubes, key=lambda tube: float(tube.boxes[0, 0]))
    for tube, way in zip(in_order, truth, strict=True):
        assert (int(tube.frame_indices[0]), int(tube.frame_indices[-1])) == (0, 60 - every)
        overlap = walked(tube, way)
        assert overlap[:5].min() > 0.9
        assert overlap[-5:].min() > 0.9
        assert walked(tube, way).mean() > 0.8


@pytest.fixture(scope="module")
def crossed() -> list[DetectedFrame]:
    """Two people who cross in front of a wall that shows the camera's motion."""
    images = draw(crossing(), textured=True)
    found = ColorDetector().detect(torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2))
    return [DetectedFrame(t, *one) for t, one in enumerate(zip(found, images, strict=True))]


@pytest.mark.parametrize("kind", TRACKERS)
@pytest.mark.parametrize("every", [1, 3])
def test_each_tracker_follows_two_people_who_cross(crossed, kind, every):
    tubes = track_people(crossed[::every], detections_per_second=30 / every, kind=kind)
    assert len(tubes) == 2
    in_order = sorted(tubes, key=lambda tube: float(tube.boxes[0, 0]))
    for tube, way in zip(in_order, crossing(), strict=True):
        assert (int(tube.frame_indices[0]), int(tube.frame_indices[-1])) == (0, 60 - every)
        overlap = walked(tube, way)
        assert overlap[:4].min() > 0.9
        assert overlap[-4:].min() > 0.9


def test_a_camera_that_swings_is_followed_by_botsort_alone():
    swing = torch.tensor([0, 30, 60])[torch.arange(18) // 6]  # a person is 24 pixels wide
    way = standing(18, left=60.0)[0] + torch.stack([swing, 0 * swing] * 2, dim=1)
    images = draw(way[None], textured=True, shifts=swing.tolist())
    found = [DetectedFrame(t, seen(way[t]), images[t]) for t in range(18)]
    number = {
        kind: len(track_people(found, detections_per_second=30, kind=kind))
        for kind in ("bytetrack", "botsort")
    }
    assert number == {"bytetrack": 3, "botsort": 1}


def test_a_wrong_tracker_is_answered_with_the_right_ones():
    with pytest.raises(InputError, match=r"one of bytetrack, botsort, ocsort, cbiou, sort, got 'd"):
        require_tracker("deepsort")
    with pytest.raises(InputError, match="--tracker must be one of bytetrack"):
        PeopleTracker(30.0, "ByteTrack")
    assert [require_tracker(kind) for kind in ("bytetrack", "cbiou")] == ["ByteTrack", "C-BIoU"]


def test_the_first_box_of_a_person_is_kept():
    way = standing(4)[0]
    (tube,) = tracked([(t, seen(way[t])) for t in range(4)])
    assert tube.frame_indices.tolist() == [0, 1, 2, 3]
    assert tube.scores.tolist() == pytest.approx([0.9] * 4)


def test_a_person_seen_once_is_none_and_weak_ones_begin_no_tube():
    way = standing(6)[0]
    once = [(t, seen(way[t]) if t == 2 else seen()) for t in range(6)]
    assert tracked(once) == ()
    weak = [(t, seen(way[t], score=0.3)) for t in range(6)]
    assert tracked(weak) == ()


def test_weak_detections_continue_a_tube():
    way = standing(8)[0]
    found = [(t, seen(way[t], score=0.3 if t in (3, 4) else 0.9)) for t in range(8)]
    (tube,) = tracked(found)
    assert tube.frame_indices.tolist() == list(range(8))


@pytest.mark.parametrize(("gap", "number"), [(5, 1), (40, 2)])
def test_a_person_lost_for_longer_than_a_second_is_another_one(gap, number):
    way = standing(80)[0]
    found = [(t, seen() if 10 <= t < 10 + gap else seen(way[t])) for t in range(80)]
    assert len(tracked(found)) == number


def test_frames_must_increase():
    with pytest.raises(ValueError, match="frames must increase, got 3 after 3"):
        tracked([(3, seen()), (3, seen())])


def test_a_video_without_people_has_no_tube(tmp_path):
    path = write_scene(tmp_path / "empty.mp4", torch.zeros(0, 9, 4))
    people = detect_people(path, "empty", ColorDetector())
    assert people.tubes == ()
    assert people.longest_span == 0
