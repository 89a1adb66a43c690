"""Attention scores against ground truth: how often heads look at the target region.

A large window, or one that is always where people are, hits often without attending to anything.
So each hit rate comes with two controls of the same places: *shuffled*, where each video gets the
places of another one (equal sizes and habits, no information about this video), and *random*,
where places of equal size are anywhere in the clip.

Letters: N videos, T frames of a clip, K heads.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from stn_action.evaluation.places import Places


@dataclass(frozen=True)
class TargetScores:
    """Shares of frames and of the clip's area in [0, 1], for K heads and for any of them."""

    hit: Tensor
    """(K + 1,) frames with the target region's center in the head's place; last: in any."""
    area: Tensor
    """(K + 1,) mean share of the clip that the place covers; last: the places' union."""
    effective: Tensor
    """(K + 1,) mean effective area: of a window its area, of weights the area of equal weights
    with the same entropy."""
    shuffled: Tensor
    """(K + 1,) hit rate with the places of another video; NaN for a single video."""
    random: Tensor
    """(K + 1,) hit rate of places of equal size, anywhere in the clip."""
    num_frames: int
    """Number of frames with a target region."""

    def table(self) -> dict[str, dict[str, float]]:
        """Return a row for each head (from 1) and for any head, a column for each score."""
        names = [f"head {k + 1}" for k in range(len(self.hit) - 1)] + ["any head"]
        columns = {
            "hit": self.hit,
            "area": self.area,
            "effective_area": self.effective,
            "shuffled": self.shuffled,
            "random": self.random,
        }
        return {
            name: {column: float(values[row]) for column, values in columns.items()}
            for row, name in enumerate(names)
        }


def score_targets(
    places: Places, centers: Tensor, *, generator: torch.Generator | None, repeats: int = 20
) -> TargetScores:
    """Score places against the centers of the target regions.

    Only the part of a place inside the clip counts, so a center outside is always missed.

    Args:
        places: where the heads look in one clip per video.
        centers: (N, T, 2), normalized on the clip; NaN if a frame has no target region.
        generator: draws the shuffles and the random places.
        repeats: number of shuffles and of random placements to average.

    Raises:
        ValueError: the shapes do not agree, or no frame has a target region.
    """
    N, T, K = places.shape
    if centers.shape != (N, T, 2):
        raise ValueError(f"centers must be {(N, T, 2)} as places, got {tuple(centers.shape)}")
    known = centers.isfinite().all(-1)  # (N, T)
    if not known.any():
        raise ValueError("no frame has a target region: nothing to score")
    centers = centers.double()
    shuffles = [_another_video(N, generator) for _ in range(repeats)]
    area, effective = places.areas(known)
    return TargetScores(
        hit=_hit_rate(places, centers, known),
        area=area,
        effective=effective,
        shuffled=_mean([_hit_rate(places.of_videos(other), centers, known) for other in shuffles])
        if N > 1
        else torch.full((K + 1,), torch.nan, dtype=torch.double),
        random=_mean(
            [_hit_rate(places.anywhere(generator), centers, known) for _ in range(repeats)]
        ),
        num_frames=int(known.sum()),
    )


def _hit_rate(places: Places, centers: Tensor, known: Tensor) -> Tensor:
    """Return the hit rates (K + 1,) of each head and of any head."""
    in_clip = (centers.abs() <= 1).all(-1)
    hits = places.hold(centers) & in_clip[..., None]  # (N, T, K)
    hits = torch.cat([hits, hits.any(-1, keepdim=True)], dim=-1)
    return hits[known].double().mean(0)


def _another_video(num_videos: int, generator: torch.Generator | None) -> Tensor:
    """Return a random permutation (N,) without fixed points."""
    order = torch.randperm(num_videos, generator=generator)
    other = torch.empty_like(order)
    other[order] = order.roll(1)
    return other


def _mean(rates: list[Tensor]) -> Tensor:
    return torch.stack(rates).mean(0)
