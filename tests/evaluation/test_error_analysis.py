"""A result is told from chance by an exact test, and its worst class and confusions are named."""

from fractions import Fraction
from itertools import permutations
from math import comb
from pathlib import Path

import pytest
import torch

from stn_action.data.video_table import Video
from stn_action.evaluation.error_analysis import (
    ErrorAnalysis,
    analyze_errors,
    binomial_tail,
    random_average_precision,
)
from stn_action.evaluation.metrics import score_videos
from stn_action.evaluation.views import ViewPredictions

CLASSES = ("bend", "run", "skip")


def videos_of(targets: list) -> list[Video]:
    return [
        Video(f"v{number}", Path(f"clips/v{number}.avi"), target, f"v{number}")
        for number, target in enumerate(targets)
    ]


def analysis(targets: list[int], predicted: list[int], *, seen: int | None = None) -> ErrorAnalysis:
    """Of videos with these classes, of which the first `seen` were read."""
    rows = torch.arange(len(targets) if seen is None else seen)
    probabilities = torch.full((len(rows), 3), 0.1)
    for row in rows.tolist():
        probabilities[row, predicted[row]] = 0.5 + row / 100
    labels = torch.tensor(targets)
    views = ViewPredictions(rows, torch.zeros_like(rows), labels[rows], probabilities, [])
    found = analyze_errors(score_videos(views, labels, 3), videos_of(targets), CLASSES)
    assert found is not None
    return found


@pytest.mark.parametrize(("successes", "trials"), [(0, 5), (3, 7), (7, 7), (30, 60)])
def test_the_tail_is_the_sum_of_exact_fractions(successes, trials):
    share = Fraction(2, 7)
    exact = sum(
        comb(trials, number) * share**number * (1 - share) ** (trials - number)
        for number in range(successes, trials + 1)
    )
    found = binomial_tail(successes, trials, float(share))
    assert found == pytest.approx(float(exact), rel=1e-9)


def test_the_tail_of_a_large_set_and_of_certain_shares_is_finite():
    assert binomial_tail(5000, 20_000, 0.25) == pytest.approx(0.504, abs=2e-3)
    assert binomial_tail(20_000, 20_000, 0.01) == 0.0
    assert binomial_tail(3, 3, 1.0) == 1.0
    assert binomial_tail(1, 3, 0.0) == 0.0


def test_a_result_that_chance_explains_is_called_so():
    found = analysis([0, 0, 0, 1, 1, 2, 2], [0, 0, 1, 1, 0, 0, 2])
    assert found.chance[:4] == (4, 7, "bend", 3)
    assert found.chance.p == pytest.approx(binomial_tail(4, 7, 3 / 7))
    assert found.lines()[0] == (
        "NOT SHOWN BETTER than chance: 4 of 7 right, always answering bend is right for 3 (exact "
        "binomial test, p = 0.35); look at the crops (preview), train longer or on more videos"
    )


def test_a_result_that_chance_does_not_explain_is_called_better():
    found = analysis([0, 1, 2] * 6, [0, 1, 2] * 5 + [0, 2, 2])
    assert found.chance.is_beaten
    assert found.lines()[0].startswith("better than chance: 17 of 18 right, always answering bend")
    assert "p < 0.001" in found.lines()[0]
    assert found.lines()[1:] == [
        "worst class: run 5 of 6 right",
        "most confused: run taken for skip, 1 of 6",
        "surest mistakes: clips/v16.avi (run taken for skip, 66%)",
    ]


def test_worst_classes_are_named_together_and_the_surest_mistakes_first():
    found = analysis([0, 0, 1, 1, 1, 2, 2], [0, 0, 0, 0, 2, 1, 0])
    assert [one[:] for one in found.worst] == [("run", 0.0, 3), ("skip", 0.0, 2)]
    assert "worst classes: run 0 of 3 right, skip 0 of 2 right" in found.lines()
    assert found.confused == ("run", "bend", 2, 3)
    assert [Path(one.path).stem for one in found.mistakes] == ["v6", "v5", "v4"]
    assert found.numbers()["most_confused"] == {
        "true": "run", "predicted": "bend", "number": 2, "videos": 3,
    }  # fmt: skip


def test_a_video_that_cannot_be_read_is_wrong_but_no_confusion():
    found = analysis([0, 1, 2, 2], [0, 1, 2, 2], seen=3)
    assert found.chance[:2] == (3, 4)
    assert found.worst == (("skip", 0.5, 2),)
    assert (found.confused, found.mistakes) == (None, ())


def test_a_perfect_result_has_no_worst_class_and_one_class_tells_nothing():
    assert len(analysis([0, 1, 2], [0, 1, 2]).lines()) == 1
    (line,) = analysis([1, 1], [1, 1]).lines()
    assert line == (
        "all 2 are of class run, so that always answering that is right: the result shows nothing"
    )


def test_the_precision_of_random_orders_is_the_mean_over_all_orders():
    for labels in ([1, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0]):
        values = []
        for order in permutations(labels):
            hits = [place for place, label in enumerate(order, 1) if label]
            values.append(sum((rank / place) for rank, place in enumerate(hits, 1)) / len(hits))
        mean = sum(values) / len(values)
        assert random_average_precision(sum(labels), len(labels)) == pytest.approx(mean)
    assert random_average_precision(1, 1) == 1.0


def test_several_labels_are_compared_with_random_scores_and_have_no_confusion():
    targets = torch.tensor([[1.0, 0.0, 0.0], [1.0, 1.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
    scores = torch.tensor([[0.9, 0.8, 0.0], [0.8, 0.7, 0.0], [0.1, 0.6, 0.0], [0.2, 0.1, 0.0]])
    rows = torch.arange(4)
    views = ViewPredictions(rows, torch.zeros_like(rows), targets, scores, [])
    videos = videos_of([(0,), (0, 1), (1,), ()])
    found = analyze_errors(score_videos(views, targets, 3), videos, CLASSES)
    random = random_average_precision(2, 4)
    assert found.random_map == pytest.approx(random)
    assert found.lines() == [
        f"above chance: random scores reach a mAP of {random:.1%}",
        "worst class: run, average precision 58.3% (2 have the label)",
    ]
    assert "chance" not in found.numbers()


def test_several_positions_have_no_analysis():
    targets = torch.tensor([[0, 1], [2, 2]])
    rows = torch.arange(2)
    views = ViewPredictions(rows, torch.zeros_like(rows), targets, torch.rand(2, 6), [])
    assert (
        analyze_errors(score_videos(views, targets, 3), videos_of([(0, 1), (2, 2)]), CLASSES)
        is None
    )
