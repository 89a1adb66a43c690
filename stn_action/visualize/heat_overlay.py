"""Overlay of weight maps: a tint in the head's color, and the contour of half the mass.

Coordinates are those of images: pixels, 0 and W at the outer edges.

Letters: H, W the map.
"""

from itertools import pairwise

import cv2
import numpy as np
import torch
from torch import Tensor

from stn_action.geometry.attention_mass import half_mass
from stn_action.visualize.images import Color, Image

_TINT = 0.6
"""Share of the color at the heaviest cell."""
_NO_TINT = 1e-3
"""Weights that differ by less than this share of them are equal."""
_HEAT = 0.6
"""Share of the scale's color where the image is drawn below it."""


def draw_tint(view: Image, weights: Tensor, edges: np.ndarray, color: Color) -> None:
    """Tint an image where a map weighs more than on average, in place: most at its heaviest cell.

    Equal weights leave no tint, so that the image below several heads stays visible.

    Args:
        view: the image.
        weights: (H, W), drawn smoothly between the centers of cells.
        edges: (4,) xyxy of the map in the image; x0 > x1: mirrored.
        color: of the tint.
    """
    above = (weights - weights.mean()).clamp(min=0)
    above = above if above.max() > _NO_TINT * weights.max() else torch.zeros_like(above)
    share = _TINT * _relative_weights(above, edges, view.shape[:2])[..., None]
    view[:] = np.round(view * (1 - share) + np.array(color) * share)


def draw_scale_of_heat(view: Image, weights: Tensor, edges: np.ndarray) -> None:
    """Draw the weights of a map in a scale of colors, dark to bright, over gray pixels, in place.

    Args:
        view: the image.
        weights: (H, W), drawn smoothly between the centers of cells.
        edges: (4,) xyxy of the map in the image; x0 > x1: mirrored.
    """
    share = _relative_weights(weights, edges, view.shape[:2])
    levels = cv2.applyColorMap(np.round(255 * share).astype(np.uint8), cv2.COLORMAP_INFERNO)
    gray = view.mean(2, keepdims=True)
    view[:] = np.round((1 - _HEAT) * gray + _HEAT * levels[..., ::-1])


def contour(weights: Tensor, edges: np.ndarray) -> np.ndarray:
    """Return the border of the cells that hold half the mass, as lines along edges of cells.

    Args:
        weights: (H, W).
        edges: (4,) xyxy of the map in the image; x0 > x1: mirrored.

    Returns:
        (N, 2, 2): start and end (x, y) of each line, as long as the border is straight.
    """
    mask = half_mass(weights.detach().cpu()).numpy()
    lines = [*_borders(mask), *((start[::-1], end[::-1]) for start, end in _borders(mask.T))]
    if not lines:
        return np.zeros((0, 2, 2))
    start, size = edges[:2], edges[2:] - edges[:2]
    return start + np.array(lines) / np.array(mask.shape[::-1]) * size


def _relative_weights(weights: Tensor, edges: np.ndarray, size_hw: tuple[int, int]) -> np.ndarray:
    """Return weights as shares of the largest at each pixel (H', W'), 0 outside the map."""
    x0, y0, x1, y1 = edges.tolist()
    heat = weights.detach().cpu().float().numpy()
    if not (peak := float(heat.max())) > 0 or x0 == x1 or y0 == y1:
        return np.zeros(size_hw, dtype=np.float32)
    H, W = heat.shape
    per_x, per_y = W / (x1 - x0), H / (y1 - y0)
    to_map = np.array(  # from centers of pixels to centers of cells
        [[per_x, 0, (0.5 - x0) * per_x - 0.5], [0, per_y, (0.5 - y0) * per_y - 0.5]]
    )
    shares = cv2.warpAffine(
        heat / peak, to_map, size_hw[::-1], flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )  # fmt: skip
    rows, columns = (np.arange(size) + 0.5 for size in size_hw)
    shares[(rows < min(y0, y1)) | (rows > max(y0, y1))] = 0
    shares[:, (columns < min(x0, x1)) | (columns > max(x0, x1))] = 0
    return shares


def _borders(mask: np.ndarray) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Return the horizontal lines ((x, y), (x, y)) between cells inside and outside, in cells."""
    above = np.pad(mask, ((1, 0), (0, 0))).astype(np.int8)
    below = np.pad(mask, ((0, 1), (0, 0))).astype(np.int8)
    lines = []
    for y, row in enumerate(below - above):  # 1: the inside begins here, -1: it ends
        changes = np.flatnonzero(np.diff(row, prepend=0, append=0))
        steps = [0, *changes.tolist(), len(row)]
        for x0, x1 in pairwise(steps):
            if x0 < x1 and row[x0] != 0:
                lines.append(((x0, y), (x1, y)))
    return lines
