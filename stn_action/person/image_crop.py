"""Cropping of images: a box is cut out of each and resized to the clip's size."""

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from torch import Tensor

from stn_action.geometry.boxes import box_sizes
from stn_action.video.source_frame import BLACK, RGB, SourceFrame


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
    images: Sequence[np.ndarray],
    boxes: Tensor,
    size_hw: tuple[int, int],
    mirror: bool = False,
    *,
    fill: RGB = BLACK,
) -> Tensor:
    """Crop one box from each image and resize it.

    A direction in which the box shrinks is averaged over areas, one in which it grows is
    interpolated linearly; pixel centers are at half-integers in both. Images are not copied, and an
    image that is repeated with the same box is resized once.

    Args:
        images: T uint8 (H, W, 3); rows may be strided.
        boxes: (T, 4) or (1, 4) xyxy, integer source pixels.
        size_hw: height and width of the result, pixels.
        mirror: flip horizontally.
        fill: color of the pixels outside the image.

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
        crop_image(image, box, clip[:, index], mirror=mirror, fill=fill)
    return torch.from_numpy(clip)


def crop_image(
    image: np.ndarray,
    box: Sequence[int],
    out: np.ndarray,
    *,
    mirror: bool = False,
    fill: RGB | np.ndarray = BLACK,
) -> None:
    """Crop one box from an image and resize it: `crop_frame` for an image.

    Args:
        image: uint8 (H, W, 3); rows may be strided.
        box: see `crop_frame`.
        out: see `crop_frame`.
        mirror: see `crop_frame`.
        fill: see `crop_frame`.
    """
    crop_frame(SourceFrame(image), box, out, mirror=mirror, fill=fill)


def crop_frame(
    frame: SourceFrame,
    box: Sequence[int],
    out: np.ndarray,
    *,
    mirror: bool = False,
    fill: RGB | np.ndarray = BLACK,
) -> None:
    """Crop one box from a frame and resize it, as `crop_images`.

    Where the frame can scale the box before its colors are converted, it is scaled there.

    Args:
        frame: decoded; only what the box shows of it is converted to RGB.
        box: x0, y0, x1, y1, source pixels, at least one pixel large.
        out: uint8 (3, h, w) to write to; each channel is contiguous.
        mirror: flip horizontally.
        fill: what is outside the frame: a color, or an image (H, W, 3) of the box's size.
    """
    height, width = frame.size_hw
    x0, y0, x1, y1 = box
    is_inside = min(x0, y0) >= 0 and x1 <= width and y1 <= height
    overlaps = max(x0, 0) < min(x1, width) and max(y0, 0) < min(y1, height)
    color = BLACK if isinstance(fill, np.ndarray) else fill
    if (is_inside or (overlaps and color is fill)) and frame.shrink(box, out, color):
        if mirror:
            for channel in out:
                cv2.flip(channel, 1, channel)
        return
    resized = resize_by_area(_crop(frame, box, fill), out.shape[1:])
    if mirror:
        resized = cv2.flip(resized, 1)
    resized = np.ascontiguousarray(resized)  # on strided rows `split` takes ten times as long
    cv2.split(resized, list(out))


def resize_by_area(image: np.ndarray, size_hw: Sequence[int]) -> np.ndarray:
    """Shrink by areas first, then enlarge: OpenCV's area mode is no average while it enlarges.

    Args:
        image: uint8 (H, W, 3).
        size_hw: height and width of the result, pixels.

    Returns:
        (*size_hw, 3); the image itself if it has this size.
    """
    height, width = image.shape[:2]
    shrunk_hw = min(height, size_hw[0]), min(width, size_hw[1])
    if shrunk_hw != (height, width):
        image = cv2.resize(image, shrunk_hw[::-1], interpolation=cv2.INTER_AREA)
    if shrunk_hw != tuple(size_hw):
        image = cv2.resize(image, tuple(size_hw[::-1]), interpolation=cv2.INTER_LINEAR)
    return image


def _crop(frame: SourceFrame, box: Sequence[int], fill: RGB | np.ndarray) -> np.ndarray:
    """Return the part of a frame in a box, (h, w, 3) RGB; `fill` where the box is beyond it."""
    x0, y0, x1, y1 = box
    height, width = frame.size_hw
    left, right = min(max(x0, 0), width), min(max(x1, 0), width)
    upper, lower = min(max(y0, 0), height), min(max(y1, 0), height)
    if (left, upper, right, lower) == (x0, y0, x1, y1):
        return frame.part((x0, y0, x1, y1))
    if left >= right or upper >= lower:
        return np.full((y1 - y0, x1 - x0, 3), fill, dtype=np.uint8)
    inside = frame.part((left, upper, right, lower))
    if isinstance(fill, np.ndarray):
        canvas = fill.copy()
        canvas[upper - y0 : lower - y0, left - x0 : right - x0] = inside
        return canvas
    # NumPy takes fifty times as long to fill a canvas with a color
    return cv2.copyMakeBorder(
        inside, upper - y0, y1 - lower, left - x0, x1 - right, cv2.BORDER_CONSTANT, value=fill
    )
