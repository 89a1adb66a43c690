"""The frames that the clips of one video need, read in one pass, and the clips made from them.

Letters: V clips of the video, T frames of a clip, N frames read, R as in `person/crop.py`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

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


class ClipView(NamedTuple):
    """A view of a clip."""

    number: int
    """Of the clip."""
    person_boxes: Tensor | None
    """(T, 4) float32 xyxy, source pixels, of those that it shows; None: the full frame is used."""
    region: Tensor
    """(R, 4) float32 xyxy, source pixels: the loosened, jittered boxes, of which it is a part."""
    clip: Tensor
    """(3, T, h, w) uint8 RGB."""
    edges: Tensor
    """(T, 4) float32, the inverse map; see `batch.Sample.boxes`."""


@dataclass(frozen=True, eq=False)
class Footage:
    """Frames and person boxes of one video, for V clips."""

    clips: Tensor
    """(V, T) int64, the source frames of each clip."""
    places: Tensor
    """(V, T) int64, the places of those frames in `images`."""
    images: list[np.ndarray]
    """N images (H, W, 3) uint8 RGB, every needed frame once, in order of time."""
    tubes: tuple[Tube, ...]
    """The people in question; none: the full frame."""
    select: Select
    """Which of them a clip is about."""
    crop: CropSpec
    """How clips are cut out."""

    def images_of(self, number: int) -> list[np.ndarray]:
        """Return the T images of clip `number`."""
        return [self.images[place] for place in self.places[number].tolist()]

    def person_boxes(self, number: int) -> Tensor | None:
        """Return the smoothed person boxes (T, 4) of clip `number`; None without people."""
        if not self.tubes:
            return None
        window = self.crop.smooth_window
        return select_boxes(self.tubes, self.clips[number], self.select, window)

    def region(
        self, person_boxes: Tensor | None, generator: torch.Generator | None = None
    ) -> Tensor:
        """Return the region (R, 4) of a clip's boxes; a generator draws its jitter."""
        height, width = self.images[0].shape[:2]
        return source_box(person_boxes, (height, width), self.crop, generator)

    def cut(self, number: int, region: Tensor, view: View) -> tuple[Tensor, Tensor]:
        """Cut a view of a region out of the frames of clip `number`.

        Returns:
            The clip (3, T, h, w) uint8 and its inverse map (T, 4) float32.
        """
        boxes = view_boxes(region, view, self.crop.aspect)
        images = self.images_of(number)
        clip = crop_images(images, boxes, self.crop.size, view.mirror)
        return clip, inverse_map(boxes, view.mirror).expand(len(images), 4).contiguous()

    def test_views(self, num_crops: int) -> Iterator[ClipView]:
        """Cut the views of a test out of every clip, at equal distances along the longer side."""
        for number in range(len(self.clips)):
            boxes = self.person_boxes(number)
            region = self.region(boxes)
            for view in uniform_views(region, self.crop.view_share, num_crops):
                yield ClipView(number, boxes, region, *self.cut(number, region, view))


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
        tubes: of the people in question, in the video's pixels; none: the full frame.
        select: which of them a clip is about.

    Raises:
        VideoError: the frames cannot be read.
    """
    needed, places = torch.unique(clips, return_inverse=True)
    images = reader.read_images(needed.tolist())
    return Footage(clips, places, images, tubes, select, crop)
