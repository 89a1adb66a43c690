"""The errors of found boxes, by value."""

import pytest
import torch

from benchmarks.box_errors import Comparison, box_errors, compare_by_score, table
from stn_action.person.detectors.detector_base import Detections

TRUTH = torch.tensor([[100.0, 50, 200, 250]])


def test_errors_are_shares_of_the_annotated_box():
    errors = box_errors(torch.tensor([[90.0, 70, 230, 260]]), TRUTH)
    torch.testing.assert_close(errors.looseness, torch.tensor([[0.1, -0.1, 0.3, 0.05]]))
    torch.testing.assert_close(errors.shift, torch.tensor([[0.1, 0.075]]))
    torch.testing.assert_close(errors.ratio, torch.tensor([[1.4, 0.95]]))
    shared = 100 * 180
    assert errors.overlap.item() == pytest.approx(shared / (100 * 200 + 140 * 190 - shared))


def test_the_box_that_overlaps_most_is_compared_for_each_smallest_score():
    boxes = torch.tensor([[100.0, 50, 200, 250], [100, 50, 200, 170], [300, 0, 310, 10]])
    found = [[Detections(boxes, torch.tensor([0.06, 0.12, 0.9]))]]
    compared = compare_by_score(found, [TRUTH], [0.05, 0.1, 0.25])
    assert [one.name for one in compared[1:]] == [
        "score 0.1 and more", "score 0.25 and more", "best box at 0.05 to 0.25"
    ]  # fmt: skip
    best = [one.found[:, :4].tolist() for one in compared]
    assert best == [[boxes[0].tolist()], [boxes[1].tolist()], [boxes[2].tolist()], best[0]]
    rows = {row[0]: row for row in table(compared, per_clip=False)[2:]}
    assert [row[2] for row in rows.values()] == ["0.0 %", "0.0 %", "100.0 %", "0.0 %"]
    assert rows["score 0.1 and more"][3] == "-0.34 / -0.10 / 0.00 / 0.00 / 0.00"
    assert rows["score 0.1 and more"][-2:] == ["25.0 %", "100.0 %"]


def test_frames_of_a_clip_are_averaged_and_frames_without_a_box_are_missed():
    found = torch.tensor([[80.0, 50, 200, 250], [120, 50, 200, 250], [torch.nan] * 4])
    one = Comparison("x", found, TRUTH.expand(3, 4), torch.tensor([0, 0, 1]))
    frames, clips = (table([one], per_clip=per_clip)[2] for per_clip in (False, True))
    assert (frames[1], frames[2]) == ("3", "33.3 %")
    assert (clips[1], clips[2]) == ("2", "50.0 %")
    assert clips[3] == "0.00 / 0.00 / 0.00 / 0.00 / 0.00"
    assert frames[3] == "-0.13 / 0.00 / 0.00 / 0.00 / 0.13"
