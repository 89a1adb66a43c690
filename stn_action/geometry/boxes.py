"""Boxes: clip, pad, square, unite, smooth over frames, pixels <-> normalized.

Convention:
    - a box is (x0, y0, x1, y1) in pixels, the last dimension of a float tensor (..., 4)
    - coordinates are pixel *edges*: an image of width W reaches from 0 to W
    - normalized coordinates: -1 and 1 are the outer edges of the image

Overlap between boxes is `torchvision.ops.box_iou`.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def clip_boxes(boxes: Tensor, size_hw: tuple[int, int]) -> Tensor:
    """Clip boxes to the image; a box completely outside becomes empty at the border.

    Args:
        boxes: (..., 4) xyxy, pixels.
        size_hw: height and width of the image, pixels.

    Returns:
        (..., 4).

    Raises:
        ValueError: `boxes` does not end in 4.
    """
    _check_boxes(boxes)
    height, width = size_hw
    upper = boxes.new_tensor([width, height, width, height])
    return torch.minimum(boxes.clamp(min=0), upper)


def pad_boxes(boxes: Tensor, looseness: float) -> Tensor:
    """Move every side outward by a share of the box's own extent in that direction.

    Example:
        (10, 10, 30, 50) with looseness 0.25 becomes (5, 0, 35, 60).

    Args:
        boxes: (..., 4) xyxy, pixels.
        looseness: share of the width that is added left and right, and of the height that is
            added above and below. A negative value shrinks the box.

    Returns:
        (..., 4); it may extend beyond the image.

    Raises:
        ValueError: `boxes` does not end in 4, or `looseness` <= -0.5 turns the box inside out.
    """
    _check_boxes(boxes)
    if looseness <= -0.5:
        raise ValueError(f"looseness must be above -0.5, got {looseness}")
    margin = looseness * box_sizes(boxes)
    return torch.cat([boxes[..., :2] - margin, boxes[..., 2:] + margin], dim=-1)


def square_boxes(boxes: Tensor) -> Tensor:
    """Enlarge the shorter side of each box about its center until the box is a square.

    Args:
        boxes: (..., 4) xyxy, pixels.

    Returns:
        (..., 4); it may extend beyond the image.

    Raises:
        ValueError: `boxes` does not end in 4.
    """
    centers = box_centers(boxes)
    half_side = box_sizes(boxes).amax(dim=-1, keepdim=True) / 2
    return torch.cat([centers - half_side, centers + half_side], dim=-1)


def shift_boxes_inside(boxes: Tensor, size_hw: tuple[int, int]) -> Tensor:
    """Move boxes into the image, by as little as possible; sizes stay.

    In a direction in which a box is larger than the image it is centered on it.

    Example:
        In an image of width 100, x from -20 to 30 becomes 0 to 50, 90 to 110 becomes 80 to 100, and
        -10 to 130 becomes -20 to 120.

    Args:
        boxes: (..., 4) xyxy, pixels.
        size_hw: height and width of the image, pixels.

    Raises:
        ValueError: `boxes` does not end in 4.
    """
    sizes = box_sizes(boxes)
    room = boxes.new_tensor([size_hw[1], size_hw[0]]) - sizes
    start = torch.where(room < 0, room / 2, torch.minimum(boxes[..., :2].clamp(min=0), room))
    return torch.cat([start, start + sizes], dim=-1)


def limit_boxes(boxes: Tensor, largest_hw: tuple[float, float]) -> Tensor:
    """Shrink boxes about their centers to at most a height and a width.

    Args:
        boxes: (..., 4) xyxy.
        largest_hw: largest height and width; each direction is limited by itself.

    Raises:
        ValueError: `boxes` does not end in 4.
    """
    centers = box_centers(boxes)
    largest = boxes.new_tensor([largest_hw[1], largest_hw[0]])
    half = torch.minimum(box_sizes(boxes), largest) / 2
    return torch.cat([centers - half, centers + half], dim=-1)


def union_box(boxes: Tensor) -> Tensor:
    """Return the smallest box that contains all boxes.

    Args:
        boxes: (N, 4) xyxy, at least one.

    Returns:
        (4,).

    Raises:
        ValueError: `boxes` is not (N, 4) with N >= 1.
    """
    _check_sequence(boxes)
    return torch.cat([boxes[:, :2].amin(dim=0), boxes[:, 2:].amax(dim=0)])


def smooth_boxes(boxes: Tensor, window: int) -> Tensor:
    """Average each box with its neighbors in time.

    The window stays centered: toward both ends it shrinks on both sides alike, so that a person
    who moves at a constant speed keeps their exact place, at the ends as well.

    Args:
        boxes: (T, 4) xyxy of consecutive frames.
        window: frames in the average, odd; 1 changes nothing.

    Returns:
        (T, 4).

    Raises:
        ValueError: `boxes` is not (T, 4) with T >= 1, or `window` is not an odd positive number.
    """
    _check_sequence(boxes)
    if window < 1 or window % 2 == 0:
        raise ValueError(f"window must be an odd number of frames, at least 1, got {window}")
    frames = torch.arange(len(boxes))
    reach = torch.minimum(frames, len(boxes) - 1 - frames).clamp(max=window // 2)
    sums = F.pad(boxes.double().cumsum(dim=0), (0, 0, 1, 0))  # sums[t]: of the first t boxes
    averaged = (sums[frames + reach + 1] - sums[frames - reach]) / (2 * reach + 1)[:, None]
    return averaged.to(boxes.dtype)


def box_centers(boxes: Tensor) -> Tensor:
    """Return the center (x, y) of each box: (..., 4) -> (..., 2).

    Raises:
        ValueError: `boxes` does not end in 4.
    """
    _check_boxes(boxes)
    return (boxes[..., :2] + boxes[..., 2:]) / 2


def box_sizes(boxes: Tensor) -> Tensor:
    """Return the width and height of each box: (..., 4) -> (..., 2).

    Raises:
        ValueError: `boxes` does not end in 4.
    """
    _check_boxes(boxes)
    return boxes[..., 2:] - boxes[..., :2]


def box_areas(boxes: Tensor) -> Tensor:
    """Return the areas (...) of boxes (..., 4), xyxy; 0 if the corners are swapped."""
    return (boxes[..., 2:] - boxes[..., :2]).clamp_min(0).prod(-1)


def shared_areas(one: Tensor, other: Tensor) -> Tensor:
    """Return the areas (...) that pairs of boxes (..., 4) share, broadcast against each other."""
    start = torch.maximum(one[..., :2], other[..., :2])
    end = torch.minimum(one[..., 2:], other[..., 2:])
    return box_areas(torch.cat([start, end], dim=-1))


def box_contains_points(boxes: Tensor, points: Tensor) -> Tensor:
    """Return which points are inside their box, border included.

    Args:
        boxes: (..., 4) xyxy; the corners may be swapped, as in a mirrored clip.
        points: (..., 2) xy, broadcast against `boxes`.

    Returns:
        (...) bool.

    Raises:
        ValueError: `boxes` does not end in 4, or `points` does not end in 2.
    """
    _check_boxes(boxes)
    if points.shape[-1:] != (2,):
        raise ValueError(f"points must be (..., 2), got {tuple(points.shape)}")
    first, second = boxes[..., :2], boxes[..., 2:]
    lower, upper = torch.minimum(first, second), torch.maximum(first, second)
    return ((points >= lower) & (points <= upper)).all(dim=-1)


def boxes_to_normalized(boxes: Tensor, size_hw: tuple[int, int]) -> Tensor:
    """Convert pixel boxes to [-1, 1] over the image.

    Args:
        boxes: (..., 4) xyxy, pixels.
        size_hw: height and width of the image, pixels.

    Returns:
        (..., 4) xyxy, normalized.

    Raises:
        ValueError: `boxes` does not end in 4.
    """
    _check_boxes(boxes)
    height, width = size_hw
    return boxes * 2 / boxes.new_tensor([width, height, width, height]) - 1


def boxes_to_pixels(boxes: Tensor, size_hw: tuple[int, int]) -> Tensor:
    """Convert normalized boxes to pixels: the inverse of `boxes_to_normalized`.

    Args:
        boxes: (..., 4) xyxy, normalized.
        size_hw: height and width of the image, pixels.

    Returns:
        (..., 4) xyxy, pixels.

    Raises:
        ValueError: `boxes` does not end in 4.
    """
    _check_boxes(boxes)
    height, width = size_hw
    return (boxes + 1) / 2 * boxes.new_tensor([width, height, width, height])


def _check_boxes(boxes: Tensor) -> None:
    if boxes.shape[-1:] != (4,):
        raise ValueError(f"boxes must be (..., 4) xyxy, got {tuple(boxes.shape)}")


def _check_sequence(boxes: Tensor) -> None:
    if boxes.ndim != 2 or boxes.shape[1] != 4 or len(boxes) == 0:
        raise ValueError(f"boxes must be (N, 4) with at least one box, got {tuple(boxes.shape)}")
