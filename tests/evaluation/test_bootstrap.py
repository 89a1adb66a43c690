import pytest
import torch

from stn_action.evaluation import bootstrap
from stn_action.evaluation.bootstrap import paired_bootstrap, resampled_units, share_interval


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_equal_arms_differ_by_nothing():
    correct = torch.tensor([1, 0, 1, 1]).bool()
    result = paired_bootstrap(correct, correct, torch.arange(4), 500, generator())
    assert result == (0.0, 0.0, 0.0, 1.0)


def test_an_arm_that_is_always_better_is_significantly_better():
    a, b = torch.zeros(12), torch.ones(12)
    result = paired_bootstrap(a, b, torch.arange(12), 999, generator())
    assert result[:3] == (1.0, 1.0, 1.0)
    assert result.p == pytest.approx(2 / 1000)


def test_two_groups_give_the_distribution_counted_by_hand():
    """Gains 1 and 0: of the four draws one has mean 0, two 0.5, one 1."""
    a, b = torch.tensor([False, True]), torch.tensor([True, True])
    result = paired_bootstrap(a, b, torch.tensor([7, 3]), 20_000, generator())
    assert result[:3] == (0.5, 0.0, 1.0)
    assert result.p == pytest.approx(0.5, abs=0.02)


def test_the_sign_is_that_of_b_minus_a():
    a, b = torch.tensor([1.0, 1.0, 1.0]), torch.tensor([0.0, 0.0, 1.0])
    assert paired_bootstrap(a, b, torch.arange(3), 50, generator()).difference == pytest.approx(
        -2 / 3
    )


def test_whole_groups_are_drawn():
    """Ten videos that always agree are one observation: the interval is far wider."""
    gains = torch.tensor([1.0, -1.0, 1.0, 1.0]).repeat_interleave(10)
    zeros, groups = torch.zeros(40), torch.arange(4).repeat_interleave(10)
    clustered = paired_bootstrap(zeros, gains, groups, 4000, generator())
    alone = paired_bootstrap(zeros, gains, torch.arange(40), 4000, generator())
    assert clustered.difference == alone.difference == 0.5
    assert clustered.high - clustered.low > 2 * (alone.high - alone.low)
    assert clustered.p > 0.2
    assert alone.p < 0.01


def test_groups_of_unequal_size_weigh_by_their_videos():
    """Group 0 with three videos gained, group 1 with one lost: draws give 1, 0.5 and -1."""
    a, b = torch.tensor([0.0, 0.0, 0.0, 1.0]), torch.tensor([1.0, 1.0, 1.0, 0.0])
    result = paired_bootstrap(a, b, torch.tensor([0, 0, 0, 1]), 4000, generator())
    assert result[:3] == (0.5, -1.0, 1.0)


def test_means_over_seeds_that_round_differently_are_no_difference():
    a = torch.tensor([0.1 + 0.2, 0.3, 0.7], dtype=torch.float64)
    b = torch.tensor([0.3, 0.1 + 0.2, 0.7], dtype=torch.float64)
    assert paired_bootstrap(a, b, torch.arange(3), 200, generator()).p == 1.0


def test_the_generator_decides():
    a, b = torch.rand(20), torch.rand(20)
    groups = torch.arange(20) // 4
    first = paired_bootstrap(a, b, groups, 300, generator(1))
    assert first == paired_bootstrap(a, b, groups, 300, generator(1))
    assert first != paired_bootstrap(a, b, groups, 300, generator(2))


def test_shapes_that_disagree_are_named():
    with pytest.raises(ValueError, match=r"of one N, got \(3,\), \(2,\), \(3,\)"):
        paired_bootstrap(torch.zeros(3), torch.zeros(2), torch.arange(3))
    with pytest.raises(ValueError, match="at least one video and one resample"):
        paired_bootstrap(torch.zeros(0), torch.zeros(0), torch.arange(0))


def test_of_a_single_group_the_videos_are_drawn_and_the_words_tell():
    gains, zeros = torch.tensor([1.0, 0.0, 0.0, 1.0]), torch.zeros(4)
    one = paired_bootstrap(zeros, gains, torch.full((4,), 7), 4000, generator())
    assert one == paired_bootstrap(zeros, gains, torch.arange(4), 4000, generator())
    assert resampled_units(torch.full((4,), 7)).startswith("4 test videos of one group: too narrow")
    assert resampled_units(torch.tensor([7, 7, 3, 3])) == "2 groups of test videos"


def test_draws_in_parts_are_those_of_one_go(monkeypatch):
    gains, groups = torch.tensor([1.0, -1.0, 1.0, 0.0, 1.0]), torch.tensor([0, 0, 1, 2, 2])
    whole = paired_bootstrap(torch.zeros(5), gains, groups, 50, generator())
    monkeypatch.setattr(bootstrap, "_DRAWS_AT_ONCE", 20)
    assert paired_bootstrap(torch.zeros(5), gains, groups, 50, generator()) == whole


def test_the_interval_of_a_share_is_about_its_groups():
    correct = torch.tensor([True, False])
    interval = share_interval(correct, torch.tensor([0, 1]), 2000, generator())
    assert interval == (0.0, 1.0, "2 groups of test videos")
    assert interval.line("top-1") == (
        "top-1 from 0.0% to 100.0%: 95 % interval of a bootstrap over 2 groups of test videos"
    )
    together = torch.tensor([True, False] * 40)
    pairs = torch.arange(40).repeat_interleave(2)  # each group has the share of all
    assert share_interval(together, pairs, 500, generator())[:2] == (0.5, 0.5)
