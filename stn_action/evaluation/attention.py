"""Attention against ground truth: does the deciding region lie in the heads' windows?

A large window, or one that always sits where people are, hits often without looking. So every hit
rate stands beside two controls of the same windows: *shuffled*, where each video gets the windows
of another one (same sizes, same habits, nothing about this video), and *random*, where windows of
equal size lie anywhere in the clip.

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
    """Shares of frames, and of the clip's area, in [0, 1]; K heads and their union, "any head"."""

    hit: Tensor
    """(K + 1,) frames whose deciding region's center lies in the window; last: in any window."""
    area: Tensor
    """(K + 1,) mean share of the clip that the window covers; last: the windows' union."""
    shuffled: Tensor
    """(K + 1,) hit, had every video the windows of another; NaN with a single video."""
    random: Tensor
    """(K + 1,) hit by windows of equal size that lie anywhere in the clip."""
    num_frames: int
    """Frames that have a deciding region and were counted."""

    def table(self) -> dict[str, dict[str, float]]:
        """A row for each head (from 1) and for any head, with a column for each figure."""
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
    """Score windows against the centers of the regions that decide the action.

    Windows count as far as they lie in the clip, so a center outside the clip is always missed.

    Args:
        outlines: (N, T, K, P, 2), windows of one clip per video, normalized on the clip; one
            without area, as of a volumetric head in frames that it does not see, hits nothing.
        centers: (N, T, 2), normalized on the clip; NaN where a frame has no deciding region.
        generator: draws the shuffles and the random places.
        repeats: how many shuffles and random placements are averaged.

    Raises:
        ValueError: the shapes do not agree, or no frame has a deciding region.
    """
    if outlines.dim() != 5 or outlines.shape[-1] != 2 or min(outlines.shape[2:]) < 1:
        raise ValueError(f"outlines must be (N, T, K, P, 2), got {tuple(outlines.shape)}")
    if centers.shape != (*outlines.shape[:2], 2):
        raise ValueError(
            f"centers must be {(*outlines.shape[:2], 2)} as outlines, got {tuple(centers.shape)}"
        )
    known = centers.isfinite().all(-1)  # (N, T)
    if not known.any():
        raise ValueError("no frame has a deciding region: nothing to score")
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
    """(K + 1,): of each head, and of any."""
    in_clip = (centers.abs() <= 1).all(-1)
    hits = contains_points(outlines, centers[:, :, None]) & in_clip[..., None]  # (N, T, K)
    hits = torch.cat([hits, hits.any(-1, keepdim=True)], dim=-1)
    return hits[known].double().mean(0)


def _another_video(num_videos: int, generator: torch.Generator | None) -> Tensor:
    """(N,): a random order in which no video keeps its own place."""
    order = torch.randperm(num_videos, generator=generator)
    other = torch.empty_like(order)
    other[order] = order.roll(1)
    return other


def _placed(outlines: Tensor, generator: torch.Generator | None) -> Tensor:
    """The windows at a random place in the clip, one place per video and head.

    A window that sticks out of the clip is first shrunk to the area that it has inside.
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
