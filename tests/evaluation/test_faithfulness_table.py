"""Means, intervals and gains of a faithfulness measurement, by value."""

from dataclasses import replace

import pytest
import torch

from stn_action.evaluation.faithfulness_table import FaithfulnessTable


def table() -> FaithfulnessTable:
    """Six videos in three groups; masking the heads costs 0.2 more than masking at random."""
    drop = torch.tensor([0.3, 0.3, 0.4, 0.4, 0.5, 0.5], dtype=torch.double)
    change = torch.tensor([0, 0, -0.1, -0.1, 0.1, 0.1], dtype=torch.double)
    kept = torch.full((6,), 0.6, dtype=torch.double)
    return FaithfulnessTable(
        ("heads", "random"),
        probability=torch.full((6,), 0.8).double(),
        drop=torch.stack([drop, drop - 0.2], dim=1),
        kept=torch.stack([kept, kept + change], dim=1),
        area=torch.full((6,), 0.25).double(),
        groups=torch.tensor([0, 0, 1, 1, 2, 2]),
    )


def test_each_mask_has_its_means_and_the_first_its_gain_over_the_others():
    heads, random = table().rows()
    assert set(heads) == {"drop", "kept"}
    assert heads["drop"].difference == pytest.approx(0.4)
    assert (heads["drop"].low, heads["drop"].high) == pytest.approx((0.3, 0.5))
    assert heads["kept"][:3] == pytest.approx((0.6, 0.6, 0.6))
    assert random["drop_gain"][:3] == pytest.approx((0.2, 0.2, 0.2))
    assert random["kept_gain"].difference == pytest.approx(0.0)
    assert random["kept_gain"].low == pytest.approx(-0.1)
    assert random["kept_gain"].high == pytest.approx(0.1)


def test_lines_and_numbers_tell_the_same():
    lines = table().lines()
    assert lines[0] == "probability with nothing masked 80.0; each mask covers 25.0% of the frames"
    assert lines[2] == (
        "| mask | lost when masked | kept when all else is | heads lose more | heads keep more |"
    )
    assert lines[4] == "| heads | 40.0 (30.0 to 50.0) | 60.0 (60.0 to 60.0) | – | – |"
    assert lines[5].startswith(
        "| random | 20.0 (10.0 to 30.0) | 60.0 (50.0 to 70.0) | +20.0 (+20.0"
    )
    assert lines[-1].endswith("of a bootstrap over 3 groups of test videos")
    numbers = table().numbers()
    assert numbers["num_groups"] == 3
    assert numbers["masks"]["heads"]["drop"]["difference"] == pytest.approx(0.4)
    assert set(numbers["masks"]["random"]) == {"drop", "kept", "drop_gain", "kept_gain"}


def test_videos_of_a_single_group_are_resampled_one_by_one():
    alone = replace(table(), groups=torch.full((6,), 4))
    found = alone.rows()[0]["drop"]
    assert 0.3 <= found.low < found.difference < found.high <= 0.5
    assert alone.lines()[-1].endswith(
        "over 6 test videos of one group: too narrow if they resemble"
    )
