"""The part of an image inside a window, upright."""

import cv2
import numpy as np
from torch import Tensor

from stn_action.visualize.frame_overlay import distinct_points
from stn_action.visualize.hatching import HATCH_GROUND, HATCH_LINE, beyond_image, hatch
from stn_action.visualize.images import Image, as_image, resize_image
from stn_action.visualize.legend import PAPER
from stn_action.visualize.lines import SUBPIXEL_BITS, fixed_point

MOST_SHRINK = 8
"""A crop is averaged from at most this many times its pixels, along each side."""


def crop_window(image: Image, outline: Tensor, size_hw: tuple[int, int]) -> Image:
    """Resample the image inside an outline: the glimpse of a head, hatched beyond the image.

    Args:
        image: (H, W, 3).
        outline: (P, 2), source pixels. Four corners become the corners of the result in their
            order, so that a rotated window is shown upright; of any other outline the bounding box
            is shown, with paper outside the outline.
        size_hw: size of the result.
    """
    points = outline.detach().cpu().double().numpy()
    corners, is_exact = corners_of(points)
    height, width = size_hw
    shrink = max(side_length(corners, 0) / width, side_length(corners, 1) / height)
    shrink = int(min(max(shrink, 1), MOST_SHRINK))
    fine_hw = (height * shrink, width * shrink)
    target = np.array([[0, 0], [fine_hw[1], 0], [fine_hw[1], fine_hw[0]], [0, fine_hw[0]]])
    matrix = cv2.getPerspectiveTransform(
        (corners - 0.5).astype(np.float32), (target - 0.5).astype(np.float32)
    )
    fine = as_image(
        cv2.warpPerspective(image, matrix, fine_hw[::-1], flags=cv2.INTER_LINEAR).astype(np.uint8)
    )
    glimpse = resize_image(fine, size_hw) if shrink > 1 else fine
    hatch(glimpse, beyond_image(corners, image.shape[:2], size_hw), HATCH_LINE, ground=HATCH_GROUND)
    if not is_exact:
        inside = (points - corners[0]) / (corners[2] - corners[0]) * np.array(size_hw[::-1])
        glimpse[~_filled(inside, size_hw)] = PAPER
    return glimpse


def corners_of(points: np.ndarray) -> tuple[np.ndarray, bool]:
    """Return the corners of a glimpse: those of an outline (P, 2) of four, else its bounding box.

    Returns:
        (4, 2) in order, and whether they are the outline itself.
    """
    corners = points if len(points) == 4 else distinct_points(points)
    if len(corners) == 4:
        return corners, True
    x0, y0 = points.min(axis=0)
    x1, y1 = np.maximum(points.max(axis=0), (x0 + 1, y0 + 1))  # at least a pixel
    return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]]), False


def _filled(points: np.ndarray, size_hw: tuple[int, int]) -> np.ndarray:
    """Return a mask (H, W) of the pixels inside an outline (P, 2)."""
    mask = np.zeros(size_hw, dtype=np.uint8)
    cv2.fillPoly(mask, [fixed_point(points)], 1, shift=SUBPIXEL_BITS)
    return mask > 0


def side_length(corners: np.ndarray, first: int) -> float:
    """Return the mean length of the side at corner `first` and the side opposite it."""
    sides = np.linalg.norm(np.roll(corners, -1, axis=0) - corners, axis=1)
    return float(sides[first] + sides[first + 2]) / 2
