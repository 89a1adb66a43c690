"""Sheet of a video: frames with the heads' windows, and the glimpse of each head.

Letters: T frames, K heads, P points of a window's outline.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from stn_action.geometry.heat_maps import HeatMaps
from stn_action.visualize.frame_overlay import distinct_points, draw_windows
from stn_action.visualize.heat_overlay import contour, draw_scale_of_heat
from stn_action.visualize.images import (
    BLACK,
    WHITE,
    Color,
    Image,
    as_image,
    blank_image,
    fit_text,
    put_text,
    text_width,
)
from stn_action.visualize.legend import (
    default_head_names,
    draw_header,
    draw_legend,
    head_color,
)
from stn_action.visualize.lines import draw_lines
from stn_action.visualize.window_crop import PAPER, corners_of, crop_window, side_length

FRAME_HEIGHT = 240
GLIMPSE_HEIGHT = 120
TEXT_HEIGHT = 11
_GAP = 8
_BORDER = 3
"""Of a glimpse, in the head's color."""


class TwoLooks(NamedTuple):
    """What a network that looks twice sees, pixel for pixel."""

    edges: Tensor
    """(T, 4), the clip's edges in the frames, xyxy; x0 > x1 if mirrored."""
    look_hw: tuple[int, int]
    """Height and width of the first look."""
    glimpse_hw: tuple[int, int]
    """Height and width of a glimpse."""


def draw_sheet(
    frames: Sequence[Image | Tensor] | Tensor,
    outlines: Tensor,
    *,
    heat: Sequence[HeatMaps] = (),
    title: str = "",
    label: str = "",
    probability: float | None = None,
    captions: Sequence[str] | None = None,
    person_boxes: Tensor | None = None,
    target_boxes: Tensor | None = None,
    head_names: Sequence[str] | None = None,
    columns: int = 6,
    glimpses: bool = True,
    looks: TwoLooks | None = None,
) -> Image:
    """Draw evenly spaced frames side by side, a row below for each head, legend and title.

    Args:
        frames: T frames of one size, arrays (H, W, 3) or tensors (3, H, W), uint8 RGB.
        outlines: (T, K, P, 2), source pixels; K may be 0.
        heat: weight maps of further heads, each of (T, K', H, W); their glimpses show the map's
            part of the frame, dark where they weigh little.
        title: name of the video, above everything.
        label: the predicted class.
        probability: of the class, in [0, 1].
        captions: T texts below the frames, such as their times.
        person_boxes: (T, 4) xyxy, source pixels; a row of NaN: no box in this frame.
        target_boxes: (T, 4) xyxy, source pixels, the target regions by ground truth.
        head_names: a name for each head; None: head 1, head 2, ...
        columns: number of frames at most.
        glimpses: add a row of glimpses for each head.
        looks: of a network that looks twice: a row of what it sees first is added, and glimpses
            have as many pixels as it sees.

    Raises:
        ValueError: the numbers of frames, windows or names do not agree.
    """
    images = [as_image(frame) for frame in frames]
    num_windows = outlines.shape[1] if outlines.dim() == 4 else 0
    num_heads = num_windows + sum(one.num_heads for one in heat)
    names = list(head_names) if head_names is not None else default_head_names(num_heads)
    num_named = len(names) - num_heads + num_windows
    if not images or outlines.shape[:2] != (len(images), num_named) or outlines.shape[3:] != (2,):
        raise ValueError(
            f"outlines must be ({len(images)}, {num_named}, P, 2) for {len(images)} frames "
            f"and {len(names)} heads, got {tuple(outlines.shape)}"
        )
    for one in heat:
        if one.weights.shape[:-3] != (len(images),):
            raise ValueError(f"maps must be of {len(images)} frames, got {len(one.weights)}")
    picked = evenly_spaced(len(images), columns)
    cells = [
        _frame_cell(
            images[index],
            outlines[index],
            [one[index] for one in heat],
            None if person_boxes is None else person_boxes[index],
            None if target_boxes is None else target_boxes[index],
        )
        for index in picked
    ]
    width = cells[0].shape[1]
    if looks is not None:
        width = max(width, looks.look_hw[1], looks.glimpse_hw[1] + 2 * _BORDER)
        cells = [_centered(cell, len(cell), width) for cell in cells]
    rows = [("", WHITE, cells)]
    if captions is not None:
        rows.append(("", WHITE, [_caption(captions[index], width) for index in picked]))
    if looks is not None:
        seen = [_look_cell(images[index], looks, index, width) for index in picked]
        rows.append(("first look", WHITE, seen))
    if glimpses:
        glimpse_hw = None if looks is None else looks.glimpse_hw
        of_heads = [
            [
                _glimpse_cell(images[index], outlines[index, head], head, width, glimpse_hw)
                for index in picked
            ]
            for head in range(num_windows)
        ]
        for one in heat:
            of_heads += [
                [_heat_cell(images[index], one[index], place, head, width) for index in picked]
                for place, head in enumerate(range(len(of_heads), len(of_heads) + one.num_heads))
            ]
        rows += [
            (name, head_color(head), tiles)
            for head, (name, tiles) in enumerate(zip(names, of_heads, strict=True))
        ]
    body = _grid(rows)
    width = body.shape[1]
    legend = draw_legend(
        names,
        width,
        TEXT_HEIGHT,
        person=person_boxes is not None,
        target=target_boxes is not None,
    )
    heading = ": ".join(filter(None, (title, label)))
    header = draw_header(heading, probability, width, TEXT_HEIGHT + 2)
    return np.concatenate([header, body, legend])


def evenly_spaced(length: int, count: int) -> list[int]:
    """Return at most `count` positions in `length`, the first and the last included.

    Example:
        >>> evenly_spaced(16, 4)
        [0, 5, 10, 15]
    """
    if count == 1:
        return [(length - 1) // 2]
    return sorted(set(torch.linspace(0, length - 1, min(count, length)).round().int().tolist()))


def _frame_cell(
    image: Image,
    outlines: Tensor,
    heat: Sequence[HeatMaps],
    person_box: Tensor | None,
    target_box: Tensor | None,
) -> Image:
    size_hw = (FRAME_HEIGHT, round(FRAME_HEIGHT * image.shape[1] / image.shape[0]))
    return draw_windows(
        image, outlines, size_hw, heat=heat, person_box=person_box, target_box=target_box
    )


def _look_cell(image: Image, looks: TwoLooks, index: int, width: int) -> Image:
    x0, y0, x1, y1 = looks.edges[index].tolist()
    corners = torch.tensor([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])
    return _centered(crop_window(image, corners, looks.look_hw), looks.look_hw[0], width)


def _glimpse_cell(
    image: Image, outline: Tensor, head: int, width: int, size_hw: tuple[int, int] | None
) -> Image:
    """Draw a glimpse of a size, None: as large as the cell allows, with a border.

    The cell stays empty if the head does not see this frame.
    """
    points = outline.detach().cpu().double().numpy()
    if not len(distinct_points(points)):
        height = GLIMPSE_HEIGHT if size_hw is None else size_hw[0] + 2 * _BORDER
        return blank_image((height, width), PAPER)
    corners, _ = corners_of(points)
    own_hw = _glimpse_size(corners, width) if size_hw is None else size_hw
    cell = _bordered(crop_window(image, outline, own_hw), head)
    return _centered(cell, GLIMPSE_HEIGHT if size_hw is None else len(cell), width)


def _heat_cell(image: Image, maps: HeatMaps, place: int, head: int, width: int) -> Image:
    """Draw the map's part of a frame as a head weighs it, with the contour of half the mass."""
    x0, y0, x1, y1 = maps.edges.tolist()
    corners = torch.tensor([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])
    size_hw = _glimpse_size(corners.numpy(), width)
    glimpse = crop_window(image, corners, size_hw)
    edges = np.array([0.0, 0.0, size_hw[1], size_hw[0]])
    draw_scale_of_heat(glimpse, maps.weights[place], edges)
    draw_lines(glimpse, list(contour(maps.weights[place], edges)), head_color(head), 1)
    return _centered(_bordered(glimpse, head), GLIMPSE_HEIGHT, width)


def _glimpse_size(corners: np.ndarray, width: int) -> tuple[int, int]:
    """Return height and width of a glimpse with these corners (4, 2), as large as a cell allows."""
    ratio = max(side_length(corners, 0), 1e-3) / max(side_length(corners, 1), 1e-3)
    height = GLIMPSE_HEIGHT - 2 * _BORDER
    inner_width = min(max(round(height * ratio), 1), width - 2 * _BORDER)
    return min(max(round(inner_width / ratio), 1), height), inner_width


def _bordered(glimpse: Image, head: int) -> Image:
    """Add a border in the head's color."""
    height, width = glimpse.shape[:2]
    framed = blank_image((height + 2 * _BORDER, width + 2 * _BORDER), head_color(head))
    framed[_BORDER:-_BORDER, _BORDER:-_BORDER] = glimpse
    return framed


def _centered(image: Image, height: int, width: int) -> Image:
    """Return a cell with an image in its middle."""
    cell = blank_image((height, width), PAPER)
    top, left = (height - image.shape[0]) // 2, (width - image.shape[1]) // 2
    cell[top : top + image.shape[0], left : left + image.shape[1]] = image
    return cell


def _caption(text: str, width: int) -> Image:
    cell = blank_image((TEXT_HEIGHT + _GAP, width), PAPER)
    text = fit_text(text, TEXT_HEIGHT, width)
    left = (width - text_width(text, TEXT_HEIGHT)) // 2
    put_text(cell, text, left, TEXT_HEIGHT + 1, height=TEXT_HEIGHT, color=BLACK)
    return cell


def _grid(rows: Sequence[tuple[str, Color, Sequence[Image]]]) -> Image:
    """Concatenate rows of cells with gaps, and the rows' names in a margin on the left."""
    named = [name for name, _, _ in rows if name]
    margin = 2 * _GAP + max(text_width(name, TEXT_HEIGHT) for name in named) if named else 0
    lines = []
    for name, color, cells in rows:
        height, width = cells[0].shape[:2]
        line = blank_image((height + _GAP, margin + _GAP + len(cells) * (width + _GAP)), PAPER)
        for column, cell in enumerate(cells):
            left = margin + _GAP + column * (width + _GAP)
            line[_GAP : _GAP + height, left : left + width] = cell
        if name:
            middle = _GAP + height // 2
            line[middle - TEXT_HEIGHT - 6 : middle - TEXT_HEIGHT - 2, _GAP:margin] = color
            put_text(line, name, _GAP, middle + 4, height=TEXT_HEIGHT, color=BLACK)
        lines.append(line)
    return np.concatenate([*lines, blank_image((_GAP, lines[0].shape[1]), PAPER)])
