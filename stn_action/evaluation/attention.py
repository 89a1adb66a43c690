"""Attention scores against ground truth: how often the heads' windows hold the target region.

A large window, or one that is always where people are, hits often without attending to anything.
So each hit rate comes with two controls of the same windows: *shuffled*, where each video gets the
windows of another one (equal sizes and habits, no information about this video), and *random*,
where windows of equal size are placed anywhere in the clip.

Letters: N videos, T frames of a clip, K heads.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from stn_action.geometry.polygons import (
    contains_points,
    polygon_area,
    union_area,
    window_area,
)


@dataclass(frozen=True)
class TargetScores:
    """Shares of frames and of the clip's area in [0, 1], for K heads and for any of them."""

    hit: Tensor
    """(K + 1,) frames with the target region's center in the window; last: in any window."""
    area: Tensor
    """(K + 1,) mean share of the clip that the window covers; last: the windows' union."""
    shuffled: Tensor
    """(K + 1,) hit rate with the windows of another video; NaN for a single video."""
    random: Tensor
    """(K + 1,) hit rate of windows of equal size, placed anywhere in the clip."""
    num_frames: int
    """Number of frames with a target region."""

    def table(self) -> dict[str, dict[str, float]]:
        """Return a row for each head (from 1) and for any head, a column for each score."""
        names = [f"head {k + 1}" for k in range(len(self.hit) - 1)] + ["any head"]
        columns = {
            "hit": self.hit,
            "area": self.area,
            "shuffled": self.shuffled,
            "random": self.random,
        }
        return {
            name: {column: float(values[row]) for column, values in columns.items()}
            for row, name in enumerate(names)
        }


def score_targets(
    outlines: Tensor, centers: Tensor, *, generator: torch.Generator | None, repeats: int = 20
) -> TargetScores:
    """Score windows against the centers of the target regions.

    Only the part of a window inside the clip counts, so a center outside is always missed.

    Args:
        outlines: (N, T, K, P, 2), windows of one clip per video, normalized on the clip; one
            without area, as of a volumetric head in frames outside its window, hits nothing.
        centers: (N, T, 2), normalized on the clip; NaN if a frame has no target region.
        generator: draws the shuffles and the random places.
        repeats: number of shuffles and of random placements to average.

    Raises:
        ValueError: the shapes do not agree, or no frame has a target region.
    """
    if outlines.dim() != 5 or outlines.shape[-1] != 2 or min(outlines.shape[2:]) < 1:
        raise ValueError(f"outlines must be (N, T, K, P, 2), got {tuple(outlines.shape)}")
    if centers.shape != (*outlines.shape[:2], 2):
        raise ValueError(
            f"centers must be {(*outlines.shape[:2], 2)} as outlines, got {tuple(centers.shape)}"
        )
    known = centers.isfinite().all(-1)  # (N, T)
    if not known.any():
        raise ValueError("no frame has a target region: nothing to score")
    outlines, centers = outlines.double(), centers.double()
    shuffles = [_another_video(len(outlines), generator) for _ in range(repeats)]
    return TargetScores(
        hit=_hit_rate(outlines, centers, known),
        area=torch.cat(
            [
                window_area(outlines[known]).mean(0),
                union_area(outlines[known]).mean(0, keepdim=True),
            ]
        ),
        shuffled=_mean([_hit_rate(outlines[other], centers, known) for other in shuffles])
        if len(outlines) > 1
        else torch.full((outlines.shape[2] + 1,), torch.nan, dtype=torch.double),
        random=_mean(
            [_hit_rate(_placed(outlines, generator), centers, known) for _ in range(repeats)]
        ),
        num_frames=int(known.sum()),
    )


def _hit_rate(outlines: Tensor, centers: Tensor, known: Tensor) -> Tensor:
    """Return the hit rates (K + 1,) of each head and of any head."""
    in_clip = (centers.abs() <= 1).all(-1)
    hits = contains_points(outlines, centers[:, :, None]) & in_clip[..., None]  # (N, T, K)
    hits = torch.cat([hits, hits.any(-1, keepdim=True)], dim=-1)
    return hits[known].double().mean(0)


def _another_video(num_videos: int, generator: torch.Generator | None) -> Tensor:
    """Return a random permutation (N,) without fixed points."""
    order = torch.randperm(num_videos, generator=generator)
    other = torch.empty_like(order)
    other[order] = order.roll(1)
    return other


def _placed(outlines: Tensor, generator: torch.Generator | None) -> Tensor:
    """Move windows to a random place in the clip, one place per video and head.

    A window that overlaps the clip's edge is first shrunk to its area inside.
    """
    center = outlines.mean(-2, keepdim=True)
    whole = polygon_area(outlines) / 4
    shrink = (window_area(outlines) / whole).nan_to_num(0).sqrt()[..., None, None]
    offsets = (outlines - center) * shrink
    low, high = offsets.amin(-2, keepdim=True), offsets.amax(-2, keepdim=True)
    room = (2 - (high - low)).clamp(min=0)
    num_videos, _, num_heads = outlines.shape[:3]
    share = torch.rand(num_videos, 1, num_heads, 1, 2, generator=generator, dtype=outlines.dtype)
    return offsets - (low + high) / 2 + (share.to(outlines.device) - 0.5) * room


def _mean(rates: list[Tensor]) -> Tensor:
    return torch.stack(rates).mean(0)
