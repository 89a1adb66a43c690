"""The start of several windows: a tiling of the map."""

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
