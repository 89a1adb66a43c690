"""Folds of your own videos: whole groups, each class spread as evenly as they allow."""

from collections import Counter
from dataclasses import replace
from typing import Literal

import torch

from stn_action.data.listing import NAMES_SHOWN, Listing
from stn_action.data.video_table import VideoTable
from stn_action.errors import InputError

NumFolds = int | Literal["groups"]
"""How many; groups: as many as there are groups, each of which is held out once."""


def number_of_folds(videos: VideoTable, folds: NumFolds) -> int:
    """Return the number of folds that videos are split into.

    Raises:
        InputError: there are fewer groups than folds, or a single one.
    """
    num_groups = len(set(videos.groups()))
    number = num_groups if folds == "groups" else folds
    if not 2 <= number <= num_groups:
        raise InputError(
            f"data.folds={folds}: the {len(videos)} videos have {num_groups} groups, "
            f"expected at least {max(2, number)}: a group is never divided"
        )
    return number


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
    number = number_of_folds(videos, folds)
    counts: dict[str, Counter[int]] = {}
    for group, labels in zip(videos.groups(), videos.labels(), strict=True):
        counts.setdefault(group, Counter()).update(labels)
    names = sorted(counts)
    if folds == "groups":
        return {name: fold for fold, name in enumerate(names, start=1)}
    order = torch.randperm(len(names), generator=torch.Generator().manual_seed(seed)).tolist()
    return _spread({names[place]: counts[names[place]] for place in order}, number)


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
    number = number_of_folds(videos, folds)
    if fold > number:
        raise InputError(f"data.fold must be 1 to {number}, or all, got {fold}")
    groups, fold_of = videos.groups(), fold_of_groups(videos, folds, seed=seed)
    parts: dict[bool, list[int]] = {True: [], False: []}
    for row, group in enumerate(groups):
        parts[fold_of[group] == fold].append(row)
    test, train = (videos.select(parts[held_out]) for held_out in (True, False))
    trained = {label for labels in train.labels() for label in labels}
    untrained = sorted({label for labels in test.labels() for label in labels} - trained)
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
        which = f"{next(name for name, k in fold_of.items() if k == fold)} held out"
    elif seed:
        dataset = f"{listing.name} (fold seed {seed})"
    return replace(listing, name=f"{dataset}, {which}", train=train, test=test, dataset=dataset)


def _spread(counts: dict[str, Counter[int]], number: int) -> dict[str, int]:
    """Return the fold of each group, from 1; `counts` are the labels of each, in random order."""
    total: Counter[int] = Counter()
    for labels in counts.values():
        total.update(labels)
    weights = {
        name: {label: count / total[label] ** 2 for label, count in labels.items()}
        for name, labels in counts.items()
    }
    sizes = {name: sum(w * counts[name][c] for c, w in weights[name].items()) for name in counts}
    filled = {label: [0] * number for label in total}
    in_fold = [0] * number
    fold_of: dict[str, int] = {}
    for name in sorted(counts, key=sizes.__getitem__, reverse=True):  # stable: ties stay shuffled
        added = [0.0] * number
        for label, weight in weights[name].items():
            added = [sum_ + f * weight for sum_, f in zip(added, filled[label], strict=True)]
        _, _, fold = min(zip(added, in_fold, range(number), strict=True))
        for label, count in counts[name].items():
            filled[label][fold] += count
        in_fold[fold] += counts[name].total()
        fold_of[name] = fold + 1
    return fold_of
