"""The clips of one video: which parts of which frames, and their cutting while frames are decoded.

All regions are chosen before the first frame is read, so that each frame is cut and dropped: memory
depends on the clips, not on the size of the source.

Letters: V clips of the video, T frames of a clip, N frames read, R as in `person/crop.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from stn_action.batch import Sample
from stn_action.data.scene import Backdrop, Scene
from stn_action.geometry.extents import clip_extents
from stn_action.person.crop import (
    CropSpec,
    View,
    inverse_map,
    source_box,
    uniform_views,
    view_boxes,
)
from stn_action.person.image_crop import crop_frame
from stn_action.person.person_choices import Select
from stn_action.person.select import select_boxes
from stn_action.person.tube import Tube
from stn_action.video.reader import VideoReader
from stn_action.video.source_frame import BLACK, RGB, SourceFrame

SOURCE_PIXELS = 1080
"""Most rows and columns of `ClipView.source`."""


class Cut(NamedTuple):
    """The part of a clip's frames that becomes a view."""

    number: int
    """Of the clip."""
    person_boxes: Tensor | None
    """(T, 4) float32 xyxy, source pixels, of those that it shows; None: the full frame is used."""
    region: Tensor
    """(R, 4) float32 xyxy, source pixels: the loosened, jittered boxes, of which it is a part."""
    view: View
    """Which part of the region."""


class ClipView(NamedTuple):
    """A view of a clip."""

    cut: Cut
    """What it shows."""
    clip: Tensor
    """(3, T, h, w) uint8 RGB."""
    edges: Tensor
    """(T, 4) float32, the inverse map; see `batch.Sample.boxes`."""
    extents: Tensor
    """(T, 2, 4) float32; see `batch.Sample.extents`."""
    frame_indices: Tensor
    """(T,) int64, the source frames."""
    images: list[np.ndarray]
    """The T source frames (H, W, 3) uint8 RGB; empty unless they were asked for."""
    source: Tensor | None = None
    """(3, T, h', w') uint8 RGB: what `clip` shows at the size that it has in the source, at most
    `SOURCE_PIXELS` on each side; None unless it was asked for."""

    def sample(self, target: Tensor, video: int, number: int) -> Sample:
        """Return it as the sample of view `number` of a video."""
        return Sample(
            self.clip, target, video, number, self.frame_indices, self.edges, self.extents,
            self.source,
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Footage:
    """Frames and person boxes of one video, for V clips; nothing is decoded."""

    clips: Tensor
    """(V, T) int64, the source frames of each clip."""
    size_hw: tuple[int, int]
    """Height and width of the frames, pixels."""
    tubes: tuple[Tube, ...]
    """The people in question; none: the full frame."""
    select: Select
    """Which of them a clip is about."""
    crop: CropSpec
    """How clips are cut out."""
    fill: RGB = BLACK
    """Color of what a clip shows beyond the frames."""
    scene: Scene | None = None
    """What a clip shows there in place of the color."""

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
        return source_box(person_boxes, self.size_hw, self.crop, generator)

    def test_cuts(self, num_crops: int) -> list[Cut]:
        """Return the views of a test of every clip, at equal distances along the longer side."""
        cuts = []
        for number in range(len(self.clips)):
            boxes = self.person_boxes(number)
            region = self.region(boxes)
            views = uniform_views(region, self.crop.view_share, num_crops)
            cuts += [Cut(number, boxes, region, view) for view in views]
        return cuts


def read_views(
    reader: VideoReader,
    footage: Footage,
    cuts: Sequence[Cut],
    *,
    keep_images: bool = False,
    keep_source: bool = False,
) -> list[ClipView]:
    """Decode every frame that the cuts need once, in order of time, and cut it at once.

    Args:
        reader: the open video of the footage.
        footage: its clips.
        cuts: the views wanted.
        keep_images: also return the source frames, at full size.
        keep_source: also return the views at the size that they have in the source.

    Raises:
        VideoError: the frames cannot be read.
    """
    clips: list[list[int]] = footage.clips.tolist()
    needed = sorted({frame for cut in cuts for frame in clips[cut.number]})
    place_of = {frame: place for place, frame in enumerate(needed)}
    unfinished = [_UnfinishedView(footage, cut, keep_source=keep_source) for cut in cuts]
    users: list[list[tuple[int, int]]] = [[] for _ in needed]
    for row, cut in enumerate(cuts):
        for time, frame in enumerate(clips[cut.number]):
            users[place_of[frame]].append((row, time))
    images: dict[int, np.ndarray] = {}
    backdrop = None
    if footage.scene is not None and any(view.leaves(footage.size_hw) for view in unfinished):
        backdrop = footage.scene.backdrop(needed, len(reader), footage.size_hw)

    def visit(place: int, frame: SourceFrame) -> None:
        for row, time in users[place]:
            unfinished[row].add(time, place, frame, backdrop)
        if keep_images:
            images[place] = frame.image

    reader.visit_frames(needed, visit)
    views = []
    for view in unfinished:
        number = view.cut.number
        shown = [images[place_of[frame]] for frame in clips[number]] if keep_images else []
        frame_indices = footage.clips[number].contiguous()
        clip, edges = torch.from_numpy(view.clip), view.edges()
        extents = clip_extents(edges, footage.size_hw, view.cut.person_boxes)
        source = None if view.source is None else torch.from_numpy(view.source)
        views.append(ClipView(view.cut, clip, edges, extents, frame_indices, shown, source))
    return views


class _UnfinishedView:
    """A clip that is filled frame by frame."""

    def __init__(self, footage: Footage, cut: Cut, *, keep_source: bool) -> None:
        self.cut = cut
        crop, num_frames = footage.crop, footage.clips.shape[1]
        inside_hw = footage.size_hw if crop.moves_inside else None
        boxes = view_boxes(cut.region, cut.view, crop.aspect, inside_hw=inside_hw)
        self.fill = footage.fill
        self.boxes = boxes.expand(num_frames, 4)
        self.clip = np.empty((3, num_frames, *crop.size), dtype=np.uint8)
        self._corners = self.boxes.to(torch.int64).tolist()
        self.source: np.ndarray | None = None
        if keep_source:
            height = max(y1 - y0 for _, y0, _, y1 in self._corners)
            width = max(x1 - x0 for x0, _, x1, _ in self._corners)
            size_hw = min(height, SOURCE_PIXELS), min(width, SOURCE_PIXELS)
            self.source = np.empty((3, num_frames, *size_hw), dtype=np.uint8)
        self._last: tuple[int, int, list[int]] | None = None  # time, place, box

    def leaves(self, size_hw: tuple[int, int]) -> bool:
        """Return whether a box reaches beyond frames of this height and width."""
        return any(_leaves(box, size_hw) for box in self._corners)

    def add(self, time: int, place: int, frame: SourceFrame, backdrop: Backdrop | None) -> None:
        """Cut a frame; what a repeated frame shows in the same box is copied."""
        box = self._corners[time]
        last = self._last
        # Damage makes a reader begin again: a frame of the pass before is not the same.
        if last is not None and last[0] < time and last[1:] == (place, box):
            for kept in self._outputs():
                kept[:, time] = kept[:, last[0]]
        else:
            fill = self.fill
            if backdrop is not None and _leaves(box, frame.size_hw):
                fill = backdrop.part(place, box)
            mirror = self.cut.view.mirror
            for kept in self._outputs():
                crop_frame(frame, box, kept[:, time], mirror=mirror, fill=fill)
        self._last = time, place, box

    def _outputs(self) -> list[np.ndarray]:
        return [self.clip] if self.source is None else [self.clip, self.source]

    def edges(self) -> Tensor:
        """Return the inverse map (T, 4)."""
        return inverse_map(self.boxes, self.cut.view.mirror).contiguous()


def _leaves(box: Sequence[int], size_hw: Sequence[int]) -> bool:
    return min(box[:2]) < 0 or box[2] > size_hw[1] or box[3] > size_hw[0]
