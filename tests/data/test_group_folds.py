"""Folds of whole groups: what they hold, how even they are, and what cannot be split."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from stn_action.data.datasets.dataset_table import DATASETS
from stn_action.data.group_folds import fold_of_groups, hold_fold_out
from stn_action.data.listing import Listing
from stn_action.data.video_table import Video, VideoTable
from stn_action.errors import InputError


def table(groups: dict[str, list], num_classes: int | None = None) -> VideoTable:
    videos = (
        Video(f"{group}/{row}", Path(f"{group}/{row}"), label, group)
        for group, labels in groups.items()
        for row, label in enumerate(labels)
    )
    return VideoTable(videos, num_classes=num_classes)


def pool(groups: dict[str, list], classes: str = "xyz") -> Listing:
    return Listing("csv", tuple(classes), table(groups), VideoTable(), VideoTable())


def drawn(num_groups: int, seed: int) -> dict[str, list]:
    """Groups of one to six videos of three classes."""
    generator = torch.Generator().manual_seed(seed)
    sizes = torch.randint(1, 7, (num_groups,), generator=generator).tolist()
    return {
        f"g{number:02}": torch.randint(3, (size,), generator=generator).tolist()
        for number, size in enumerate(sizes)
    }


@pytest.mark.parametrize("seed", range(3))
def test_classes_are_spread_almost_as_evenly_as_by_the_best_of_all_splits(seed):
    groups = drawn(7, seed)
    counts = torch.stack([torch.bincount(torch.tensor(g), minlength=3) for g in groups.values()])
    shares = counts / counts.sum(0)  # (groups, classes)

    def variance(folds: torch.Tensor) -> torch.Tensor:  # (splits, groups) to (splits,)
        return (F.one_hot(folds, 3).mT.float() @ shares).var(1, correction=0).sum(1)

    every = torch.cartesian_prod(*[torch.arange(3)] * 7)
    found = fold_of_groups(table(groups), 3, seed=0)
    own = torch.tensor([[found[group] - 1 for group in groups]])
    assert variance(every).min() <= variance(own) < variance(every).min() + 0.03
    assert variance(every).median() > 0.1


def test_single_videos_are_spread_to_the_last_one():
    groups = {f"{label}{number:02}": [label] for label in range(3) for number in range(11)}
    fold_of = fold_of_groups(table(groups), 4, seed=5)
    for label in range(3):
        of_label = Counter(fold for group, fold in fold_of.items() if group[0] == str(label))
        assert sorted(of_label.values()) == [2, 3, 3, 3]


def test_folds_depend_on_their_seed_alone_and_none_is_empty():
    groups = drawn(6, 0)
    first = fold_of_groups(table(groups), 6, seed=1)
    assert sorted(first.values()) == [1, 2, 3, 4, 5, 6]
    backward = table(dict(reversed(groups.items())))
    assert fold_of_groups(backward, 6, seed=1) == first
    many = table(drawn(20, 0))
    assert fold_of_groups(many, 3, seed=1) != fold_of_groups(many, 3, seed=2)


def test_every_label_of_a_video_is_spread():
    several = {f"g{number}": [(0, 1 + number % 2)] for number in range(8)}
    fold_of = fold_of_groups(table(several, 3), 2, seed=0)
    for label in (1, 2):
        of_label = Counter(fold_of[group] for group, ((_, own),) in several.items() if own == label)
        assert of_label == {1: 2, 2: 2}


def test_each_video_is_tested_in_one_fold():
    listing = pool(drawn(9, 1))
    folds = [hold_fold_out(listing, fold, 3, seed=0) for fold in (1, 2, 3)]
    assert sorted(name for fold in folds for name in fold.test.names()) == sorted(
        listing.train.names()
    )
    for number, fold in enumerate(folds, start=1):
        assert fold.name == f"csv, fold {number} of 3 by group"
        assert not set(fold.test.groups()) & set(fold.train.groups())
        assert len(fold.train) + len(fold.test) == len(listing.train)
    assert hold_fold_out(listing, 2, 3, seed=4).name == "csv (fold seed 4), fold 2 of 3 by group"


def test_a_fold_may_be_a_group():
    listing = pool({"bob": [0, 1], "ann": [0, 1, 2], "eve": [2, 1]})
    fold = hold_fold_out(listing, 2, "groups", seed=0)
    assert (fold.name, fold.test.names()) == ("csv, bob held out", ["bob/0", "bob/1"])


def test_what_cannot_be_split_is_refused():
    listing = pool({"a": [0], "b": [0, 1], "c": [0, 1]})
    with pytest.raises(InputError, match=r"data.folds=4: .* 5 videos have 3 groups, expected at l"):
        hold_fold_out(listing, 1, 4, seed=0)
    with pytest.raises(InputError, match=r"data.folds=groups: .* have 1 groups, expected at least"):
        hold_fold_out(pool({"a": [0, 1]}), 1, "groups", seed=0)
    with pytest.raises(InputError, match=r"data.fold must be 1 to 3, or all, got 4"):
        hold_fold_out(listing, 4, "groups", seed=0)
    alone = pool({"a": [0], "b": [0, 1], "c": [0]})
    message = r"fold 2 of 3 holds out all videos of the class y, none is left to train on; each"
    with pytest.raises(InputError, match=message):
        hold_fold_out(alone, 2, "groups", seed=0)


def test_a_row_of_the_table_permits_folds(tmp_path):
    def listed(root: Path, fold: int) -> Listing:
        return pool({"a": [0, 1, 2], "b": [0, 1, 2]})

    spec = replace(DATASETS["csv"], list_videos=listed)
    assert list(spec.fold_numbers(tmp_path)) == [1]
    assert list(spec.fold_numbers(tmp_path, "groups")) == [1, 2]
    assert spec.read(tmp_path, 2, folds="groups").name == "csv, b held out"
    with pytest.raises(
        InputError, match=r"data.folds: weizmann has splits of its own; leave it at"
    ):
        DATASETS["weizmann"].fold_numbers(tmp_path, 5)
    split = replace(spec, list_videos=lambda root, fold: replace(pool({}), test=table({"a": [0]})))
    with pytest.raises(InputError, match=r"tells already which 1 videos to test on; leave data.fo"):
        split.read(tmp_path, 1, folds=2)
