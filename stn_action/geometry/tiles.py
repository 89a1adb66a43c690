"""The start of several windows: a tiling of the map, or of the box of a person on it."""

import math

import torch
from torch import Tensor


def tile_centers(num_heads: int) -> Tensor:
    """Return places that distribute windows over the map, in [-1, 1] units of the free space.

    One head is in the center; two are side by side; more are on the fullest grid of rows.

    Returns:
        (num_heads, 2), x and y; windows of scale s have their centers at (1 - s) times these.

    Example:
        >>> tile_centers(4).tolist()
        [[-1.0, -1.0], [1.0, -1.0], [-1.0, 1.0], [1.0, 1.0]]
    """
    num_rows = math.floor(math.sqrt(num_heads))
    centers = []
    for row in range(num_rows):
        in_row = num_heads // num_rows + (row < num_heads % num_rows)
        y = 2 * row / (num_rows - 1) - 1 if num_rows > 1 else 0.0
        for column in range(in_row):
            x = 2 * column / (in_row - 1) - 1 if in_row > 1 else 0.0
            centers.append((x, y))
    return torch.tensor(centers)


def foreground_boxes(extents: Tensor) -> Tensor:
    """Return the box of each clip's person over all frames, as far as it is on the map.

    Args:
        extents: (B, T, 2, 4) xyxy, normalized: in each frame the image, and the person's box (the
            image where there is no person); see `batch.Batch`.

    Returns:
        (B, 4) xyxy, normalized; the entire map where nothing of the person is on it.
    """
    lower = extents[..., :2].amax(2).clamp_min(-1)  # (B, T, 2), of the part in image and map
    upper = extents[..., 2:].amin(2).clamp_max(1)
    visible = (lower < upper).all(-1, keepdim=True)
    lower = torch.where(visible, lower, 1).amin(1)
    upper = torch.where(visible, upper, -1).amax(1)
    found = visible.any(1)
    return torch.cat([torch.where(found, lower, -1), torch.where(found, upper, 1)], dim=-1)
