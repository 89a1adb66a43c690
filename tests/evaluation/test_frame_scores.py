import math
from dataclasses import replace

import pytest
import torch

from stn_action.data.key_frames import KeyFrameBoxes
from stn_action.data.video_table import Video, VideoTable
from stn_action.evaluation.frame_scores import score_frames

LEFT, RIGHT = [0.0, 0.0, 0.4, 1.0], [0.5, 0.0, 1.0, 1.0]
LISTED = KeyFrameBoxes(
    names=["a/0902/0", "a/0902/1", "a/0903/0", "b/0902/0"],
    groups=["a", "a", "a", "b"],
    frame=torch.tensor([902, 902, 903, 2701]),
    boxes=torch.tensor([LEFT, RIGHT, LEFT, LEFT], dtype=torch.float64),
    person=torch.tensor([0, 1, 2, 3]),
    action=torch.tensor([0, 0, 1, 1]),
)
"""Action 0 of two people at one key frame, action 1 at the next one and in another film."""


def samples(*names):
    videos = (Video(name, name, (), name[0]) for name in names)  # pyright: ignore[reportArgumentType]
    return VideoTable(videos, num_classes=3)


def test_a_sample_detects_each_action_with_its_probability():
    probabilities = torch.tensor([[0.9, 0.8, 0.5], [0.6, 0.1, 0.5], [0.7, 0.4, 0.5]])
    found = score_frames(LISTED, samples(*LISTED.names[:3]), probabilities)
    assert found is not None
    # action 0: hit, wrong frame, hit; action 1: wrong, hit, wrong
    assert found.precisions[:2].tolist() == pytest.approx([(1 + 2 / 3) / 2, 1 / 2])
    assert math.isnan(found.precisions[2])
    assert found.mean == pytest.approx((5 / 6 + 1 / 2) / 2)
    assert found.artifacts()["frame_average_precisions"] is found.precisions
    assert found.line() == (
        "frame mAP 66.7% (IoU 0.5, ground truth boxes, 2 frames; 1 frames of 1 missing films left "
        "out)"
    )


def test_who_failed_or_is_no_sample_is_missed_in_films_that_are_there():
    failed = torch.tensor([[math.nan] * 3, [0.6, 0.1, 0.5]])
    found = score_frames(LISTED, samples("a/0902/0", "a/0902/1"), failed)
    assert found is not None
    assert found.precisions[:2].tolist() == [0.5, 0]
    everyone = torch.rand(4, 3)
    found = score_frames(LISTED, samples(*LISTED.names), everyone)
    assert found is not None
    assert (found.num_frames, found.missing_films) == (3, 0)
    assert found.line().endswith("ground truth boxes, 3 frames)")


def test_detected_boxes_find_the_annotated_persons_they_overlap():
    detected = KeyFrameBoxes(
        ["a/0902/d0", "a/0902/d1"], ["a", "a"], torch.tensor([902, 902]),
        torch.tensor([[0.0, 0.0, 0.5, 1.0], [0.0, 0.0, 0.1, 0.1]], dtype=torch.float64),
        torch.zeros(0, dtype=torch.int64), torch.zeros(0, dtype=torch.int64),
    )  # fmt: skip
    listed = replace(LISTED, detected=detected, kind="detected boxes")
    found = score_frames(listed, samples("a/0902/d1", "a/0902/d0"), torch.rand(2, 3).sort(0).values)
    assert found is not None
    # the left person by the higher score; the right one, and that at the next frame, are missed
    assert found.precisions[:2].tolist() == [0.5, 0]
    assert "(IoU 0.5, detected boxes, 2 frames;" in found.line()


def test_without_a_true_box_there_is_no_frame_map():
    alone = KeyFrameBoxes(
        ["a/0902/0"], ["a"], torch.tensor([902]), torch.tensor([LEFT], dtype=torch.float64),
        torch.zeros(0, dtype=torch.int64), torch.zeros(0, dtype=torch.int64),
    )  # fmt: skip
    assert score_frames(alone, samples("a/0902/0"), torch.rand(1, 3)) is None
