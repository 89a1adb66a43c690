import math
from typing import get_args

import pytest
import torch

from stn_action.config.train_schema import TrainConfig
from stn_action.errors import InputError
from stn_action.evaluation.evaluation_choices import MetricName, Task
from stn_action.evaluation.metrics import METRICS, TopK, check_monitor, score_videos, task_of
from stn_action.evaluation.views import ViewPredictions

# Five videos of three classes; video 4 is never seen.
LABELS = torch.tensor([0, 0, 1, 2, 2])
VIDEO = torch.tensor([0, 0, 1, 2, 3])
PROBABILITIES = torch.tensor(
    [
        [0.4, 0.6, 0.0],  # video 0: wrong in this view,
        [0.9, 0.0, 0.1],  # right in the mean (0.65, 0.3, 0.05)
        [0.2, 0.5, 0.3],  # video 1, of class 0: 1
        [0.1, 0.8, 0.1],  # video 2, of class 1: right
        [0.3, 0.1, 0.6],  # video 3, of class 2: right
    ]
)


def views(video, probabilities, target) -> ViewPredictions:
    return ViewPredictions(video, torch.zeros_like(video), target, probabilities, failures=[])


def some(rows) -> ViewPredictions:
    return views(VIDEO[rows], PROBABILITIES[rows], LABELS[VIDEO[rows]])


def scored(rows):
    return score_videos(some(rows), LABELS, 3)


def test_views_are_averaged_and_a_failed_video_is_wrong_everywhere():
    scores = scored(torch.arange(5))
    assert scores.numbers == pytest.approx(
        # of three classes all are among the top five
        {"top1": 3 / 5, "top5": 4 / 5, "mean_class": (1 / 2 + 1 + 1 / 2) / 3}
    )
    top1 = TopK(LABELS, 3, k=1)
    top1.update(some(torch.arange(5)))
    assert top1.correct().tolist() == [True, False, True, True, False]


def test_the_line_names_the_metrics_as_a_reader_does():
    assert scored(torch.arange(5)).line() == "top-1 60.0%  top-5 80.0%  mean class 66.7%"


def test_the_confusion_has_true_classes_in_rows_and_failures_apart():
    artifacts = scored(torch.arange(5)).artifacts
    assert artifacts["confusion"].tolist() == [[1, 1, 0], [0, 1, 0], [0, 0, 1]]
    assert artifacts["failed_per_class"].tolist() == [0, 0, 1]


def test_the_probabilities_of_each_video_come_out():
    probabilities = scored(torch.arange(5)).probabilities
    torch.testing.assert_close(probabilities[0], torch.tensor([0.65, 0.3, 0.05]))
    torch.testing.assert_close(probabilities[2], PROBABILITIES[3])
    assert probabilities[4].isnan().all()


@pytest.mark.parametrize("name", [name for name, spec in METRICS.items() if "class" in spec.tasks])
def test_views_added_in_parts_count_as_all_at_once(name):
    whole, parts = METRICS[name].build(LABELS, 3), METRICS[name].build(LABELS, 3)
    whole.update(some(torch.arange(5)))
    parts.update(some(torch.tensor([0, 2])))
    parts.update(some(torch.tensor([1, 3, 4])))
    assert parts.compute() == whole.compute()
    for one, other in zip(parts.artifacts().values(), whole.artifacts().values(), strict=True):
        assert torch.equal(one, other)


def test_top5_counts_the_five_most_probable_of_seven():
    probabilities = torch.tensor([[0.3, 0.2, 0.15, 0.13, 0.1, 0.07, 0.05]]).expand(2, 7)
    labels = torch.tensor([4, 5])
    numbers = score_videos(views(torch.arange(2), probabilities, labels), labels, 7).numbers
    assert numbers["top5"] == pytest.approx(0.5)
    assert numbers["mean_class"] == 0.0  # only classes 4 and 5 have videos


def test_of_equally_probable_classes_the_first_is_predicted():
    labels = torch.tensor([0, 1])
    even = torch.full((2, 3), 1 / 3)
    assert score_videos(views(torch.arange(2), even, labels), labels, 3).numbers["top1"] == 0.5


def test_nothing_seen_is_nothing_right():
    scores = scored(torch.zeros(0, dtype=torch.int64))
    assert set(scores.numbers.values()) == {0.0}
    assert scores.artifacts["failed_per_class"].tolist() == [2, 1, 2]


def test_one_video_of_one_view_is_scored():
    label = torch.tensor([1])
    scores = score_videos(views(torch.tensor([0]), torch.tensor([[0.2, 0.8]]), label), label, 2)
    assert scores.numbers == {"top1": 1.0, "top5": 1.0, "mean_class": 1.0}


def test_views_of_another_list_are_refused():
    other = views(torch.tensor([1]), PROBABILITIES[:1], torch.tensor([2]))
    with pytest.raises(ValueError, match="video 1 has target 0, got a view of it with 2"):
        score_videos(other, LABELS, 3)


def test_targets_must_be_class_indices():
    with pytest.raises(ValueError, match=r"targets must be \(N,\), N > 0, .* from 0 to 1"):
        score_videos(some(torch.arange(5)), LABELS, 2)


# Three videos of two classes with several labels; average precision by hand:
# class 0: ranked 0 (true), 2 (false), 1 (true): (1 + 2/3) / 2; class 1: video 1 is ranked first: 1.
LABEL_ROWS = torch.tensor([[1.0, 0.0], [1.0, 1.0], [0.0, 0.0]])
SCORES = torch.tensor([[0.9, 0.2], [0.1, 0.8], [0.5, 0.3]])


def test_several_labels_are_scored_by_mean_average_precision():
    scores = score_videos(views(torch.arange(3), SCORES, LABEL_ROWS), LABEL_ROWS, 2)
    assert scores.numbers == pytest.approx({"mean_ap": ((1 + 2 / 3) / 2 + 1) / 2})
    assert scores.line() == "mAP 91.7%"
    assert "confusion" not in scores.artifacts


def test_a_class_without_a_video_has_no_average_precision():
    rows = torch.tensor([[1.0, 0.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
    scores = torch.cat([SCORES, torch.ones(3, 1)], 1)
    scores = score_videos(views(torch.arange(3), scores, rows), rows, 3)
    assert scores.numbers == pytest.approx({"mean_ap": ((1 + 2 / 3) / 2 + 1) / 2})
    of_classes = scores.artifacts["average_precisions"].tolist()
    assert of_classes == pytest.approx([(1 + 2 / 3) / 2, 1, math.nan], nan_ok=True)


def test_a_failed_video_with_labels_was_not_found():
    seen = torch.tensor([0, 2])
    numbers = score_videos(views(seen, SCORES[seen], LABEL_ROWS[seen]), LABEL_ROWS, 2).numbers
    # class 0: ranked 0 (true), 2 (false), 1 (true); class 1: video 1 is last: 1/3
    assert numbers == pytest.approx({"mean_ap": ((1 + 2 / 3) / 2 + 1 / 3) / 2})


# Four numbers of three positions, of the classes 0, 1 and nothing (2); number 3 is never seen.
NUMBERS = torch.tensor([[0, 1, 2], [1, 0, 0], [1, 2, 2], [0, 0, 0]])
NUMBER_VIEWS = torch.tensor([0, 0, 1, 2])
ROWS = torch.tensor(
    [
        [
            0.4,
            0.6,
            0.0,
            0.1,
            0.7,
            0.2,
            0.0,
            0.1,
            0.9,
        ],  # number 0: the first digit is wrong in this,
        [0.9, 0.0, 0.1, 0.2, 0.5, 0.3, 0.1, 0.1, 0.8],  # right in the mean: all three are
        [0.1, 0.8, 0.1, 0.6, 0.3, 0.1, 0.2, 0.5, 0.3],  # number 1: the third is wrong
        [0.5, 0.4, 0.1, 0.2, 0.3, 0.5, 0.1, 0.1, 0.8],  # number 2: the first is wrong
    ]
)


def test_a_number_is_right_where_all_positions_are():
    scores = score_videos(views(NUMBER_VIEWS, ROWS, NUMBERS[NUMBER_VIEWS]), NUMBERS, 3)
    assert scores.numbers == pytest.approx({"top1": 1 / 4, "top1_position": (3 + 2 + 2 + 0) / 12})
    assert scores.line() == "top-1 25.0%  top-1 of positions 58.3%"
    assert set(scores.artifacts) == {"probabilities"}  # a confusion is of one class a video
    torch.testing.assert_close(scores.probabilities[0], ROWS[:2].mean(0))
    assert scores.probabilities[3].isnan().all()
    top1 = TopK(NUMBERS, 3, k=1)
    top1.update(views(NUMBER_VIEWS, ROWS, NUMBERS[NUMBER_VIEWS]))
    assert top1.correct().tolist() == [True, False, False, False]


def test_a_view_of_another_number_is_refused():
    other = views(torch.tensor([1]), ROWS[:1], torch.tensor([[1, 0, 2]]))
    with pytest.raises(ValueError, match=r"video 1 has target \[1, 0, 0\], got .* \[1, 0, 2\]"):
        score_videos(other, NUMBERS, 3)
    with pytest.raises(
        ValueError, match=r"integers from 0 to 1, .* got torch.int64 of shape \(4, 3"
    ):
        score_videos(other, NUMBERS, 2)


def test_every_name_of_a_metric_has_a_row_and_computes_that_number():
    assert set(METRICS) == set(get_args(MetricName))
    targets = {"class": (LABELS, 3), "labels": (LABEL_ROWS, 2), "positions": (NUMBERS, 3)}
    assert {task: task_of(rows) for task, (rows, _) in targets.items()} == {
        task: task for task in get_args(Task)
    }
    for name, spec in METRICS.items():
        for task in spec.tasks:
            assert name in spec.build(*targets[task]).compute()


def test_a_metric_of_another_task_is_refused_as_monitor():
    assert TrainConfig().monitor == "top1"
    check_monitor("top1", "class")
    check_monitor("top1", "positions")
    with pytest.raises(InputError, match=r"train.monitor: top1 is not .* expected one of mean_ap"):
        check_monitor("top1", "labels")
    with pytest.raises(
        InputError, match="of videos with one class, expected one of top1, top5, mea"
    ):
        check_monitor("mean_ap", "class")
    with pytest.raises(
        InputError, match="with several positions, expected one of top1, top1_posit"
    ):
        check_monitor("mean_class", "positions")
