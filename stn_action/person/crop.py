"""Loose person crops from frames and boxes, and the inverse map to source pixels.

A clip is cropped in three steps: the *source box* around the person (or the full image), a *view*
inside it (a random crop in training, one of several crops in a test), and cropping with resizing.
Boxes are rounded to integer pixels before cropping, so that the box of a clip is its exact inverse
map: a clip point u in [-1, 1] is at x0 + (u + 1) / 2 * (x1 - x0) in source pixels, where -1, 1, x0
and x1 are outer edges.

Letters: R is 1 if one source box serves the entire clip, else T.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

import torch
from torch import Tensor

from stn_action.geometry.boxes import (
    box_sizes,
    limit_boxes,
    pad_boxes,
    shift_boxes_inside,
    square_boxes,
    union_box,
)
from stn_action.person.box_error import BoxErrors
from stn_action.person.person_choices import Aspect, Beyond, Motion, PaddingColor
from stn_action.video.source_frame import BLACK, RGB


@dataclass(frozen=True)
class CropSpec:
    """The settings of a clip's crop from the source frames."""

    size: tuple[int, int] = (112, 112)
    """Height and width of the clip, pixels."""
    looseness: float = 0.25
    """Share of the person box added on each side."""
    box_error: BoxErrors | None = None
    """Errors of the person boxes, drawn for each video, in training and in tests; None: none."""
    box_jitter: float = 0.0
    """Training: each side of the source box moves by up to this share of it, as in bad boxes."""
    beyond: Beyond = "pad"
    """Crops that reach beyond the frame: `pad` them there; `shift` them back inside, where one that
    is larger than the frame is padded, evenly on both sides; or `fit` them: shift, but one that is
    larger is made as small as the frame, so that nothing is ever padded. With `scene`
    another clip is there, see `data/scene.py`."""
    scene_seed: int = 0
    """Of the choice of the other clip."""
    padding: PaddingColor = "mean"
    """Color of the padding: the `mean` of the trunk's training images, or `black`."""
    aspect: Aspect = "square"
    """`square` enlarges the source box to a square; `free` stretches it to the clip's size."""
    motion: Motion = "fixed"
    """`fixed`: one source box per clip, the union over its frames; `follow`: one per frame."""
    view_share: float = 0.875
    """Side of a test view as a share of the source box's shorter side (`free`: of each side)."""
    smooth_window: int = 9
    """Source frames over which boxes are averaged, odd; 1 for none."""

    def __post_init__(self) -> None:
        if min(self.size) < 1:
            raise ValueError(f"size must be positive, got {self.size}")
        if self.looseness < 0:
            raise ValueError(f"looseness must not be negative, got {self.looseness}")
        if not 0 <= self.box_jitter < 0.5:
            raise ValueError(f"box_jitter must be in [0, 0.5), got {self.box_jitter}")
        if not 0 < self.view_share <= 1:
            raise ValueError(f"view_share must be in (0, 1], got {self.view_share}")
        if self.smooth_window < 1 or self.smooth_window % 2 == 0:
            raise ValueError(f"smooth_window must be odd, got {self.smooth_window}")
        if self.aspect not in get_args(Aspect):
            raise ValueError(f"aspect must be 'square' or 'free', got {self.aspect!r}")
        if self.motion not in get_args(Motion):
            raise ValueError(f"motion must be 'fixed' or 'follow', got {self.motion!r}")
        if self.beyond not in get_args(Beyond):
            raise ValueError(f"beyond must be one of {get_args(Beyond)}, got {self.beyond!r}")
        if self.padding not in get_args(PaddingColor):
            raise ValueError(f"padding must be 'mean' or 'black', got {self.padding!r}")

    @property
    def moves_inside(self) -> bool:
        """Whether crops that reach beyond the frame are moved back inside."""
        return self.beyond in ("shift", "fit")

    def fill(self, mean_color: Sequence[float] | None) -> RGB:
        """Return the color of the padding.

        Args:
            mean_color: red, green and blue of the trunk's mean, in [0, 255]; None: it is unknown,
                and padding is black.
        """
        if self.padding == "black" or mean_color is None:
            return BLACK
        red, green, blue = (round(value) for value in mean_color)
        return red, green, blue


@dataclass(frozen=True)
class View:
    """The part of a source box that becomes the clip."""

    share: float = 1.0
    """Side of the view as a share of the source box's shorter side (`free`: of each side)."""
    place_xy: tuple[float, float] = (0.5, 0.5)
    """Position within the margin: 0 at the left or top, 1 at the right or bottom."""
    mirror: bool = False
    """Whether the view is flipped horizontally."""
    ratio: float = 1.0
    """Width over height of the view (`free`: relative to those of the source box); `share` is the
    geometric mean of both sides'."""


def source_box(
    boxes: Tensor | None,
    size_hw: tuple[int, int],
    spec: CropSpec,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Return the source box around the person: padded, jittered, squared, shifted inside.

    Args:
        boxes: (T, 4) xyxy of the clip's frames, already smoothed, source pixels; None: no
            person is known, the source box is the full image (no jitter, no square).
        size_hw: height and width of the image, pixels.
        spec: looseness, jitter, aspect, motion and what happens beyond the image.
        generator: draws the jitter, one draw for the clip; None: no jitter.

    Returns:
        (R, 4) float32 xyxy, source pixels; it may extend beyond the image; with `shift` only if it
        is larger, with `fit` never.

    Raises:
        ValueError: `boxes` is not (T, 4).
    """
    if boxes is None:
        return torch.tensor([[0.0, 0.0, size_hw[1], size_hw[0]]])
    boxes = pad_boxes(boxes, spec.looseness)
    if spec.motion == "fixed":
        boxes = union_box(boxes)[None]
    if generator is not None and spec.box_jitter > 0:
        moves = (torch.rand(4, generator=generator) * 2 - 1) * spec.box_jitter
        boxes = boxes + moves * box_sizes(boxes).repeat(1, 2)
    boxes = square_boxes(boxes) if spec.aspect == "square" else boxes
    if spec.beyond == "fit":
        side = min(size_hw)
        boxes = limit_boxes(boxes, (side, side) if spec.aspect == "square" else size_hw)
    return shift_boxes_inside(boxes, size_hw) if spec.moves_inside else boxes


def view_boxes(
    boxes: Tensor, view: View, aspect: Aspect, *, inside_hw: tuple[int, int] | None = None
) -> Tensor:
    """Return the boxes of a view inside source boxes, in integer pixels.

    Args:
        boxes: (R, 4) xyxy, the source boxes.
        view: share and place; `mirror` has no effect here.
        aspect: `square` gives sides of share * min(width, height), `free` share * width by share *
            height; the ratio of the view then stretches both.
        inside_hw: height and width of the image that views are shifted into, pixels: rounding, or a
            source box larger than the image, may put them beyond it. None: they stay there.

    Returns:
        (R, 4) float32 xyxy, integers, at least one pixel wide and high.
    """
    extent = box_sizes(boxes)
    whole = extent.amin(dim=1, keepdim=True) if aspect == "square" else extent
    stretch = view.ratio**0.5
    shares = boxes.new_tensor([view.share * stretch, view.share / stretch])
    sizes = (whole * shares).round().clamp(min=1)
    corners = (boxes[:, :2] + (extent - sizes) * boxes.new_tensor(view.place_xy)).round()
    views = torch.cat([corners, corners + sizes], dim=1)
    return views if inside_hw is None else shift_boxes_inside(views, inside_hw).floor()


def uniform_views(boxes: Tensor, share: float, count: int) -> list[View]:
    """Return `count` views at equal distances along the longer side of a source box.

    A single view is at the center.

    Args:
        boxes: (R, 4) xyxy, the source boxes.
        share: see `View.share`.
        count: number of views.
    """
    if count == 1:
        return [View(share)]
    width, height = box_sizes(boxes).mean(dim=0).tolist()
    places = [index / (count - 1) for index in range(count)]
    if width >= height:
        return [View(share, (place, 0.5)) for place in places]
    return [View(share, (0.5, place)) for place in places]


def inverse_map(boxes: Tensor, mirror: bool) -> Tensor:
    """Return the clip's edges in the source: its boxes, x0 and x1 exchanged if mirrored.

    Args:
        boxes: (..., 4) xyxy of the clip, source pixels.
        mirror: whether the clip was flipped.

    Returns:
        (..., 4): x of the clip's left edge, y of its top, x of its right, y of its bottom edge.
    """
    return boxes[..., [2, 1, 0, 3]] if mirror else boxes
