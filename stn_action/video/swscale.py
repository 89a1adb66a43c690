"""FFmpeg's scaler and color converter (libswscale), called on planes where they are in memory.

PyAV would make a frame for each input and each output; here planes are read out of a decoder's
frames, from any pixel on, and results are written where they are needed. The library is the one
that PyAV has loaded. Where its functions cannot be found (Windows) it is not used.

Source: FFmpeg's `libswscale/swscale.h` and the options in `libswscale/options.c`.
"""

import ctypes
from collections import OrderedDict
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import av.video.reformatter
from av.video.reformatter import Interpolation

MAX_IDLE = 128
"""Scalers that are kept for the next frame, of about 100 kB each."""

BY_AREA = int(Interpolation.AREA)
"""Averages over areas in a direction that shrinks, linear interpolation in one that grows."""

AS_OPENCV = int(Interpolation.BICUBIC)
"""Of conversions that do not scale: it matters for odd sizes only."""

UNIT = 256
"""Steps of a pixel in which places of chroma are given."""

Rows = tuple[int, int]
"""Address of the first pixel of a plane, and bytes from one row to the next."""

_BT601, _ONE = 5, 1 << 16
_Pointers, _Integers = ctypes.c_void_p * 4, ctypes.c_int * 4


class ScalerKind(NamedTuple):
    """What a scaler does."""

    source_hw: tuple[int, int]
    """Height and width of the pixels read."""
    source_format: str
    """Their pixel format; values that use all of the range have no name of their own (`yuvj`)."""
    result_hw: tuple[int, int]
    """Height and width of the result."""
    result_format: str
    """Its pixel format."""
    filter: int
    """One of FFmpeg's numbers (`SWS_...`)."""
    colorspace: int
    """FFmpeg's number of it; unknown is taken for BT.601."""
    is_full_range: bool
    """Whether black is 0, and not 16 of 255."""
    chroma_xy: tuple[float, float]
    """Place of the first sample of chroma, in pixels from the center of the first one."""


def scale_planes(kind: ScalerKind, source: Sequence[Rows], result: Sequence[Rows]) -> None:
    """Scale and convert planes; some bytes behind a row may be read.

    Args:
        kind: what is done. Filters are kept for the next frame; `load_library` must find it.
        source: the planes read.
        result: the planes written.
    """
    scaler = _idle.pop(kind, None) or _Scaler(kind)  # meanwhile no other thread finds it
    scaler.scale(source, result)
    _idle[kind] = scaler
    if len(_idle) > MAX_IDLE:
        _idle.popitem(last=False)  # the one not used for longest


@cache
def load_library() -> ctypes.CDLL | None:
    """Return the functions of the library that PyAV has loaded; None: they cannot be found."""
    # The functions of the libraries that an extension is linked to are found through it.
    library = ctypes.CDLL(av.video.reformatter.__file__)
    pointer, integer = ctypes.c_void_p, ctypes.c_int
    try:
        library.sws_alloc_context.restype = pointer
        library.sws_getCoefficients.restype = pointer
        library.sws_getCoefficients.argtypes = [integer]
        library.sws_init_context.argtypes = [pointer] * 3
        library.sws_freeContext.argtypes = [pointer]
        library.sws_setColorspaceDetails.argtypes = [
            pointer, pointer, integer, pointer, integer, integer, integer, integer,
        ]  # fmt: skip
        library.sws_scale.argtypes = [
            pointer, _Pointers, _Integers, integer, integer, _Pointers, _Integers,
        ]  # fmt: skip
        library.av_opt_set_int.argtypes = [pointer, ctypes.c_char_p, ctypes.c_int64, integer]
        library.av_get_pix_fmt.argtypes = [ctypes.c_char_p]
    except AttributeError:
        return None
    return library


class _Scaler:
    """A context of libswscale; for one thread at a time."""

    def __init__(self, kind: ScalerKind) -> None:
        """Compute the filters.

        Raises:
            ValueError: the library cannot do it.
        """
        library = load_library()
        assert library is not None
        self._library = library
        self._context = library.sws_alloc_context()
        (source_height, source_width), (height, width) = kind.source_hw, kind.result_hw
        across, down = (min(max(round(UNIT * place), -512), 1024) for place in kind.chroma_xy)
        options = {
            b"srcw": source_width,
            b"srch": source_height,
            b"src_format": library.av_get_pix_fmt(kind.source_format.encode()),
            b"dstw": width,
            b"dsth": height,
            b"dst_format": library.av_get_pix_fmt(kind.result_format.encode()),
            b"sws_flags": kind.filter,
            b"src_h_chr_pos": across,
            b"src_v_chr_pos": down,
        }
        results = [library.av_opt_set_int(self._context, *option, 0) for option in options.items()]
        if min(results) < 0 or library.sws_init_context(self._context, None, None) < 0:
            raise ValueError(f"libswscale cannot do this: {kind}")
        table = library.sws_getCoefficients(_BT601 if kind.colorspace == 2 else kind.colorspace)
        full = int(kind.is_full_range)
        library.sws_setColorspaceDetails(self._context, table, full, table, 1, 0, _ONE, _ONE)
        self._rows = source_height
        self._source, self._source_steps = _Pointers(), _Integers()
        self._result, self._result_steps = _Pointers(), _Integers()

    def __del__(self) -> None:
        self._library.sws_freeContext(self._context)

    def scale(self, source: Sequence[Rows], result: Sequence[Rows]) -> None:
        """Scale and convert planes: see `scale_planes`."""
        for place, (address, step) in enumerate(source):
            self._source[place], self._source_steps[place] = address, step
        for place, (address, step) in enumerate(result):
            self._result[place], self._result_steps[place] = address, step
        self._library.sws_scale(
            self._context, self._source, self._source_steps, 0, self._rows,
            self._result, self._result_steps,
        )  # fmt: skip


_idle: OrderedDict[ScalerKind, _Scaler] = OrderedDict()
