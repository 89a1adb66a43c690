"""Planes of luma (Y) and chroma (U, V), as FFmpeg decodes them, cut before their conversion to RGB.

A box that becomes smaller is scaled plane by plane, and only the scaled pixels are converted to
RGB: half as many pixels are filtered in 4:2:0, and far fewer are converted. One that does not is
converted at its own size, by itself.

Convention:
    - planes are averaged over areas where they shrink, and interpolated linearly where they grow
      (libswscale's `SWS_AREA`)
    - positions of chroma: in the middle of the pixels that share a sample, but horizontally at the
      first of them (MPEG-2) unless the codec is one of `CENTERED_CODECS`
    - places are in pixels and from the center of a box's first pixel
    - chroma is read where it is stored, from the first sample inside the box; if this leaves more
      than `MAX_GAP` at an edge without samples, a patch of samples is interpolated that has none
    - as many samples are stretched over a box of an odd size as over the next even one; they are
      half a pixel off at its edges

Source: ITU-T H.264, figure E-1 (positions of chroma).
"""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import av
import cv2
import numpy as np
from av.video.plane import VideoPlane
from av.video.reformatter import VideoReformatter

from stn_action.video.stored_planes import (
    BorderedPlane,
    PlaneLayout,
    StoredFrame,
    empty_samples,
    plane_array,
    with_border,
)
from stn_action.video.swscale import AS_OPENCV, BY_AREA, Rows, ScalerKind, scale_planes

MAX_GAP = 1.2
"""Pixels from the outermost pixel of a result to the outermost sample of chroma that is read."""

MARGIN = 8
"""Pixels around a box that are converted with it: filters of chroma look beyond its edges."""

ALIGNMENT = 32
"""Columns at which a converted box begins and ends: there the converter treats it as the frame."""

STEP = 16
"""Columns that may be written at once: rows of another width need room behind them."""

FROM_PATCH = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
"""Of `cv2.warpAffine`, whose matrix then maps a patch to the plane."""

CENTERED_CODECS = {"mjpeg", "mpeg1video"}
"""Codecs whose chroma is in the middle of the pixels that share it."""


class PlaneConverter:
    """What converts the frames of one video."""

    def __init__(self, codec: str = "") -> None:
        """Prepare for a video of a codec, by FFmpeg's name of it."""
        self._centered = codec in CENTERED_CODECS
        self._whole = VideoReformatter()

    def rgb(self, frame: av.VideoFrame) -> np.ndarray:
        """Convert all of a frame: (H, W, 3), a view of FFmpeg's output buffer."""
        # BICUBIC as OpenCV does; it matters for odd sizes only
        converted = self._whole.reformat(frame, format="rgb24", interpolation="BICUBIC", threads=1)
        return converted.to_ndarray()

    def rgb_part(self, stored: StoredFrame, box: Sequence[int]) -> np.ndarray:
        """Convert the pixels in a box (y1 - y0, x1 - x0, 3): to the last bit those of `rgb`."""
        x0, y0, x1, y1 = box
        frame, layout = stored.frame, stored.layout
        left, right = _aligned(x0 - MARGIN, x1 + MARGIN, ALIGNMENT, frame.width)
        upper, lower = _aligned(y0 - MARGIN, y1 + MARGIN, ALIGNMENT, frame.height)
        size_hw = lower - upper, right - left
        if (
            size_hw == (frame.height, frame.width)
            or right % layout.step_x  # at the end of a frame of an odd size
            or lower % layout.step_y
        ):
            return self.rgb(frame)[y0:y1, x0:x1]
        part = np.empty((size_hw[0], _widened(size_hw[1], ALIGNMENT), 3), np.uint8)
        chroma_xy = (layout.step_x - 1) / 2, (layout.step_y - 1) / 2  # what is assumed for a frame
        kind = ScalerKind(
            size_hw, layout.name, size_hw, "rgb24", AS_OPENCV,
            stored.colorspace, stored.is_full_range, chroma_xy,
        )  # fmt: skip
        chroma = left // layout.step_x, upper // layout.step_y
        scale_planes(
            kind, _read_from(stored, (left, upper), chroma), [(_address(part), part.strides[0])]
        )
        return part[y0 - upper : y1 - upper, x0 - left : x1 - left]

    def shrink(
        self, stored: StoredFrame, box: Sequence[int], out: np.ndarray, fill: Sequence[int]
    ) -> None:
        """Scale a box plane by plane, and convert it to RGB in `out` (3, h, w) uint8.

        Of a box that reaches beyond the frame a part is inside; the rest has the color `fill`.
        """
        width, height = stored.frame.width, stored.frame.height
        beyond = (
            max(-box[0], 0), max(-box[1], 0), max(box[2] - width, 0), max(box[3] - height, 0)
        )  # fmt: skip
        if not any(beyond):
            self._shrink(stored, box, out)
            return
        self._shrink(*with_border(stored, box, fill), out)
        height, width = out.shape[1:]  # samples of the border have the color but for rounding
        left, right = (n * width // (box[2] - box[0]) for n in beyond[::2])
        upper, lower = (n * height // (box[3] - box[1]) for n in beyond[1::2])
        for channel, value in zip(out, fill, strict=True):
            channel[:, :left] = channel[:, width - right :] = value
            channel[:upper] = channel[height - lower :] = value

    def _shrink(self, stored: StoredFrame, box: Sequence[int], out: np.ndarray) -> None:
        """Scale a box inside the planes."""
        x0, y0, x1, y1 = box
        layout, plane = stored.layout, stored.planes[1]
        height, width = out.shape[1:]
        across = _chroma_axis(x0, x1, layout.step_x, width, plane.width, self._centered)
        down = _chroma_axis(y0, y1, layout.step_y, height, plane.height, True)
        reading = _read_from(stored, (x0, y0), (across.first, down.first))
        chroma_xy = across.place, down.place
        patches = []
        if max(across.gap, down.gap) > MAX_GAP:
            chroma_xy = (layout.step_x - 1) / 2, (layout.step_y - 1) / 2
            patches = [_chroma_patch(plane, layout, across, down) for plane in stored.planes[1:]]
            reading = [reading[0], *((_address(patch), patch.strides[0]) for patch in patches)]
        kind = ScalerKind(
            (y1 - y0, x1 - x0), layout.name, (height, width), "gbrp", BY_AREA,
            stored.colorspace, stored.is_full_range, chroma_xy,
        )  # fmt: skip
        room = out
        if width % STEP or out.strides[1] != width:
            room = np.empty((3, height + 1, _widened(width, STEP)), np.uint8)
        start, (channel, row) = _address(room), room.strides[:2]
        scale_planes(kind, reading, [(start + place * channel, row) for place in (1, 2, 0)])
        if room is not out:
            out[:] = room[:, :height, :width]


class _ChromaAxis(NamedTuple):
    """Which samples of a box are read, in one direction."""

    first: int
    """Of the plane."""
    length: int
    """Samples that are stretched over the box."""
    distance: float
    """Samples of the plane between two of a patch: 1 unless the box ends inside a sample."""
    place: float
    """Of the first one, in pixels."""
    gap: float
    """Pixels at an edge of the result that have a sample on one side only."""
    center: float
    """Place of the box's center in samples of the plane, 0 at the center of its first one."""


@lru_cache(maxsize=256)
def _chroma_axis(
    start: int, end: int, step: int, size: int, plane_size: int, centered: bool
) -> _ChromaAxis:
    """Find the samples of the pixels from `start` to `end`, which become `size` pixels.

    Args:
        start: first pixel.
        end: the one after the last.
        step: pixels that share a sample.
        size: of the result.
        plane_size: number of all samples.
        centered: whether samples are in the middle of the pixels that share them.
    """
    inside = (step - 1) / 2 if centered else 0.0  # of a sample in its pixels
    length = math.ceil((end - start) / step)
    surplus = step * length - (end - start)
    distance = (end - start) / step / length
    center = ((start + end - 1) / 2 - inside) / step
    outermost = step * length / size / 2 - 0.5  # place of the result's first pixel

    def axis(first: int) -> _ChromaAxis:
        place = step * first + inside - start + surplus / 2
        gap = max(place - outermost, step - 1 - place - outermost, 0.0)
        return _ChromaAxis(first, length, distance, place, gap, center)

    first = math.ceil((start - inside) / step)
    firsts = (min(max(near, 0), plane_size - length) for near in (first, first - 1))
    return min(map(axis, firsts), key=lambda found: found.gap > MAX_GAP)


def _chroma_patch(
    plane: VideoPlane | BorderedPlane, layout: PlaneLayout, across: _ChromaAxis, down: _ChromaAxis
) -> np.ndarray:
    """Interpolate a patch of samples around the center of a box."""
    size_wh, center = (across.length, down.length), (across.center, down.center)
    values = plane_array(plane, layout)
    patch = empty_samples((down.length, across.length), values.dtype)
    if layout.bits == 8 and across.distance == down.distance == 1:
        return cv2.getRectSubPix(values, size_wh, center, patch)
    x, y = (axis.center - axis.distance * (axis.length - 1) / 2 for axis in (across, down))
    matrix = np.array([[across.distance, 0, x], [0, down.distance, y]])
    return cv2.warpAffine(values, matrix, size_wh, patch, FROM_PATCH, cv2.BORDER_REPLICATE)


def _read_from(
    stored: StoredFrame, luma_xy: tuple[int, int], chroma_xy: tuple[int, int]
) -> list[Rows]:
    """Return the rows of the planes from some samples on."""
    size = 1 if stored.layout.bits == 8 else 2
    (x, y), (u, v) = luma_xy, chroma_xy
    luma, *chroma = stored.planes
    step, chroma_step = luma.line_size, chroma[0].line_size
    offset = v * chroma_step + u * size
    return [
        (luma.buffer_ptr + y * step + x * size, step),
        *((plane.buffer_ptr + offset, chroma_step) for plane in chroma),
    ]


def _address(array: np.ndarray) -> int:
    return array.__array_interface__["data"][0]


def _aligned(first: int, last: int, step: int, size: int) -> tuple[int, int]:
    """Widen a range to multiples of `step`, inside [0, size)."""
    return max(first // step * step, 0), min(_widened(last, step), size)


def _widened(size: int, step: int) -> int:
    return -(-size // step) * step
