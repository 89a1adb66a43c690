"""AVA's frame mAP: by hand, and against a slow reference in loops."""

import math

import pytest
import torch

from stn_action.evaluation.detection_map import (
    ActionBoxes,
    average_precisions,
    matched,
    mean_average_precision,
)

LEFT, RIGHT = [0.0, 0.0, 0.4, 1.0], [0.6, 0.0, 1.0, 1.0]
NEAR_LEFT = [0.05, 0.0, 0.45, 1.0]  # IoU with LEFT: 0.35 / 0.45


def boxes(*rows):
    """Of (frame, action, box)."""
    frames, actions, corners = zip(*rows, strict=True) if rows else ((), (), ())
    return ActionBoxes(
        torch.tensor(frames, dtype=torch.int64),
        torch.tensor(actions, dtype=torch.int64),
        torch.tensor(corners, dtype=torch.float64).reshape(-1, 4),
    )


def slow_iou(one, other):
    """Of two boxes."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    both = max(width, 0) * max(height, 0)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return both / (sum(areas) - both)


def slow_precision(detections, scores, truth, action):
    """By loops over the thresholds of the score: the area below the precision that is reached."""
    rows = sorted(
        (row for row in range(len(scores)) if detections[row][1] == action),
        key=lambda row: -scores[row],
    )
    true = [number for number, one in enumerate(truth) if one[1] == action]
    taken, curve, num_hits = set(), [], 0
    for place, row in enumerate(rows, start=1):
        frame, _, box = detections[row]
        here = [number for number in true if truth[number][0] == frame]
        overlaps = [slow_iou(box, truth[number][2]) for number in here]
        if overlaps and max(overlaps) >= 0.5:
            best = here[overlaps.index(max(overlaps))]
            num_hits += best not in taken
            taken.add(best)
        curve.append((num_hits / len(true), num_hits / place))
    area, reached = 0.0, 0.0
    for recall in sorted({recall for recall, _ in curve}):
        best = max(precision for other, precision in curve if other >= recall)
        area, reached = area + (recall - reached) * best, recall
    return area


def test_perfect_detections_have_one():
    truth = boxes((0, 0, LEFT), (0, 1, LEFT), (7, 1, RIGHT))
    precisions = average_precisions(truth, torch.tensor([0.3, 0.1, 0.2]), truth, 3)
    assert precisions[:2].tolist() == [1, 1]
    assert math.isnan(precisions[2])
    assert mean_average_precision(precisions) == 1


def test_a_mean_by_hand():
    truth = boxes((0, 0, LEFT), (1, 0, LEFT), (1, 0, RIGHT), (1, 1, RIGHT))
    found = boxes((0, 0, NEAR_LEFT), (0, 0, RIGHT), (1, 0, RIGHT))
    precisions = average_precisions(found, torch.tensor([0.9, 0.8, 0.7]), truth, 2)
    # hits 1, 0, 1 of 3: precisions 1 and 2/3; nothing was found of the second action
    assert precisions.tolist() == pytest.approx([(1 + 2 / 3) / 3, 0])
    assert mean_average_precision(precisions) == pytest.approx((1 + 2 / 3) / 6)


def test_a_box_is_taken_once_and_none_is_second_best():
    truth = boxes((0, 0, LEFT), (0, 0, [0.05, 0.0, 0.5, 1.0]))
    assert matched(boxes((0, 0, LEFT), (0, 0, LEFT)), truth).tolist() == [True, False]


def test_frames_and_actions_are_apart():
    truth = boxes((0, 0, LEFT))
    found = boxes((1, 0, LEFT), (0, 1, LEFT), (0, 0, LEFT))
    assert matched(found, truth).tolist() == [False, False, True]


def test_a_frame_may_have_so_many_detections():
    truth = boxes((0, 0, LEFT), (0, 1, RIGHT), (1, 1, LEFT))
    found = boxes((0, 0, LEFT), (1, 1, LEFT), (0, 1, RIGHT))
    scores = torch.tensor([0.2, 0.1, 0.3])
    assert average_precisions(found, scores, truth, 2, most_per_frame=1).tolist() == [0, 1]
    assert average_precisions(found, scores, truth, 2, most_per_frame=2).tolist() == [1, 1]
    assert average_precisions(boxes(), scores[:0], truth, 2, most_per_frame=2).tolist() == [0, 0]


def test_iou_at_the_threshold_is_a_hit():
    truth = boxes((0, 0, [0, 0, 2, 1]))
    found = boxes((0, 0, [0, 0, 1, 1]), (0, 0, [0, 0, 0.99, 1]))
    assert matched(found, truth).tolist() == [True, False]
    assert matched(found, truth, iou=0.51).tolist() == [False, False]


@pytest.mark.parametrize("seed", range(3))
def test_precisions_agree_with_loops(seed):
    generator = torch.Generator().manual_seed(seed)

    def draw(count):
        corners = torch.rand(count, 4, generator=generator, dtype=torch.float64)
        corners[:, 2:] = corners[:, :2] + 0.3 + corners[:, 2:]
        places = torch.randint(3, (count, 2), generator=generator).tolist()
        return [(*place, box) for place, box in zip(places, corners.tolist(), strict=True)]

    truth, found = draw(12), draw(40)
    scores = torch.rand(40, generator=generator)
    precisions = average_precisions(boxes(*found), scores, boxes(*truth), 4)
    for action in range(3):
        expected = slow_precision(found, scores.tolist(), truth, action)
        assert float(precisions[action]) == pytest.approx(expected)
    assert math.isnan(precisions[3])


def test_what_does_not_agree_is_refused():
    one = boxes((0, 0, LEFT))
    with pytest.raises(ValueError, match=r"scores must be \(1,\) numbers, got \(2,\)"):
        average_precisions(one, torch.zeros(2), one, 1)
    with pytest.raises(ValueError, match=r"got \(1,\) with 1 NaN"):
        average_precisions(one, torch.tensor([math.nan]), one, 1)
    with pytest.raises(ValueError, match=r"actions must be in \[0, 1\), got tensor\(\[3\]\)"):
        average_precisions(one, torch.zeros(1), boxes((0, 3, LEFT)), 1)
    with pytest.raises(ValueError, match="no action has a true box"):
        mean_average_precision(average_precisions(one, torch.zeros(1), boxes(), 1))
    with pytest.raises(ValueError, match=r"must be \(D,\), \(D,\) and \(D, 4\), got \(1,\), \(1,"):
        ActionBoxes(one.frame, one.action, torch.zeros(1, 5))
