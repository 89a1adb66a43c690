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

import cv2
import numpy as np
import torch
from torch import Tensor

from stn_action.geometry.boxes import box_sizes, pad_boxes, square_boxes, union_box
from stn_action.person.person_choices import Aspect, Motion


@dataclass(frozen=True)
class CropSpec:
    """The settings of a clip's crop from the source frames."""

    size: tuple[int, int] = (112, 112)
    """Height and width of the clip, pixels."""
    looseness: float = 0.25
    """Share of the person box added on each side."""
    box_jitter: float = 0.0
    """Training: each side of the source box moves by up to this share of it, as in bad boxes."""
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


@dataclass(frozen=True)
class View:
    """The part of a source box that becomes the clip."""

    share: float = 1.0
    """Side of the view as a share of the source box's shorter side (`free`: of each side)."""
    place_xy: tuple[float, float] = (0.5, 0.5)
    """Position within the margin: 0 at the left or top, 1 at the right or bottom."""
    mirror: bool = False
    """Whether the view is flipped horizontally."""


def source_box(
    boxes: Tensor | None,
    size_hw: tuple[int, int],
    spec: CropSpec,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Return the source box around the person: padded, jittered, squared.

    Args:
        boxes: (T, 4) xyxy of the clip's frames, already smoothed, source pixels; None: no
            person is known, the source box is the full image (no jitter, no square).
        size_hw: height and width of the image, pixels.
        spec: looseness, jitter, aspect and motion.
        generator: draws the jitter, one draw for the clip; None: no jitter.

    Returns:
        (R, 4) float32 xyxy, source pixels; it may extend beyond the image.

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
    return square_boxes(boxes) if spec.aspect == "square" else boxes


def view_boxes(boxes: Tensor, view: View, aspect: Aspect) -> Tensor:
    """Return the boxes of a view inside source boxes, in integer pixels.

    Args:
        boxes: (R, 4) xyxy, the source boxes.
        view: share and place; `mirror` has no effect here.
        aspect: `square` gives squares of side share * min(width, height), `free` share * width by
            share * height.

    Returns:
        (R, 4) float32 xyxy, integers, at least one pixel wide and high.
    """
    extent = box_sizes(boxes)
    if aspect == "square":
        sizes = extent.amin(dim=1, keepdim=True).expand(-1, 2) * view.share
    else:
        sizes = extent * view.share
    sizes = sizes.round().clamp(min=1)
    corners = (boxes[:, :2] + (extent - sizes) * boxes.new_tensor(view.place_xy)).round()
    return torch.cat([corners, corners + sizes], dim=1)


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


def crop_frames(
    frames: Tensor, boxes: Tensor, size_hw: tuple[int, int], mirror: bool = False
) -> Tensor:
    """Crop one box from each frame and resize it: `crop_images` for frames in one tensor.

    Args:
        frames: (T, 3, H, W) uint8.
        boxes: (T, 4) or (1, 4) xyxy, integer source pixels.
        size_hw: height and width of the result, pixels.
        mirror: flip horizontally.

    Returns:
        (T, 3, *size_hw) uint8.

    Raises:
        ValueError: shapes or dtype do not agree, or a box is not integer.
    """
    if frames.ndim != 4 or frames.shape[1] != 3 or frames.dtype != torch.uint8:
        raise ValueError(
            f"frames must be uint8 (T, 3, H, W), got {frames.dtype} {tuple(frames.shape)}"
        )
    images = frames.permute(0, 2, 3, 1).numpy()  # (T, H, W, 3)
    return crop_images([*images], boxes, size_hw, mirror).transpose(0, 1)


def crop_images(
    images: Sequence[np.ndarray], boxes: Tensor, size_hw: tuple[int, int], mirror: bool = False
) -> Tensor:
    """Crop one box from each image and resize it; pixels outside the image are black.

    A direction in which the box shrinks is averaged over areas, one in which it grows is
    interpolated linearly; pixel centers are at half-integers in both. Images are not copied, and an
    image that is repeated with the same box is resized once.

    Args:
        images: T uint8 (H, W, 3); rows may be strided.
        boxes: (T, 4) or (1, 4) xyxy, integer source pixels.
        size_hw: height and width of the result, pixels.
        mirror: flip horizontally.

    Returns:
        (3, T, *size_hw) uint8, contiguous.

    Raises:
        ValueError: shapes do not agree, or a box is not integer.
    """
    count = len(images)
    if boxes.ndim != 2 or boxes.shape[1] != 4 or len(boxes) not in (1, count):
        raise ValueError(f"boxes must be ({count}, 4) or (1, 4), got {tuple(boxes.shape)}")
    if (boxes != boxes.round()).any() or (box_sizes(boxes) < 1).any():
        raise ValueError("boxes must have integer corners and be at least one pixel large")
    clip = np.empty((3, count, *size_hw), dtype=np.uint8)
    corners = boxes.to(torch.int64).expand(count, 4).tolist()
    last = None
    for index, (image, box) in enumerate(zip(images, corners, strict=True)):
        if last is not None and image is last[0] and box == last[1]:
            clip[:, index] = clip[:, index - 1]
            continue
        last = image, box
        crop_image(image, box, clip[:, index], mirror=mirror)
    return torch.from_numpy(clip)


def crop_image(
    image: np.ndarray, box: Sequence[int], out: np.ndarray, *, mirror: bool = False
) -> None:
    """Crop one box from an image and resize it, as `crop_images`.

    Args:
        image: uint8 (H, W, 3); rows may be strided.
        box: x0, y0, x1, y1, source pixels, at least one pixel large.
        out: uint8 (3, h, w) to write to; each channel is contiguous.
        mirror: flip horizontally.
    """
    resized = _resize(_crop(image, box), out.shape[1:])
    if mirror:
        resized = cv2.flip(resized, 1)
    resized = np.ascontiguousarray(resized)  # on strided rows `split` takes ten times as long
    cv2.split(resized, list(out))


def inverse_map(boxes: Tensor, mirror: bool) -> Tensor:
    """Return the clip's edges in the source: its boxes, x0 and x1 exchanged if mirrored.

    Args:
        boxes: (..., 4) xyxy of the clip, source pixels.
        mirror: whether the clip was flipped.

    Returns:
        (..., 4): x of the clip's left edge, y of its top, x of its right, y of its bottom edge.
    """
    return boxes[..., [2, 1, 0, 3]] if mirror else boxes


def _crop(image: np.ndarray, box: Sequence[int]) -> np.ndarray:
    """Return the part of an image (H, W, 3) in a box; black where the box extends beyond it."""
    x0, y0, x1, y1 = box
    height, width = image.shape[:2]
    left, right = min(max(x0, 0), width), min(max(x1, 0), width)
    upper, lower = min(max(y0, 0), height), min(max(y1, 0), height)
    inside = image[upper:lower, left:right]
    if inside.shape[:2] == (y1 - y0, x1 - x0):
        return inside
    canvas = np.zeros((y1 - y0, x1 - x0, 3), dtype=np.uint8)
    if inside.size:
        canvas[upper - y0 : lower - y0, left - x0 : right - x0] = inside
    return canvas


def _resize(image: np.ndarray, size_hw: Sequence[int]) -> np.ndarray:
    """Shrink by areas first, then enlarge: OpenCV's area mode is no average while it enlarges."""
    height, width = image.shape[:2]
    shrunk_hw = min(height, size_hw[0]), min(width, size_hw[1])
    if shrunk_hw != (height, width):
        image = cv2.resize(image, shrunk_hw[::-1], interpolation=cv2.INTER_AREA)
    if shrunk_hw != tuple(size_hw):
        image = cv2.resize(image, tuple(size_hw[::-1]), interpolation=cv2.INTER_LINEAR)
    return image
