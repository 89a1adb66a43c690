"""Cells of a sheet that show what heads see: glimpses, weighted maps, first looks.

Letters: T frames, K heads, P points of a window's outline.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from stn_action.geometry.heat_maps import HeatMaps
from stn_action.visualize.frame_overlay import distinct_points
from stn_action.visualize.hatching import HATCH_LINE, beyond_image, hatch
from stn_action.visualize.heat_overlay import contour, draw_scale_of_heat
from stn_action.visualize.images import BLACK, Image, blank_image
from stn_action.visualize.legend import PAPER, head_color
from stn_action.visualize.lines import draw_lines
from stn_action.visualize.window_crop import corners_of, crop_window, side_length

GLIMPSE_HEIGHT = 200
BORDER = 3
"""Of a glimpse, in the head's color."""


class TwoLooks(NamedTuple):
    """What a network that looks twice sees, pixel for pixel."""

    edges: Tensor
    """(T, 4), the clip's edges in the frames, xyxy; x0 > x1 if mirrored."""
    look_hw: tuple[int, int]
    """Height and width of the first look."""
    glimpse_hw: tuple[int, int]
    """Height and width of a glimpse."""


def glimpse_rows(
    images: Sequence[Image],
    outlines: Tensor,
    heat: Sequence[HeatMaps],
    width: int,
    looks: TwoLooks | None,
) -> list[list[Image]]:
    """Draw the glimpses of each head in all frames."""
    size_hw = None if looks is None else looks.glimpse_hw
    rows = [
        [
            _glimpse_cell(image, outlines[place, head], head, width, size_hw)
            for place, image in enumerate(images)
        ]
        for head in range(outlines.shape[1])
    ]
    for one in heat:
        first = len(rows)
        rows += [
            [
                _heat_cell(image, one[place], number, first + number, width)
                for place, image in enumerate(images)
            ]
            for number in range(one.num_heads)
        ]
    return rows


def look_cell(image: Image, looks: TwoLooks, index: int, width: int) -> Image:
    """Draw the first look at frame `index` of those that `looks` has edges of."""
    x0, y0, x1, y1 = looks.edges[index].tolist()
    corners = torch.tensor([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])
    return center_cell(crop_window(image, corners, looks.look_hw), looks.look_hw[0], width)


def _glimpse_cell(
    image: Image, outline: Tensor, head: int, width: int, size_hw: tuple[int, int] | None
) -> Image:
    """Draw a glimpse of a size, None: as large as the cell allows, with a border.

    The cell stays empty if the head does not see this frame.
    """
    points = outline.detach().cpu().double().numpy()
    if not len(distinct_points(points)):
        height = GLIMPSE_HEIGHT if size_hw is None else size_hw[0] + 2 * BORDER
        return blank_image((height, width), PAPER)
    corners, _ = corners_of(points)
    own_hw = _glimpse_size(corners, width) if size_hw is None else size_hw
    cell = _bordered(crop_window(image, outline, own_hw), head)
    return center_cell(cell, GLIMPSE_HEIGHT if size_hw is None else len(cell), width)


def _heat_cell(image: Image, maps: HeatMaps, place: int, head: int, width: int) -> Image:
    """Draw the map's part of a frame as a head weighs it, with the contour of half the mass."""
    x0, y0, x1, y1 = maps.edges.tolist()
    corners = torch.tensor([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])
    size_hw = _glimpse_size(corners.numpy(), width)
    glimpse = crop_window(image, corners, size_hw)
    beyond = beyond_image(corners.numpy(), image.shape[:2], size_hw)
    glimpse[beyond] = BLACK
    edges = np.array([0.0, 0.0, size_hw[1], size_hw[0]])
    draw_scale_of_heat(glimpse, maps.weights[place], edges)
    hatch(glimpse, beyond, HATCH_LINE)
    draw_lines(glimpse, list(contour(maps.weights[place], edges)), head_color(head), 1)
    return center_cell(_bordered(glimpse, head), GLIMPSE_HEIGHT, width)


def _glimpse_size(corners: np.ndarray, width: int) -> tuple[int, int]:
    """Return height and width of a glimpse with these corners (4, 2), as large as a cell allows."""
    ratio = max(side_length(corners, 0), 1e-3) / max(side_length(corners, 1), 1e-3)
    height = GLIMPSE_HEIGHT - 2 * BORDER
    inner_width = min(max(round(height * ratio), 1), width - 2 * BORDER)
    return min(max(round(inner_width / ratio), 1), height), inner_width


def _bordered(glimpse: Image, head: int) -> Image:
    """Add a border in the head's color."""
    height, width = glimpse.shape[:2]
    framed = blank_image((height + 2 * BORDER, width + 2 * BORDER), head_color(head))
    framed[BORDER:-BORDER, BORDER:-BORDER] = glimpse
    return framed


def center_cell(image: Image, height: int, width: int) -> Image:
    """Return a cell with an image in its middle."""
    cell = blank_image((height, width), PAPER)
    top, left = (height - image.shape[0]) // 2, (width - image.shape[1]) // 2
    cell[top : top + image.shape[0], left : left + image.shape[1]] = image
    return cell
