"""Preview sheets of clips: source frames with all boxes, and the clip's frames below them.

Letters: T frames of a clip, N persons, h, w size of the clip.
"""

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from torch import Tensor

from stn_action.geometry.boxes import box_sizes
from stn_action.visualize.focus_sheet import evenly_spaced
from stn_action.visualize.frame_overlay import draw_windows
from stn_action.visualize.image_layout import (
    center_image,
    draw_paragraph,
    hstack_images,
    vstack_images,
)
from stn_action.visualize.images import (
    BLACK,
    Color,
    Image,
    as_image,
    blank_image,
    fit_text,
    put_text,
    resize_image,
    text_width,
)
from stn_action.visualize.legend import PAPER, STRIP_COLOR, draw_header, draw_legend, head_color
from stn_action.visualize.preview_clip import PreviewClip

PERSON_COLOR, REGION_COLOR, VIEW_COLOR = head_color(0), head_color(1), head_color(2)
BEYOND: Color = (84, 84, 84)
"""Color around the source image, where boxes that leave it are drawn."""
SOURCE_HW = (240, 420)
"""A source frame with its margin is drawn as large as fits into this, or a larger clip."""
SUMMARY_HW = (170, 300)
"""Largest size of each image in a summary."""

_WIDTH = 1600
"""Approximate width of a sheet, pixels."""
_LEAST_WIDTH = 760
_COLUMNS = 6
TEXT_HEIGHT = 12
_COLUMN_WIDTH = 128
"""Smallest width of a column, for its text, pixels."""
_GAP = 10
_BORDER = 3
_LEAST_TILE = 96
"""Clips smaller than this are enlarged by a whole factor, pixels."""
_HAIR, _NARROW, _BROAD = 1, 2, 4
"""Line widths as OpenCV counts them."""
_HATCH = 6
"""Pixels from one line of the hatching to the next."""
_LEGEND = (
    "people found", "crop", "what the network gets of it, hatched beyond the frame",
)  # fmt: skip


def draw_preview(
    previews: Sequence[PreviewClip], *, title: str, notes: Sequence[str] = ()
) -> Image:
    """Draw a sheet for a video: source frames of each clip with all boxes, its own frames below.

    All source frames are drawn in one scale, with a margin as large as the boxes of all clips need,
    up to the image's own size on each side; a box that reaches further is drawn along the edge.
    Clip frames are shown pixel for pixel, small clips enlarged by a whole factor.

    Args:
        previews: clips of one video, at least one.
        title: the video and its class.
        notes: lines below the title.

    Raises:
        ValueError: there is no clip.
    """
    tile_hw = _tile(previews[0], 0).shape[:2] if previews else (0, 0)
    stage = _Stage(previews, (max(SOURCE_HW[0], tile_hw[0]), max(SOURCE_HW[1], tile_hw[1])))
    num_frames = len(previews[0].frames)
    width = max(stage.size_hw[1], tile_hw[1], _COLUMN_WIDTH) + _GAP
    picked = evenly_spaced(num_frames, min(max(_WIDTH // width, 2), _COLUMNS))
    blocks = [
        (preview, hstack_images([_column(stage, preview, place) for place in picked]))
        for preview in previews
    ]
    sheet_width = max(_LEAST_WIDTH, *(block.shape[1] for _, block in blocks))
    parts = [draw_header(title, None, sheet_width, TEXT_HEIGHT + 2)]
    parts += [draw_paragraph(note, sheet_width, TEXT_HEIGHT) for note in notes]
    for preview, block in blocks:
        parts += [
            _gap(),
            draw_paragraph(_describe_crop(preview), sheet_width, TEXT_HEIGHT, color=VIEW_COLOR),
            block,
        ]
    return vstack_images([*parts, _gap(), _legend(previews, sheet_width)])


def draw_summary(previews: Sequence[PreviewClip], *, title: str) -> Image:
    """Draw a video in a row: its middle frame with the first clip's boxes, a frame of each clip.

    Args:
        previews: clips of one video, at least one.
        title: the video and its class.

    Raises:
        ValueError: there is no clip.
    """
    stage = _Stage(previews[:1], SUMMARY_HW)
    middle = len(previews[0].frames) // 2
    columns = [_with_caption(stage.draw(previews[0], middle), _when(previews[0], middle))]
    for preview in previews:
        name = f"{preview.name}, mirrored" if preview.mirrored else preview.name
        columns.append(_with_caption(_within(_tile(preview, middle), SUMMARY_HW), name))
    row = hstack_images(columns)
    return vstack_images([draw_paragraph(title, row.shape[1], TEXT_HEIGHT), row, _gap()])


def draw_overview(summaries: Sequence[Image], *, title: str) -> Image:
    """Draw the summaries of several videos in rows, and the legend.

    Args:
        summaries: from `draw_summary`, at least one.
        title: above all.
    """
    widest = max(image.shape[1] for image in summaries)
    columns = max(1, _WIDTH // widest)
    cells = [center_image(image, 0) for image in summaries]
    cells = [
        hstack_images([cell, blank_image((1, widest - cell.shape[1] + _GAP), STRIP_COLOR)])
        for cell in cells
    ]
    rows = [
        hstack_images(cells[start : start + columns]) for start in range(0, len(cells), columns)
    ]
    body = vstack_images(rows)
    width = max(_LEAST_WIDTH, body.shape[1])
    legend = draw_legend(_LEGEND, width, TEXT_HEIGHT, person=True, target=False)
    return vstack_images([draw_paragraph(title, width, TEXT_HEIGHT), _gap(), body, legend])


class _Stage:
    """The rectangle, in source pixels, that is drawn of all frames of some clips."""

    def __init__(self, previews: Sequence[PreviewClip], room_hw: tuple[int, int]) -> None:
        if not previews:
            raise ValueError("previews must hold at least one clip, got none")
        height, width = previews[0].frames.shape[2:]
        boxes = torch.cat([box for preview in previews for box in (preview.regions, preview.views)])
        low, high = boxes[:, :2].amin(0).floor(), boxes[:, 2:].amax(0).ceil()
        margin = max(2, round(0.02 * max(height, width)))
        size = torch.tensor([width, height])
        self.origin = (low.clamp(min=-size, max=torch.zeros(2)) - margin).long()
        end = (high.clamp(min=size, max=2 * size) + margin).long()
        self.extent_wh: list[int] = (end - self.origin).tolist()
        wide, tall = self.extent_wh
        scale = min(room_hw[0] / tall, room_hw[1] / wide)
        self.size_hw = (max(1, round(tall * scale)), max(1, round(wide * scale)))

    def draw(self, preview: PreviewClip, place: int) -> Image:
        """Draw frame `place` of a clip with all boxes."""
        frame = as_image(preview.frames[place])
        canvas = blank_image((self.extent_wh[1], self.extent_wh[0]), BEYOND)
        left, top = (-self.origin).tolist()
        canvas[top : top + frame.shape[0], left : left + frame.shape[1]] = frame
        view = resize_image(canvas, self.size_hw)
        self._hatch(view, preview.views[place], torch.tensor([0, 0, *frame.shape[1::-1]]))
        self._outline(view, [(box, PERSON_COLOR, _HAIR) for box in preview.persons[:, place]])
        if preview.person_boxes is not None:
            box = torch.from_numpy(self._on_view(preview.person_boxes[place])).flatten()
            view = draw_windows(view, torch.zeros(0, 4, 2), self.size_hw, person_box=box)
        region, crop = preview.regions[place], preview.views[place]
        self._outline(view, [(region, REGION_COLOR, _BROAD), (crop, VIEW_COLOR, _NARROW)])
        return view

    def _hatch(self, view: Image, crop: Tensor, image: Tensor) -> None:
        """Draw lines across the part of a crop (4,) that is beyond the image (4,)."""
        beyond = np.zeros(self.size_hw, dtype=bool)
        for box, is_beyond in ((crop, True), (image, False)):
            (left, top), (right, bottom) = self._on_view(box).round().astype(int).clip(min=0)
            beyond[top:bottom, left:right] = is_beyond
        rows, columns = np.indices(self.size_hw)
        view[beyond & ((rows + columns) % _HATCH == 0)] = VIEW_COLOR

    def _on_view(self, box: Tensor) -> np.ndarray:
        """Return the corners (2, 2) of a box (4,) in pixels of the drawing."""
        corners = (box.reshape(2, 2) - self.origin).numpy()
        return corners / self.extent_wh * self.size_hw[::-1]

    def _outline(self, view: Image, boxes: Sequence[tuple[Tensor, Color, int]]) -> None:
        """Draw boxes (4,) with dark rims, clamped to the drawing; NaN: no box.

        All rims are drawn first, so that a broad line is visible on both sides of a narrow one.
        """
        last_wh = np.array(self.size_hw[::-1]) - _BROAD
        lines = [
            (self._on_view(box).clip(_BROAD, last_wh).round().astype(np.int32), color, width)
            for box, color, width in boxes
            if not box.isnan().any()
        ]
        for is_rim in (True, False):
            for corners, color, width in lines:
                start, end = corners.tolist()
                color, width = (BLACK, width + 1) if is_rim else (color, width)
                cv2.rectangle(view, start, end, color, width)


def _column(stage: _Stage, preview: PreviewClip, place: int) -> Image:
    """Draw a source frame, its number and time, and the clip's frame below."""
    source = _with_caption(stage.draw(preview, place), _when(preview, place))
    tile = _tile(preview, place)
    width = max(source.shape[1], tile.shape[1] + _GAP)
    return vstack_images([center_image(source, width), center_image(tile, width)])


def _tile(preview: PreviewClip, place: int) -> Image:
    """Draw a clip frame in a border, pixel for pixel or enlarged by a whole factor."""
    frame = as_image(preview.clip[:, place])
    times = max(1, round(_LEAST_TILE / max(frame.shape[:2])))
    frame = frame.repeat(times, axis=0).repeat(times, axis=1)
    tile = blank_image((frame.shape[0] + 2 * _BORDER, frame.shape[1] + 2 * _BORDER), VIEW_COLOR)
    tile[_BORDER:-_BORDER, _BORDER:-_BORDER] = frame
    return tile


def _within(image: Image, room_hw: tuple[int, int]) -> Image:
    """Shrink an image that does not fit."""
    scale = min(1.0, room_hw[0] / image.shape[0], room_hw[1] / image.shape[1])
    size_hw = (round(image.shape[0] * scale), round(image.shape[1] * scale))
    return image if scale == 1 else resize_image(image, size_hw)


def _with_caption(image: Image, text: str) -> Image:
    """Draw an image and a line of text below it, in a column wide enough for both."""
    width = max(image.shape[1], _COLUMN_WIDTH) + _GAP
    strip = blank_image((round(2.1 * TEXT_HEIGHT), width), STRIP_COLOR)
    height = TEXT_HEIGHT - 1
    text = fit_text(text, height, width - _GAP)
    left = (width - text_width(text, height)) // 2
    put_text(strip, text, left, round(1.5 * TEXT_HEIGHT), height=height, color=PAPER)
    return vstack_images([center_image(image, width), strip])


def _when(preview: PreviewClip, place: int) -> str:
    return f"frame {int(preview.frame_indices[place])}, {float(preview.seconds[place]):.2f} s"


def _describe_crop(preview: PreviewClip) -> str:
    """Describe a clip and its crop."""
    crop, part = (
        "{:.0f}x{:.0f}".format(*box_sizes(boxes[0]).tolist())
        for boxes in (preview.regions, preview.views)
    )
    height, width = preview.clip.shape[2:]
    source = "the frame" if preview.person_boxes is None else "a crop"
    source += f" of {crop} pixels"
    if (preview.regions != preview.regions[0]).any():
        source += " at first"
    words = [f"{part} are cut out of {source}" if part != crop else source]
    words.append(f"resized to {width}x{height}")
    if preview.mirrored:
        words.append("mirrored")
    if preview.padded_share > 0:
        words.append(f"{100 * preview.padded_share:.0f} % of it beyond the frame")
    return f"{preview.name[:1].upper()}{preview.name[1:]}: {', '.join(words)}"


def _legend(previews: Sequence[PreviewClip], width: int) -> Image:
    person = any(preview.person_boxes is not None for preview in previews)
    return draw_legend(_LEGEND, width, TEXT_HEIGHT, person=person, target=False)


def _gap() -> Image:
    return blank_image((_GAP, 1), STRIP_COLOR)
