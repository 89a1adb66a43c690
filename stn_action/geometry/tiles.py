"""Where several windows start: a tiling of the map."""

import math

import torch
from torch import Tensor


def tile_centres(num_heads: int) -> Tensor:
    """Places that spread `num_heads` windows over the map, in [-1, 1] units of the free room.

    One head sits in the centre; two side by side; more on the fullest grid of rows.

    Returns:
        (num_heads, 2), x and y; windows of scale s have their centres at (1 - s) times these.

    Example:
        >>> tile_centres(4).tolist()
        [[-1.0, -1.0], [1.0, -1.0], [-1.0, 1.0], [1.0, 1.0]]
    """
    num_rows = math.floor(math.sqrt(num_heads))
    centres = []
    for row in range(num_rows):
        in_row = num_heads // num_rows + (row < num_heads % num_rows)
        y = 2 * row / (num_rows - 1) - 1 if num_rows > 1 else 0.0
        for column in range(in_row):
            x = 2 * column / (in_row - 1) - 1 if in_row > 1 else 0.0
            centres.append((x, y))
    return torch.tensor(centres)
