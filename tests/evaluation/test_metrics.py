import pytest
import torch

from stn_action.evaluation.metrics import VideoScores

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


def scored(rows: torch.Tensor, **kwargs) -> VideoScores:
    scores = VideoScores(LABELS, 3, **kwargs)
    scores.update(VIDEO[rows], PROBABILITIES[rows], LABELS[VIDEO[rows]])
    return scores


def test_views_are_averaged_and_a_failed_video_is_wrong_everywhere():
    scores = scored(torch.arange(5)).scores()
    assert scores.top1 == pytest.approx(3 / 5)
    assert scores.top5 == pytest.approx(4 / 5)  # of three classes all are among the top five
    assert scores.mean_class == pytest.approx((1 / 2 + 1 + 1 / 2) / 3)
    assert scores.correct.tolist() == [True, False, True, True, False]


def test_the_confusion_has_true_classes_in_rows_and_failures_apart():
    scores = scored(torch.arange(5)).scores()
    assert scores.confusion.tolist() == [[1, 1, 0], [0, 1, 0], [0, 0, 1]]
    assert scores.failed_per_class.tolist() == [0, 0, 1]


def test_the_probabilities_of_each_video_come_out():
    probabilities = scored(torch.arange(5)).scores().probabilities
    torch.testing.assert_close(probabilities[0], torch.tensor([0.65, 0.3, 0.05]))
    torch.testing.assert_close(probabilities[2], PROBABILITIES[3])
    assert probabilities[4].isnan().all()


def test_processes_that_each_saw_a_part_agree_with_one_that_saw_all():
    whole = scored(torch.arange(5)).scores()
    parts = scored(torch.tensor([0, 2]))
    parts.merge_state(scored(torch.tensor([1, 3, 4])))
    merged = parts.scores()
    assert merged[:3] == whole[:3]
    assert torch.equal(merged.confusion, whole.confusion)


def test_top5_counts_the_five_most_probable_of_seven():
    probabilities = torch.tensor([[0.3, 0.2, 0.15, 0.13, 0.1, 0.07, 0.05]]).expand(2, 7)
    labels = torch.tensor([4, 5])
    scores = VideoScores(labels, 7)
    scores.update(torch.arange(2), probabilities, labels)
    assert scores.scores().top5 == pytest.approx(0.5)
    assert scores.scores().mean_class == 0.0  # only classes 4 and 5 have videos


def test_nothing_seen_is_nothing_right():
    scores = VideoScores(LABELS, 3)
    empty = torch.zeros(0, dtype=torch.int64)
    scores.update(empty, torch.zeros(0, 3), empty)
    assert scores.scores()[:3] == (0.0, 0.0, 0.0)
    assert scores.scores().failed_per_class.tolist() == [2, 1, 2]


def test_one_video_of_one_view_is_scored():
    scores = VideoScores(torch.tensor([1]), 2)
    scores.update(torch.tensor([0]), torch.tensor([[0.2, 0.8]]), torch.tensor([1]))
    assert scores.scores()[:3] == (1.0, 1.0, 1.0)


def test_views_of_another_list_are_refused():
    with pytest.raises(ValueError, match="video 1 has label 0, got a view of it labelled 2"):
        VideoScores(LABELS, 3).update(torch.tensor([1]), PROBABILITIES[:1], torch.tensor([2]))


def test_labels_must_be_class_numbers():
    with pytest.raises(ValueError, match=r"labels must be \(N,\), N > 0, each from 0 to 1"):
        VideoScores(LABELS, 2)
