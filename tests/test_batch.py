"""Targets and scores at several positions."""

import pytest
import torch

from stn_action.batch import (
    Sample,
    by_position,
    class_probabilities,
    class_text,
    collate,
    num_positions,
)

DIGITS = (*"0123456789", "none")
NONE = 10


def test_the_kind_of_targets_tells_the_positions():
    assert num_positions(torch.zeros(4, dtype=torch.int64)) == 1
    assert num_positions(torch.zeros(4, 7)) == 1  # several labels, or mixed classes
    assert num_positions(torch.zeros(4, 5, dtype=torch.int64)) == 5


def test_scores_of_positions_stand_side_by_side():
    scores = torch.arange(12.0).reshape(2, 6)
    assert by_position(scores, 2)[1].tolist() == [[6, 7, 8], [9, 10, 11]]
    probabilities = class_probabilities(scores, 2)
    torch.testing.assert_close(probabilities[:, 3:], scores[:, 3:].softmax(1))
    torch.testing.assert_close(probabilities.sum(1), torch.full((2,), 2.0))
    assert torch.equal(class_probabilities(scores), scores.softmax(1))


@pytest.mark.parametrize(
    ("labels", "text"),
    [
        ((2, 0, 7, NONE, NONE), "207"),
        ((1, 2, 3, 4, 5), "12345"),
        ((NONE, 3, NONE, 4, NONE), "_3_4"),  # no other classes have this text
        ((NONE,) * 5, "none"),
        ((NONE,), "none"),
        ((4,), "4"),
    ],
)
def test_equal_texts_are_of_equal_classes(labels, text):
    assert class_text(DIGITS, labels) == text


def test_longer_names_are_kept_apart():
    assert class_text(("wave", "kick", "none"), (1, 0, 2)) == "kick wave"


def test_samples_of_positions_make_a_batch():
    rows = (torch.tensor([2, NONE]), torch.tensor([1, 0]))
    none = torch.zeros(1, dtype=torch.int64)
    samples = [
        Sample(
            torch.zeros(3, 1, 2, 2), row, video, 0, none, torch.zeros(1, 4), torch.zeros(1, 2, 4)
        )
        for video, row in enumerate(rows)
    ]
    batch = collate([(samples, [])])
    assert batch.target.tolist() == [[2, NONE], [1, 0]]
    assert batch.target.dtype == torch.int64
