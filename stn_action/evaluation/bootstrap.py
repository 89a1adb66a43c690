"""Bootstrap over groups of videos: is one arm better than another, and how sure is a share?"""

from typing import NamedTuple

import torch
from torch import Tensor

_DRAWS_AT_ONCE = 2**22
"""Groups that are drawn at a time; all at once, those of a large data set would fill a memory."""


class PairedDifference(NamedTuple):
    """The difference of two arms on the same videos, with its uncertainty."""

    difference: float
    """Mean of b minus mean of a."""
    low: float
    """Lower end of the 95 % percentile interval."""
    high: float
    """Upper end of the 95 % percentile interval."""
    p: float
    """Two-sided: twice the share of resamples on the other side of 0 (0 counts for both)."""


def paired_bootstrap(
    correct_a: Tensor,
    correct_b: Tensor,
    groups: Tensor,
    num_samples: int = 10_000,
    generator: torch.Generator | None = None,
) -> PairedDifference:
    """Compare two arms by resampling whole groups of videos (a cluster bootstrap).

    Videos of one group (a sequence, an actor) are not independent, so groups are drawn with
    replacement and all videos of a drawn group are taken, for both arms the same (Efron and
    Tibshirani 1993, chapters 8 and 13). With a group per video it is the usual paired bootstrap,
    and so it is if all videos are of one group, which cannot be resampled: see `resampled_units`.

    Args:
        correct_a: (N,) bool, or numbers such as a mean over seeds.
        correct_b: (N,), of the same videos.
        groups: (N,) int64, the group of each video.
        num_samples: how many resamples.
        generator: for the resamples.

    Returns:
        `PairedDifference` of b minus a.

    Raises:
        ValueError: the shapes differ, or there is nothing to compare.

    Example:
        >>> ones = torch.ones(4)
        >>> paired_bootstrap(ones * 0, ones, torch.arange(4), 100).difference
        1.0
    """
    if not (correct_a.shape == correct_b.shape == groups.shape == (len(groups),)):
        raise ValueError(
            "correct_a, correct_b and groups must be (N,) of one N, got "
            f"{tuple(correct_a.shape)}, {tuple(correct_b.shape)}, {tuple(groups.shape)}"
        )
    if len(groups) == 0 or num_samples < 1:
        raise ValueError(
            f"at least one video and one resample are needed, got {len(groups)} and {num_samples}"
        )
    gained = correct_b.double() - correct_a.double()
    group_of, sizes = groups.unique(return_inverse=True, return_counts=True)[1:]
    if len(sizes) == 1:
        group_of, sizes = torch.arange(len(groups)), torch.ones_like(groups)
    group_gains = torch.zeros(len(sizes), dtype=torch.float64).index_add_(0, group_of, gained)

    resampled = torch.empty(num_samples, dtype=torch.float64)
    for some in resampled.split(max(1, _DRAWS_AT_ONCE // len(sizes))):
        drawn = torch.randint(len(sizes), (len(some), len(sizes)), generator=generator)
        some[:] = group_gains[drawn].sum(1) / sizes[drawn].sum(1)
    # Sums of shares differ from 0 by rounding: what is that small is 0 and counts for both sides.
    resampled[resampled.abs() < 1e-12] = 0.0
    low, high = torch.quantile(resampled, torch.tensor([0.025, 0.975], dtype=torch.float64))
    below = ((resampled <= 0).sum() + 1) / (num_samples + 1)
    above = ((resampled >= 0).sum() + 1) / (num_samples + 1)
    return PairedDifference(
        difference=float(gained.mean()),
        low=float(low),
        high=float(high),
        p=min(1.0, 2 * float(torch.minimum(below, above))),
    )


class ShareInterval(NamedTuple):
    """Where a share of videos is, other groups of videos considered."""

    low: float
    """Lower end of the 95 % percentile interval."""
    high: float
    """Upper end of the 95 % percentile interval."""
    units: str
    """What was resampled, in words."""

    def line(self, label: str) -> str:
        """Return the interval as a tool prints it; `label` is the share's."""
        return (
            f"{label} from {self.low:.1%} to {self.high:.1%}: 95 % interval of a bootstrap over "
            f"{self.units}"
        )


def share_interval(
    correct: Tensor,
    groups: Tensor,
    num_samples: int = 10_000,
    generator: torch.Generator | None = None,
) -> ShareInterval:
    """Return the interval of a share of videos by resampling whole groups.

    It is about other videos of such groups, not about other seeds or splits: networks that were
    trained on other folds count as one.

    Args:
        correct: (N,) bool, or numbers.
        groups: (N,) int64, the group of each video.
        num_samples: see `paired_bootstrap`.
        generator: see `paired_bootstrap`.

    Raises:
        ValueError: as `paired_bootstrap`.
    """
    nothing = torch.zeros_like(correct)
    _, low, high, _ = paired_bootstrap(nothing, correct, groups, num_samples, generator)
    return ShareInterval(low, high, resampled_units(groups))


def resampled_units(groups: Tensor) -> str:
    """Return what `paired_bootstrap` resamples, in words.

    Args:
        groups: (N,) int64, the group of each test video.
    """
    num_groups = len(groups.unique())
    if num_groups > 1:
        return f"{num_groups} groups of test videos"
    return f"{len(groups)} test videos of one group: too narrow if they resemble"
