"""Gains of one arm over another."""

import math

import pytest
import torch

from stn_action.evaluation.gain import Gain, gain_over


def test_difference_and_pooled_deviation_have_hand_computed_values():
    better = torch.tensor([[1, 1, 1, 1, 0], [1, 1, 1, 0, 0]]).bool()  # 0.8, 0.6
    worse = torch.tensor([[0, 1, 0, 1, 0], [0, 1, 0, 1, 0]]).bool()  # 0.4, 0.4
    gain = gain_over(better, worse, torch.arange(5), 500)
    assert gain.difference == pytest.approx(0.3)
    # variances 0.02 and 0: sqrt(0.01)
    assert gain.deviation == pytest.approx(0.1)
    assert gain.low <= 0.3 <= gain.high


@pytest.mark.parametrize(
    ("low", "high", "difference", "deviation", "counts"),
    [
        (0.01, 0.2, 0.1, 0.04, True),
        (-0.2, -0.01, -0.1, 0.04, True),
        (-0.01, 0.2, 0.1, 0.04, False),
        (0.01, 0.2, 0.1, 0.05, False),
        (0.01, 0.2, 0.1, math.nan, False),
    ],
)
def test_a_gain_is_beyond_the_videos_and_the_seeds(low, high, difference, deviation, counts):
    assert Gain(difference, low, high, deviation).counts is counts


def test_one_seed_has_no_deviation():
    ones = torch.ones(1, 4)
    assert math.isnan(gain_over(ones, 0 * ones, torch.arange(4), 10).deviation)


def test_videos_of_one_group_are_drawn_together():
    better = torch.tensor([[1.0, 1, 0, 0]]).repeat(2, 1)
    worse = torch.zeros(2, 4)
    alone = gain_over(better, worse, torch.arange(4), 2000)
    together = gain_over(better, worse, torch.tensor([0, 0, 1, 1]), 2000)
    assert (together.low, together.high) == (0, 1)
    assert alone.high - alone.low < 1.01
    assert alone.low >= 0
