"""Hatched parts of images: what lies beyond a frame has no pixels to show."""

import cv2
import numpy as np

from stn_action.visualize.images import Color, Image

HATCH_GROUND: Color = (226, 226, 226)
HATCH_LINE: Color = (150, 150, 150)
_PITCH = 8
"""Pixels from one line to the next."""
_LINE = 2


def beyond_image(
    corners: np.ndarray, image_hw: tuple[int, int], size_hw: tuple[int, int]
) -> np.ndarray:
    """Return a mask of the pixels of a glimpse that are beyond the image it is cut out of.

    Args:
        corners: (4, 2) of the glimpse in the image, pixels, from the top left one clockwise.
        image_hw: size of the image.
        size_hw: size of the glimpse.

    Returns:
        (h, w) bool.
    """
    height, width = size_hw
    own = np.array([[0, 0], [width, 0], [width, height], [0, height]])
    to_image = cv2.getPerspectiveTransform(own.astype(np.float32), corners.astype(np.float32))
    x, y = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    places = np.stack([x, y, np.ones_like(x)], axis=-1) @ to_image.T
    places = places[..., :2] / np.where(places[..., 2:] == 0, 1, places[..., 2:])
    outside = (places < 0) | (places > np.array(image_hw[::-1]))
    return outside[..., 0] | outside[..., 1]


def hatch(image: Image, mask: np.ndarray, line: Color, *, ground: Color | None = None) -> None:
    """Draw slanting lines where a mask (H, W) is true, in place; on a ground, if one is given."""
    if ground is not None:
        image[mask] = ground
    rows, columns = np.indices(mask.shape)
    image[mask & ((rows + columns) % _PITCH < _LINE)] = line
