"""The frames that the clips of one video need, read in one pass, and the clips cut out of them.

Letters: V clips of the video, R as in `person/crop.py`.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from stn_action.person.crop import (
    CropSpec,
    View,
    crop_images,
    inverse_map,
    source_box,
    uniform_views,
    view_boxes,
)
from stn_action.person.person_choices import Select
from stn_action.person.select import select_boxes
from stn_action.person.tube import Tube
from stn_action.video.reader import VideoReader


@dataclass(frozen=True, eq=False)
class Footage:
    """Frames and person boxes of one video, for V clips."""

    clips: Tensor
    """(V, T) int64, the source frames of each clip."""
    places: Tensor
    """(V, T) int64, where those frames are in `pictures`."""
    pictures: list[np.ndarray]
    """N pictures (H, W, 3) uint8 RGB, every needed frame once, in order of time."""
    tubes: tuple[Tube, ...]
    """The persons in question; none: the whole frame."""
    select: Select
    """Which of them a clip is about."""
    crop: CropSpec
    """How clips are cut out."""

    def region(self, number: int, generator: torch.Generator | None = None) -> Tensor:
        """Region (R, 4) of clip `number`; a generator draws its jitter."""
        boxes = None
        if self.tubes:
            window = self.crop.smooth_window
            boxes = select_boxes(self.tubes, self.clips[number], self.select, window)
        height, width = self.pictures[0].shape[:2]
        return source_box(boxes, (height, width), self.crop, generator)

    def cut(self, number: int, region: Tensor, view: View) -> tuple[Tensor, Tensor]:
        """Cut a view of a region out of the frames of clip `number`.

        Returns:
            The clip (3, T, h, w) uint8 and its inverse map (T, 4) float32.
        """
        boxes = view_boxes(region, view, self.crop.aspect)
        pictures = [self.pictures[place] for place in self.places[number].tolist()]
        clip = crop_images(pictures, boxes, self.crop.size, view.mirror)
        return clip, inverse_map(boxes, view.mirror).expand(len(pictures), 4).contiguous()

    def test_views(self, num_crops: int) -> Iterator[tuple[int, Tensor, Tensor]]:
        """Cut the views of a test out of every clip, at equal distances along the longer side.

        Yields:
            The clip's number, and what `cut` returns of the view.
        """
        for number in range(len(self.clips)):
            region = self.region(number)
            for view in uniform_views(region, self.crop.view_share, num_crops):
                yield number, *self.cut(number, region, view)


def read_footage(
    reader: VideoReader,
    clips: Tensor,
    crop: CropSpec,
    tubes: tuple[Tube, ...] = (),
    select: Select = "longest",
) -> Footage:
    """Read every frame that the clips need once, in order of time.

    Args:
        reader: an open video.
        clips: (V, T) int64 source frames.
        crop: how clips are cut out.
        tubes: of the persons in question, in the video's pixels; none: the whole frame.
        select: which of them a clip is about.

    Raises:
        VideoError: the frames cannot be read.
    """
    needed, places = torch.unique(clips, return_inverse=True)
    pictures = reader.read_images(needed.tolist())
    return Footage(clips, places, pictures, tubes, select, crop)
