"""What a complete pass over a file has told, so that opening it again costs no pass.

Letters: N frames, K starts.
"""

import zlib
from array import array
from dataclasses import dataclass
from typing import Self

import numpy as np

from stn_action.video.orientation import Orientation
from stn_action.video.packets import FrameIndex, Start

FORMAT = 1
"""Of the packed form; other ones are not read."""
MAX_FRAMES, MAX_SIDE = 10**7, 2**16
_HEADER = 13
_LARGEST_PACKED = 8 * (_HEADER + 4 * MAX_FRAMES)


@dataclass(frozen=True)
class FileIndex:
    """Facts about a file all of whose frames decode."""

    frames: FrameIndex
    """The order of its frames, and where decoding can start."""

    fps: float
    """Frames per second by the packets' times, believed or not."""

    size_hw: tuple[int, int]
    """Height and width of the frames as they are shown, pixels."""

    orientation: Orientation
    """How decoded frames are mirrored and turned to be shown."""

    times_are_exact: bool
    """`FrameIndex.display_pts` are the times of the frames; else the frames are equally spaced."""

    data_agree: bool
    """The frames' own data tell the same order as the packets' times, for all of them."""

    def packed(self) -> bytes:
        """Return it as bytes: about 100, and a few for each start and each irregular time."""
        frames, (height, width) = self.frames, self.size_hw
        rate = np.float64(self.fps).view(np.int64)
        starts = np.array(frames.starts, dtype=np.int64).reshape(-1, 3)
        header = [
            FORMAT, len(frames.display_pts), len(starts), int(rate), height, width,
            self.orientation.mirrored, self.orientation.quarter_turns, self.times_are_exact,
            self.data_agree, frames.closed_groups, frames.is_counted, frames.by_bytes,
        ]  # fmt: skip
        columns = [np.asarray(frames.display_pts, dtype=np.int64), *starts.T]
        steps = [np.diff(column, prepend=0) for column in columns]
        return zlib.compress(np.concatenate([header, *steps]).astype("<i8").tobytes(), 1)

    @classmethod
    def unpacked(cls, data: bytes) -> Self:
        """Read what `packed` returned.

        Raises:
            ValueError: the bytes are others.
        """
        header, display, starts = _sections(data)
        _, _, _, rate, height, width, mirrored, turns, *flags = header
        exact, agree, closed, counted, by_bytes = (bool(flag) for flag in flags)
        return cls(
            FrameIndex(display, starts, closed, counted, by_bytes),
            fps=float(np.int64(rate).view(np.float64)),
            size_hw=(height, width),
            orientation=Orientation(bool(mirrored), turns),
            times_are_exact=exact,
            data_agree=agree,
        )


def _sections(data: bytes) -> tuple[list[int], array, tuple[Start, ...]]:
    """Return the header, the times and the starts of a packed index, checked."""
    reader = zlib.decompressobj()
    try:
        values = np.frombuffer(reader.decompress(data, _LARGEST_PACKED), "<i8")
    except zlib.error as error:
        raise ValueError(f"not a packed index ({error})") from None
    header = values[:_HEADER].tolist()
    if not reader.eof or len(header) < _HEADER or header[0] != FORMAT:
        raise ValueError("not a packed index of this version")
    _, frames, count, _, height, width, mirrored, turns, *flags = header
    limits = (frames, MAX_FRAMES), (count, frames), (height, MAX_SIDE), (width, MAX_SIDE)
    whole = len(values) == _HEADER + frames + 3 * count
    if not whole or any(not 0 < value <= limit for value, limit in limits):
        raise ValueError("its numbers do not fit together")
    if turns not in range(4) or {mirrored, *flags} - {0, 1}:
        raise ValueError("its numbers do not fit together")
    display = np.cumsum(values[_HEADER : _HEADER + frames])
    ranks, times, places = np.cumsum(values[_HEADER + frames :].reshape(3, count), axis=1)
    ascending = bool((np.diff(display) > 0).all() and (np.diff(ranks) > 0).all())
    if not ascending or ranks[0] != 0 or ranks[-1] >= frames or places.min() < 0:
        raise ValueError("its frames are not in order")
    starts = map(Start, ranks.tolist(), times.tolist(), places.tolist())
    return header, array("q", display.astype(np.int64).tobytes()), tuple(starts)
