"""Folds of your own videos: whole groups, each class spread as evenly as they allow.

Letters: N videos, G groups, F folds, Q pairs of a group and a class that it has.
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from stn_action.data.listing import NAMES_SHOWN, Listing
from stn_action.data.video_groups import numbered_groups
from stn_action.data.video_table import VideoTable
from stn_action.errors import InputError

NumFolds = int | Literal["groups"]
"""How many; groups: as many as there are groups, each of which is held out once."""


def number_of_folds(videos: VideoTable, folds: NumFolds) -> int:
    """Return the number of folds that videos are split into.

    Raises:
        InputError: there are fewer groups than folds, or a single one.
    """
    names, _ = numbered_groups(videos)
    return _number_of_folds(len(names), len(videos), folds)


def fold_of_groups(videos: VideoTable, folds: NumFolds, *, seed: int) -> dict[str, int]:
    """Return the fold, from 1, in which each group is held out.

    Each group in turn goes to the fold where its classes have the smallest shares, large groups
    first, groups of equal size in an order drawn by the seed. It is the greedy method of
    scikit-learn's `StratifiedGroupKFold` (after J. Wasikowski), which minimizes the deviation of
    the shares over the folds; here it is their variance, to which a group adds a sum over its own
    classes: with n videos of a class, of which f are in a fold already, and v in the group, the sum
    of f v / n^2. Of equal folds the one with the fewest labels is taken, so that none stays empty.

    Args:
        videos: with one or several labels each.
        folds: how many; "groups" numbers the groups in the order of their names.
        seed: of the order.

    Raises:
        InputError: as `number_of_folds`.
    """
    names, group = numbered_groups(videos)
    _number_of_folds(len(names), len(videos), folds)
    return dict(zip(names, _fold_numbers(videos, group, folds, seed).tolist(), strict=True))


def hold_fold_out(listing: Listing, fold: int, folds: NumFolds, *, seed: int) -> Listing:
    """Move the groups of one fold from the training to the test part, which is empty.

    Args:
        listing: all videos are training videos, but for those of a validation part.
        fold: from 1.
        folds: see `fold_of_groups`.
        seed: see `fold_of_groups`.

    Raises:
        InputError: as `number_of_folds`; there is no such fold, or training would lack a class.
    """
    videos = listing.train
    names, group = numbered_groups(videos)
    number = _number_of_folds(len(names), len(videos), folds)
    if fold > number:
        raise InputError(f"data.fold must be 1 to {number}, or all, got {fold}")
    is_tested = (_fold_numbers(videos, group, folds, seed) == fold)[group]
    is_tested_label = is_tested.repeat_interleave(videos.label_counts)
    tested, trained = (videos.label_indices[mask] for mask in (is_tested_label, ~is_tested_label))
    untrained = sorted(set(tested.unique().tolist()) - set(trained.unique().tolist()))
    if untrained:
        shown = ", ".join(listing.classes[label] for label in untrained[:NAMES_SHOWN])
        raise InputError(
            f"data.folds={folds}: fold {fold} of {number} holds out all videos of the class "
            f"{shown}{', ...' if untrained[NAMES_SHOWN:] else ''}, none is left to train on; each "
            "class needs videos of several groups"
        )
    which = f"fold {fold} of {number} by group"
    dataset = listing.name
    if folds == "groups":
        which = f"{names[fold - 1]} held out"
    elif seed:
        dataset = f"{listing.name} (fold seed {seed})"
    test, train = (videos.select(mask.nonzero().flatten()) for mask in (is_tested, ~is_tested))
    return replace(listing, name=f"{dataset}, {which}", train=train, test=test, dataset=dataset)


def _number_of_folds(num_groups: int, num_videos: int, folds: NumFolds) -> int:
    number = num_groups if folds == "groups" else folds
    if not 2 <= number <= num_groups:
        raise InputError(
            f"data.folds={folds}: the {num_videos} videos have {num_groups} groups, "
            f"expected at least {max(2, number)}: a group is never divided"
        )
    return number


def _fold_numbers(videos: VideoTable, group: Tensor, folds: NumFolds, seed: int) -> Tensor:
    """Return (G,) int64, the fold of each group, from 1; `group` (N,) int64 is that of a video."""
    num_groups = int(group.max()) + 1
    if folds == "groups":
        return torch.arange(1, num_groups + 1)
    order = torch.randperm(num_groups, generator=torch.Generator().manual_seed(seed))
    return torch.tensor(_spread(_counted(videos, group, num_groups), order, folds))


@dataclass(frozen=True)
class _ClassCounts:
    """How many videos of its classes each group has."""

    ends: list[int]
    """G + 1 places: the classes of a group follow each other."""
    label: list[int]
    """Q, those of a group in the order in which its videos have them."""
    count: list[int]
    """Q."""
    weight: list[float]
    """Q, count / n^2 with the n videos of the class in all groups."""
    size: Tensor
    """(G,) float64, the sum of weight x count."""


def _counted(videos: VideoTable, group: Tensor, num_groups: int) -> _ClassCounts:
    """Count the classes of groups; `group` is (N,) int64."""
    labels = videos.label_indices.long()
    total = torch.bincount(labels)
    keys = group.repeat_interleave(videos.label_counts) * len(total) + labels
    ordered, place = keys.sort(stable=True)
    starts = (ordered.diff(prepend=ordered[:1] - 1) != 0).nonzero().flatten()
    count = starts.diff(append=torch.tensor([len(keys)]))
    by_place = place[starts].argsort()  # as the labels of a group appear
    by_place = by_place[(ordered[starts][by_place] // len(total)).sort(stable=True).indices]
    pairs, count = ordered[starts][by_place], count[by_place]
    of_group, label = pairs // len(total), pairs % len(total)
    weight = count.double() / total[label].double() ** 2
    size = np.bincount(of_group, (weight * count).numpy(), minlength=num_groups)
    ends = torch.searchsorted(of_group, torch.arange(num_groups + 1))
    return _ClassCounts(
        ends.tolist(), label.tolist(), count.tolist(), weight.tolist(), torch.from_numpy(size)
    )


def _spread(counts: _ClassCounts, order: Tensor, number: int) -> list[int]:
    """Return the fold of each group, from 1; `order` (G,) is random."""
    ends, labels = counts.ends, counts.label
    filled = [[0] * number for _ in range(max(labels, default=0) + 1)]
    in_fold, places = [0] * number, range(number)
    fold_of = [0] * len(order)
    by_size = order[counts.size[order].argsort(descending=True, stable=True)]
    for group in by_size.tolist():  # stable: ties stay shuffled
        first, last = ends[group], ends[group + 1]
        added = filled[labels[first]] if last == first + 1 else [0.0] * number
        if last > first + 1:  # the weight of a single class would not change the order
            for pair in range(first, last):
                weight, shares = counts.weight[pair], filled[labels[pair]]
                added = [sum_ + f * weight for sum_, f in zip(added, shares, strict=True)]
        _, _, fold = min(zip(added, in_fold, places, strict=True))
        for pair in range(first, last):
            filled[labels[pair]][fold] += counts.count[pair]
            in_fold[fold] += counts.count[pair]
        fold_of[group] = fold + 1
    return fold_of
