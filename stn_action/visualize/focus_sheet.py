"""Sheet of a video: frames with the heads' windows, and the glimpse of each head.

Letters: T frames, K heads, P points of a window's outline.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from stn_action.geometry.heat_maps import HeatMaps
from stn_action.visualize.frame_overlay import draw_windows
from stn_action.visualize.glimpse_cells import (
    BORDER,
    TwoLooks,
    center_cell,
    glimpse_rows,
    look_cell,
)
from stn_action.visualize.image_layout import draw_paragraph
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
    PAPER,
    default_head_names,
    draw_legend,
    head_color,
)
from stn_action.visualize.verdict import Verdict, draw_verdict

FRAME_HEIGHT = 240
TEXT_HEIGHT = 14
TITLE_HEIGHT = 17
STILL_SHARE = 0.01
"""A window stays in place if it moves by less than this share of the frame's height."""
_GAP = 8


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
    true_labels: Sequence[str] = (),
    notes: Sequence[str] = (),
) -> Image:
    """Draw evenly spaced frames side by side, a row below for each head, legend and title.

    A window that stays in place in all of these frames is drawn in the first one alone, so that the
    others are seen as they are. What a glimpse shows beyond the frame is hatched.

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
        true_labels: all true classes of the video; empty: unknown.
        notes: lines of text below the legend.

    Raises:
        ValueError: the numbers of frames, windows or names do not agree.
    """
    images = [as_image(frame) for frame in frames]
    num_windows = outlines.shape[1] if outlines.dim() == 4 else 0
    num_heads = num_windows + sum(one.num_heads for one in heat)
    names = list(head_names) if head_names is not None else default_head_names(num_heads)
    _check(len(images), outlines, heat, len(names), num_heads - num_windows)
    picked = evenly_spaced(len(images), columns)
    images = [images[index] for index in picked]
    outlines, heat = outlines[picked], [one[picked] for one in heat]
    boxes = [None if one is None else one[picked] for one in (person_boxes, target_boxes)]
    still = _still_windows(outlines, len(images[0]))
    cells = _frame_cells(images, outlines, still, heat, boxes)
    width = cells[0].shape[1]
    if looks is not None:
        looks = looks._replace(edges=looks.edges[picked])
        width = max(width, looks.look_hw[1], looks.glimpse_hw[1] + 2 * BORDER)
        cells = [center_cell(cell, len(cell), width) for cell in cells]
    rows = [("", WHITE, cells)]
    if captions is not None:
        rows.append(("", WHITE, [_caption(captions[index], width) for index in picked]))
    if looks is not None:
        seen = [look_cell(image, looks, place, width) for place, image in enumerate(images)]
        rows.append(("first look", WHITE, seen))
    if glimpses:
        of_heads = glimpse_rows(images, outlines, heat, width, looks)
        rows += [
            (name, head_color(head), tiles)
            for head, (name, tiles) in enumerate(zip(names, of_heads, strict=True))
        ]
    body = _grid(rows)
    width = body.shape[1]
    legend = draw_legend(
        names, width, TEXT_HEIGHT, person=person_boxes is not None,
        target=target_boxes is not None,
        beyond=glimpses and _reaches_beyond(images[0].shape[:2], outlines, heat), ground=PAPER,
    )  # fmt: skip
    header = draw_verdict(
        Verdict(label, probability, true_labels), width, TITLE_HEIGHT, ground=PAPER
    )
    lines = [title] if title else []
    above = [draw_paragraph(line, width, TITLE_HEIGHT, color=BLACK, ground=PAPER) for line in lines]
    if still.any() and len(images) > 1:
        notes = [*notes, "A window that stays in place is drawn in the first frame only."]
    below = [draw_paragraph(note, width, TEXT_HEIGHT, color=BLACK, ground=PAPER) for note in notes]
    return np.concatenate([*above, header, body, legend, *below])


def evenly_spaced(length: int, count: int) -> list[int]:
    """Return at most `count` positions in `length`, the first and the last included.

    Example:
        >>> evenly_spaced(16, 4)
        [0, 5, 10, 15]
    """
    if count == 1:
        return [(length - 1) // 2]
    return sorted(set(torch.linspace(0, length - 1, min(count, length)).round().int().tolist()))


def _check(
    num_frames: int, outlines: Tensor, heat: Sequence[HeatMaps], num_names: int, num_maps: int
) -> None:
    """Check that windows and maps are of these frames, and named.

    Raises:
        ValueError: they are not.
    """
    num_named = num_names - num_maps
    if (
        not num_frames
        or outlines.shape[:2] != (num_frames, num_named)
        or outlines.shape[3:] != (2,)
    ):
        raise ValueError(
            f"outlines must be ({num_frames}, {num_named}, P, 2) for {num_frames} frames "
            f"and {num_names} heads, got {tuple(outlines.shape)}"
        )
    for one in heat:
        if one.weights.shape[:-3] != (num_frames,):
            raise ValueError(f"maps must be of {num_frames} frames, got {len(one.weights)}")


def _still_windows(outlines: Tensor, frame_height: int) -> Tensor:
    """Return which windows (K,) of outlines (T, K, P, 2) stay in place."""
    moved = (outlines - outlines[:1]).abs().flatten(2).amax((0, 2)) if outlines.numel() else None
    if moved is None:
        return torch.zeros(outlines.shape[1], dtype=torch.bool)
    return moved <= STILL_SHARE * frame_height


def _reaches_beyond(image_hw: tuple[int, int], outlines: Tensor, heat: Sequence[HeatMaps]) -> bool:
    """Return whether a window or a map reaches beyond the frame, by a pixel or more."""
    corners = [outlines.flatten(0, -2), *(one.edges.reshape(-1, 2) for one in heat)]
    points = torch.cat([one.double() for one in corners])
    return bool(((points < -1) | (points > points.new_tensor(image_hw[::-1]) + 1)).any())


def _frame_cells(
    images: Sequence[Image],
    outlines: Tensor,
    still: Tensor,
    heat: Sequence[HeatMaps],
    boxes: Sequence[Tensor | None],
) -> list[Image]:
    """Draw frames with windows, maps and the boxes of persons and targets."""
    height, width = images[0].shape[:2]
    size_hw = (FRAME_HEIGHT, round(FRAME_HEIGHT * width / height))
    shown = outlines.clone()
    shown[1:, still] = 0  # of no extent: not drawn
    persons, targets = boxes
    return [
        draw_windows(
            image, shown[place], size_hw, heat=[one[place] for one in heat],
            person_box=None if persons is None else persons[place],
            target_box=None if targets is None else targets[place],
        )
        for place, image in enumerate(images)
    ]  # fmt: skip


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
