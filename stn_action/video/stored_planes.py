"""Decoded frames whose planes of luma (Y) and chroma (U, V) can be read where they are stored.

A box that reaches beyond a frame is read from copies of its planes with a border in one color.
"""

import math
from collections.abc import Sequence
from functools import cache, lru_cache
from typing import NamedTuple

import av
import cv2
import numpy as np
from av.video.plane import VideoPlane

from stn_action.video.swscale import load_library

READ_BEYOND = 64
"""Samples that are allocated behind an array, as FFmpeg reads beyond its last row."""

FULL_RANGE = 2
"""FFmpeg's number (`color_range`) of values that use all of the range, as in JPEG."""

COLORSPACES = {1, 2, 5, 6, 9}
"""FFmpeg's numbers (`colorspace`) of those that are cut in planes: BT.709; unknown, which is taken
for BT.601; two of BT.601; BT.2020."""

BLUE_AND_RED = {1: (0.0722, 0.2126), 9: (0.0593, 0.2627)}
"""Shares of blue and red in luma by FFmpeg's number of the colorspace; others are BT.601's."""

BT601_BLUE_AND_RED = 0.114, 0.299


class PlaneLayout(NamedTuple):
    """How the planes of a pixel format are stored."""

    name: str
    """Of the format, without the range of its values."""
    bits: int
    """Of a sample; above 8 they are stored in two bytes."""
    step_x: int
    """Columns of pixels that share a sample of chroma."""
    step_y: int
    """Rows of pixels that share a sample of chroma."""

    @property
    def sample_type(self) -> np.dtype:
        """Of a sample in memory."""
        return np.dtype(np.uint8 if self.bits == 8 else np.uint16)


class BorderedPlane(NamedTuple):
    """A copy of a part of a plane with a border, with the attributes of a `VideoPlane`."""

    values: np.ndarray
    """(height, width), of `empty_samples`."""

    @property
    def width(self) -> int:
        """Columns."""
        return self.values.shape[1]

    @property
    def height(self) -> int:
        """Rows."""
        return self.values.shape[0]

    @property
    def line_size(self) -> int:
        """Bytes from one row to the next."""
        return self.values.strides[0]

    @property
    def buffer_ptr(self) -> int:
        """Address of the first sample."""
        return self.values.__array_interface__["data"][0]


class StoredFrame(NamedTuple):
    """A decoded frame whose planes can be cut."""

    frame: av.VideoFrame
    layout: PlaneLayout
    planes: tuple[VideoPlane | BorderedPlane, ...]
    """Luma, and two of chroma."""
    colorspace: int
    """FFmpeg's number, one of `COLORSPACES`."""
    is_full_range: bool
    """Whether black is 0, and not 16 of 255."""


def stored_frame(frame: av.VideoFrame) -> StoredFrame | None:
    """Return what can be cut of a frame.

    None: its format has no such planes, its colors are rare ones, or libswscale is out of reach.
    """
    name, colorspace = frame.format.name, int(frame.colorspace)
    layout = plane_layout(name)
    if layout is None or colorspace not in COLORSPACES or load_library() is None:
        return None
    planes = frame.planes
    if planes[0].line_size <= 0:  # upside down
        return None
    is_full_range = frame.color_range == FULL_RANGE or name.startswith("yuvj")
    return StoredFrame(frame, layout, planes, colorspace, is_full_range)


@cache
def plane_layout(format_name: str) -> PlaneLayout | None:
    """Return how a pixel format is stored; None: not in planes of luma and chroma alone.

    >>> plane_layout("yuv420p10le")
    PlaneLayout(name='yuv420p10le', bits=10, step_x=2, step_y=2)
    """
    pixels = av.VideoFormat(format_name)
    components = pixels.components
    if not format_name.startswith("yuv") or pixels.is_big_endian:
        return None
    if [component.plane for component in components] != [0, 1, 2]:
        return None
    bits = components[0].bits
    if bits not in (8, 10, 12):
        return None
    step_x, step_y = 64 // pixels.chroma_width(64), 64 // pixels.chroma_height(64)
    return PlaneLayout(format_name.replace("yuvj", "yuv"), bits, step_x, step_y)


def plane_array(plane: VideoPlane | BorderedPlane, layout: PlaneLayout) -> np.ndarray:
    """Return a plane (H, W), uint8 or uint16, without copying it."""
    if isinstance(plane, BorderedPlane):
        return plane.values
    values = np.frombuffer(memoryview(plane), layout.sample_type)
    columns = plane.line_size // layout.sample_type.itemsize
    return values.reshape(-1, columns)[: plane.height, : plane.width]


def empty_samples(size_hw: tuple[int, int], sample_type: np.dtype) -> np.ndarray:
    """Return an array (H, W) that FFmpeg may read, not filled."""
    return np.empty(size_hw[0] * size_hw[1] + READ_BEYOND, sample_type)[:-READ_BEYOND].reshape(
        size_hw
    )


def with_border(
    stored: StoredFrame, box: Sequence[int], fill: Sequence[int]
) -> tuple[StoredFrame, tuple[int, int, int, int]]:
    """Return what a box shows with a border beyond the frame, and the box in it.

    Args:
        stored: a decoded frame.
        box: x0, y0, x1, y1, pixels; a part of it is inside the frame.
        fill: RGB of the border.
    """
    layout = stored.layout
    x0, y0, x1, y1 = box
    left, right = _widened_range(x0, x1, layout.step_x)
    upper, lower = _widened_range(y0, y1, layout.step_y)
    luma, *chroma = _samples_of(tuple(fill), layout, stored.colorspace, stored.is_full_range)
    planes = [_bordered(plane_array(stored.planes[0], layout), (left, upper, right, lower), luma)]
    shared = (
        left // layout.step_x, upper // layout.step_y,
        right // layout.step_x, lower // layout.step_y,
    )  # fmt: skip
    for plane, value in zip(stored.planes[1:], chroma, strict=True):
        planes.append(_bordered(plane_array(plane, layout), shared, value))
    return stored._replace(planes=tuple(planes)), (x0 - left, y0 - upper, x1 - left, y1 - upper)


def _widened_range(start: int, end: int, step: int) -> tuple[int, int]:
    """Widen a range to multiples of the step, and by one more: filters of chroma look there."""
    return (start // step - 1) * step, (math.ceil(end / step) + 1) * step


def _bordered(values: np.ndarray, box: tuple[int, int, int, int], value: int) -> BorderedPlane:
    """Return the samples in a box; those beyond the plane have one value."""
    x0, y0, x1, y1 = box
    height, width = values.shape
    bordered = empty_samples((y1 - y0, x1 - x0), values.dtype)
    cv2.copyMakeBorder(
        values[max(y0, 0) : min(y1, height), max(x0, 0) : min(x1, width)],
        max(-y0, 0), max(y1 - height, 0), max(-x0, 0), max(x1 - width, 0),
        cv2.BORDER_CONSTANT, bordered, value,
    )  # fmt: skip
    return BorderedPlane(bordered)


@lru_cache(maxsize=16)
def _samples_of(
    color: tuple[int, ...], layout: PlaneLayout, colorspace: int, is_full_range: bool
) -> tuple[int, int, int]:
    """Return a color's samples of Y, U and V.

    Source: ITU-T H.264, equations E-20 to E-27.
    """
    blue_share, red_share = BLUE_AND_RED.get(colorspace, BT601_BLUE_AND_RED)
    red, green, blue = color
    y = red_share * red + (1 - red_share - blue_share) * green + blue_share * blue
    u, v = (blue - y) / 2 / (1 - blue_share), (red - y) / 2 / (1 - red_share)
    if not is_full_range:
        y, u, v = 16 + y * 219 / 255, u * 224 / 255, v * 224 / 255
    unit = 2 ** (layout.bits - 8)
    return round(y * unit), round((u + 128) * unit), round((v + 128) * unit)
