"""When the difference of two arms is called a gain: beyond the videos' chance and the seeds'."""

from typing import NamedTuple

import torch
from torch import Tensor

from stn_action.evaluation.bootstrap import paired_bootstrap


class Gain(NamedTuple):
    """The accuracy of one arm less that of another, on the same videos, in [-1, 1]."""

    difference: float
    low: float
    """Lower end of the 95 % interval of the paired bootstrap over groups."""
    high: float
    deviation: float
    """Pooled deviation of the seeds, sqrt((s1^2 + s2^2) / 2); NaN for one seed."""

    @property
    def counts(self) -> bool:
        """Whether the interval excludes 0 and the difference is beyond twice the deviation."""
        return self.low * self.high > 0 and abs(self.difference) > 2 * self.deviation


def gain_over(better: Tensor, worse: Tensor, groups: Tensor, num_samples: int = 10_000) -> Gain:
    """Compare two arms that were trained with several seeds and tested on the same videos.

    Seeds are averaged per video before groups are resampled, so that the interval is about other
    videos, and the deviation about other seeds.

    Args:
        better: (seeds, N) whether a video was recognized.
        worse: (seeds, N) of the arm that is subtracted.
        groups: (N,) int64, videos that may resemble each other.
        num_samples: resamples.
    """
    better, worse = better.double(), worse.double()
    generator = torch.Generator().manual_seed(0)
    d = paired_bootstrap(worse.mean(0), better.mean(0), groups, num_samples, generator)
    deviation = float("nan")
    if len(better) > 1 and len(worse) > 1:
        variances = torch.stack([correct.mean(1).var() for correct in (better, worse)])
        deviation = float(variances.mean().sqrt())
    return Gain(d.difference, d.low, d.high, deviation)
