"""Planes of luma (Y) and chroma (U, V), as FFmpeg decodes them, cut before their conversion to RGB.

A box that becomes smaller is scaled plane by plane, and only the scaled pixels are converted to
RGB: half as many pixels are filtered in 4:2:0, and far fewer are converted. One that does not is
converted at its own size, by itself.

Convention:
    - planes are averaged over areas where they shrink, and interpolated linearly where they grow
      (libswscale's `SWS_AREA`)
    - positions of chroma: in the middle of the pixels that share a sample, but horizontally at the
      first of them (MPEG-2) unless the codec is one of `CENTERED_CODECS`
    - boxes of odd sizes, and samples of more than 8 bits, are beyond what one call of libswscale
      takes: there luma alone is scaled by it, and nothing is quantized between the scaled planes
      of chroma and the RGB values; chroma is averaged there only if it shrinks by more than
      `BLUNT`: up to there the response of linear interpolation is about that of an average

Source: ITU-T H.264, figure E-1 (positions of chroma).
"""

import math
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import av
import cv2
import numpy as np
from av.video.plane import VideoPlane
from av.video.reformatter import VideoReformatter

from stn_action.video.color_matrix import LUMA_COEFFICIENTS, ColorMatrix, color_matrix

BLUNT = 1.5
"""Samples of chroma per output pixel from which they are averaged over areas."""

MARGIN = 8
"""Pixels around a box that are converted with it: filters of chroma look beyond its edges."""

ALIGNMENT = 32
"""Columns at which a converted box begins and ends: there the converter treats it as the frame."""

MAX_SCALERS = 16
"""Sizes of boxes for which a filter is kept; a box that follows a person has many."""

READ_BEYOND = 64
"""Bytes that must be allocated behind an array of which FFmpeg reads the last row."""

FULL_RANGE = 2
"""FFmpeg's number (`color_range`) of values that use all of the range, as in JPEG."""

CENTERED_CODECS = {"mjpeg", "mpeg1video"}
"""Codecs whose chroma is in the middle of the pixels that share it."""

_ONE_BYTE, _TWO_BYTES = np.dtype(np.uint8), np.dtype(np.uint16)


class PlaneLayout(NamedTuple):
    """How the planes of a pixel format are stored."""

    bits: int
    """Of a sample; above 8 they are stored in two bytes."""
    step_x: int
    """Columns of pixels that share a sample of chroma."""
    step_y: int
    """Rows of pixels that share a sample of chroma."""
    luma_format: str
    """Format of the plane of luma by itself."""


class StoredFrame(NamedTuple):
    """A decoded frame whose planes can be cut."""

    frame: av.VideoFrame
    layout: PlaneLayout
    planes: list[np.ndarray]
    """Luma (H, W), and two of chroma; uint8 or uint16."""

    @property
    def is_full_range(self) -> bool:
        """Whether black is 0, and not 16 of 255."""
        name = self.frame.format.name
        return self.frame.color_range == FULL_RANGE or name.startswith("yuvj")


class PlaneConverter:
    """What converts the frames of one video; it keeps the filters of earlier frames."""

    def __init__(self, codec: str = "") -> None:
        """Prepare for a video of a codec, by FFmpeg's name of it."""
        self._centered = codec in CENTERED_CODECS
        self._whole, self._part = VideoReformatter(), VideoReformatter()
        self._scalers: dict[tuple[str, *tuple[int, ...]], VideoReformatter] = {}

    def rgb(self, frame: av.VideoFrame) -> np.ndarray:
        """Convert all of a frame: (H, W, 3), a view of FFmpeg's output buffer."""
        return _as_rgb(self._whole, frame)

    def rgb_part(self, stored: StoredFrame, box: Sequence[int]) -> np.ndarray:
        """Convert the pixels in a box (y1 - y0, x1 - x0, 3): to the last bit those of `rgb`."""
        x0, y0, x1, y1 = box
        frame, layout, planes = stored
        left, right = _aligned(x0 - MARGIN, x1 + MARGIN, ALIGNMENT, frame.width)
        upper, lower = _aligned(y0 - MARGIN, y1 + MARGIN, ALIGNMENT, frame.height)
        if right % layout.step_x or lower % layout.step_y:  # PyAV takes no odd sizes
            left, right, upper, lower = 0, frame.width, 0, frame.height
        if (right - left, lower - upper) == (frame.width, frame.height):
            return self.rgb(frame)[y0:y1, x0:x1]
        across, down = (1, *2 * [layout.step_x]), (1, *2 * [layout.step_y])
        cut = tuple(
            plane[upper // y : lower // y, left // x : right // x]
            for plane, x, y in zip(planes, across, down, strict=True)
        )
        part = av.VideoFrame.from_dlpack(cut, format=frame.format.name)
        part.colorspace, part.color_range = frame.colorspace, frame.color_range
        return _as_rgb(self._part, part)[y0 - upper : y1 - upper, x0 - left : x1 - left]

    def shrink(self, stored: StoredFrame, box: Sequence[int], out: np.ndarray) -> None:
        """Scale a box plane by plane, and convert it to RGB in `out` (3, h, w) uint8."""
        x0, y0, x1, y1 = box
        height, width = out.shape[1:]
        layout = stored.layout
        across = _chroma_axis(x0, x1, layout.step_x, width, centered=self._centered)
        down = _chroma_axis(y0, y1, layout.step_y, height, centered=True)
        luma = stored.planes[0][y0:y1, x0:x1]
        odd = (x1 - x0) % layout.step_x or (y1 - y0) % layout.step_y
        if layout.bits == 8 and not odd:
            self._shrink_at_once(stored, luma, across, down, out)
            return
        y = self._scaled((luma,), layout.luma_format, (height, width)).planes[0]
        matrix = color_matrix(stored.frame.colorspace, layout.bits, full=stored.is_full_range)
        u, v = (_scaled_chroma(plane, across, down) for plane in stored.planes[1:])
        _convert(_plane_array(y, luma.dtype).astype(np.float32), u, v, matrix, out)

    def _shrink_at_once(
        self,
        stored: StoredFrame,
        luma: np.ndarray,
        across: "_ChromaAxis",
        down: "_ChromaAxis",
        out: np.ndarray,
    ) -> None:
        """Scale and convert by one call of FFmpeg, which takes planes of 8 bits and even sizes."""
        chroma = [_chroma_patch(plane, across, down) for plane in stored.planes[1:]]
        height, width = out.shape[1:]
        name, frame = stored.frame.format.name, stored.frame
        green, blue, red = self._scaled(
            (luma, *chroma), name, (height, width), "gbrp", frame.colorspace, frame.color_range
        ).planes
        for channel, plane in zip(out, (red, green, blue), strict=True):
            channel[:] = _plane_array(plane, _ONE_BYTE)

    def _scaled(
        self,
        planes: tuple[np.ndarray, ...],
        name: str,
        size_hw: tuple[int, int],
        result_name: str | None = None,
        colorspace: int = 2,
        color_range: int = 0,
    ) -> av.VideoFrame:
        """Scale planes of a pixel format, and convert them to another one."""
        key = name, *planes[0].shape, *size_hw
        scaler = self._scalers.get(key)
        if scaler is None:
            if len(self._scalers) == MAX_SCALERS:
                self._scalers.clear()
            scaler = self._scalers[key] = VideoReformatter()
        frame = av.VideoFrame.from_dlpack(planes, format=name)
        frame.colorspace, frame.color_range = colorspace, color_range
        height, width = size_hw
        return scaler.reformat(
            frame, width=width, height=height, format=result_name, interpolation="AREA", threads=1
        )


def stored_frame(frame: av.VideoFrame) -> StoredFrame | None:
    """Return the planes of a frame; None: its format has none, or its colors are rare ones."""
    layout = plane_layout(frame.format.name)
    if layout is None or frame.colorspace not in LUMA_COEFFICIENTS:
        return None
    dtype = _sample_type(layout)
    planes = frame.planes
    if planes[0].line_size <= 0:  # upside down
        return None
    return StoredFrame(frame, layout, [_plane_array(plane, dtype) for plane in planes])


@cache
def plane_layout(format_name: str) -> PlaneLayout | None:
    """Return how a pixel format is stored; None: not in planes of luma and chroma alone.

    >>> plane_layout("yuv420p10le")
    PlaneLayout(bits=10, step_x=2, step_y=2, luma_format='gray10le')
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
    return PlaneLayout(bits, step_x, step_y, "gray8" if bits == 8 else f"gray{bits}le")


class _ChromaAxis(NamedTuple):
    """Where the samples of a box are, in one direction."""

    start: float
    """Place of the first sample of a patch, in samples of the plane."""
    length: int
    """Samples of the patch, a distance of one apart."""
    scale: float
    """Samples of the patch for each pixel of the result, whose edge is that of the patch."""
    size: int
    """Pixels of the result."""


def _chroma_axis(first: int, last: int, step: int, size: int, *, centered: bool) -> _ChromaAxis:
    """Find the samples of the pixels from `first` to `last`, of which `step` share one."""
    start = first / step if centered else (first - 0.5) / step + 0.5
    length = (last - first) / step
    return _ChromaAxis(start, math.ceil(length), length / size, size)


def _chroma_patch(plane: np.ndarray, across: _ChromaAxis, down: _ChromaAxis) -> np.ndarray:
    """Return the samples of a patch of a plane (H, W) uint8, interpolated where it is shifted."""
    width, height = across.length, down.length
    if across.start == int(across.start) and down.start == int(down.start):
        x, y = int(across.start), int(down.start)
        return plane[y : y + height, x : x + width]
    center = across.start + (width - 1) / 2, down.start + (height - 1) / 2
    # FFmpeg reads a little beyond the end of the last row.
    patch = np.empty(height * width + READ_BEYOND, np.uint8)[: height * width]
    return cv2.getRectSubPix(plane, (width, height), center, patch.reshape(height, width))


def _scaled_chroma(plane: np.ndarray, across: _ChromaAxis, down: _ChromaAxis) -> np.ndarray:
    """Scale a part of a plane (H, W) to float32 (h, w)."""
    x, y = across.start, down.start
    if plane.dtype != np.uint8:  # OpenCV cannot cut it between samples
        left, upper = max(math.floor(x) - 1, 0), max(math.floor(y) - 1, 0)
        ends = math.floor(y) + down.length + 2, math.floor(x) + across.length + 2
        plane = plane[upper : ends[0], left : ends[1]].astype(np.float32)
        x, y = x - left, y - upper
    center = x + (across.length - 1) / 2, y + (down.length - 1) / 2
    patch = cv2.getRectSubPix(plane, (across.length, down.length), center, patchType=cv2.CV_32F)
    fx, fy = 1 / across.scale, 1 / down.scale
    blunt_x, blunt_y = (axis.scale <= BLUNT for axis in (across, down))
    if not (blunt_x and blunt_y):
        sharp = 1.0 if blunt_x else fx, 1.0 if blunt_y else fy
        patch = cv2.resize(patch, None, fx=sharp[0], fy=sharp[1], interpolation=cv2.INTER_AREA)
        fx, fy = fx / sharp[0], fy / sharp[1]
    if (fx, fy) != (1, 1):
        patch = cv2.resize(patch, None, fx=fx, fy=fy, interpolation=cv2.INTER_LINEAR)
    return patch[: down.size, : across.size]  # a part of a sample may be left over


def _convert(y: np.ndarray, u: np.ndarray, v: np.ndarray, by: ColorMatrix, out: np.ndarray) -> None:
    """Convert float32 planes (h, w) to RGB in `out` (3, h, w) uint8, rounded once."""
    black = -by.luma * by.black
    red, green, blue = out
    weighted = cv2.addWeighted
    weighted(y, by.luma, v, by.red_v, black - by.red_v * by.gray, red, cv2.CV_8U)
    weighted(y, by.luma, u, by.blue_u, black - by.blue_u * by.gray, blue, cv2.CV_8U)
    gray = black - (by.green_u + by.green_v) * by.gray
    both = weighted(u, by.green_u, v, by.green_v, gray)
    weighted(y, by.luma, both, 1, 0, green, cv2.CV_8U)


def _as_rgb(reformatter: VideoReformatter, frame: av.VideoFrame) -> np.ndarray:
    """Convert a frame to RGB (H, W, 3), a view of FFmpeg's output buffer."""
    # BICUBIC as OpenCV does; it matters for odd sizes only
    converted = reformatter.reformat(frame, format="rgb24", interpolation="BICUBIC", threads=1)
    return converted.to_ndarray()


def _aligned(first: int, last: int, step: int, size: int) -> tuple[int, int]:
    """Widen a range to multiples of `step`, inside [0, size)."""
    return max(first // step * step, 0), min(-(-last // step) * step, size)


def _sample_type(layout: PlaneLayout) -> np.dtype:
    return _ONE_BYTE if layout.bits == 8 else _TWO_BYTES


def _plane_array(plane: VideoPlane, dtype: np.dtype) -> np.ndarray:
    """Return a plane (H, W) without copying it."""
    values = np.frombuffer(memoryview(plane), dtype)
    columns = plane.line_size // dtype.itemsize
    return values.reshape(-1, columns)[: plane.height, : plane.width]
