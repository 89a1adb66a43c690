"""The views of a video that are wanted, chosen before it is decoded.

Letters: V clips of one video, T frames of a clip.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from torch import Tensor

from stn_action.data.footage import Cut, Footage
from stn_action.data.frame_sampling import ClipSampling


class ViewChoice(NamedTuple):
    """The choice of the views of a video; everything random in it happens before it is decoded."""

    clips: Callable[[int], Tensor]
    """Number of frames to choose from, to the frames (V, T) int64 of the clips."""
    cuts: Callable[[Footage], Sequence[Cut]]
    """The clips and their people, to the views."""
    keep_images: bool = False
    """Whether the views hold their source frames, at full size."""
    keep_source: bool = False
    """Whether the views hold what they show at the source's own size, see `ClipView.source`."""


def fixed_views(
    sampling: ClipSampling,
    num_clips: int,
    num_crops: int,
    *,
    only: Sequence[int] | None = None,
    keep_images: bool = False,
    keep_source: bool = False,
) -> ViewChoice:
    """Return the choice of the views of a test.

    Args:
        sampling: which frames make a clip.
        num_clips: clips of a video, at equal distances in time.
        num_crops: views of a clip, at equal distances along the longer side of the region.
        only: numbers of the views wanted; None: all.
        keep_images: see `ViewChoice`.
        keep_source: see `ViewChoice`.
    """

    def cuts(footage: Footage) -> list[Cut]:
        views = footage.test_cuts(num_crops)
        return views if only is None else [views[number] for number in only]

    def clips(num_frames: int) -> Tensor:
        return sampling.evenly(num_frames, num_clips)

    return ViewChoice(clips, cuts, keep_images, keep_source)
