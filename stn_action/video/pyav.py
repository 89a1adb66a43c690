"""The PyAV (FFmpeg) backend: exact, and the default."""

import operator
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

import av
import numpy as np

from stn_action.video.container import as_fraction, frame_orientation
from stn_action.video.decoding import FrameDecoder, NumberedFrames, WrongIndexError
from stn_action.video.file_index import FileIndex
from stn_action.video.frames import Frames
from stn_action.video.orientation import Orientation
from stn_action.video.packets import Start
from stn_action.video.planar_frame import PlanarFrame
from stn_action.video.plane_converter import PlaneConverter
from stn_action.video.reader import VideoError, VideoReader, frame_seconds
from stn_action.video.source_frame import SourceFrame
from stn_action.video.video_choices import MAX_PIXELS

T = TypeVar("T")


class PyAVReader(VideoReader):
    """A reader that seeks where the packets' times are reliable, else decodes forwards.

    Every seek is verified: the first packet must be the keyframe's, the keyframe must decode
    intact, and every frame after it must have the time that the index predicts. If not, the reader
    falls back to decoding from the start. Frames before the requested ones to which no other frame
    refers are not decoded. In a file with damage in its middle, the lost frames are noticed only
    when a frame near the damage is read.
    """

    backend = "pyav"

    def __init__(
        self,
        path: Path,
        num_frames: int | None = None,
        max_pixels: int = MAX_PIXELS,
        known: FileIndex | None = None,
    ) -> None:
        self.path = path
        self._given_length = num_frames
        self._closed = False
        self._decoder = FrameDecoder(path, max_pixels, known)
        index = self._decoder.index
        self._doubtful = index is not None and num_frames not in (None, len(index.display_pts))
        """The packets promise another number of frames than was given."""
        if self._doubtful:
            self._decoder.index = None
        self.fps, self.refused_fps = self._decoder.fps, self._decoder.refused_fps
        self._num_frames: int | None = None
        self._times: list[float | None] = []
        self._seconds: np.ndarray | None = None
        self._converter = PlaneConverter(self._decoder.stream.codec_context.name)
        self._held: av.VideoFrame | None = None
        self._held_index, self._next_index = 0, sys.maxsize  # no frame was reached yet
        self._frames: NumberedFrames = iter(())
        self._size_hw: tuple[int, int] | None = None
        self._orientation = Orientation()
        if known is not None:
            self._size_hw, self._orientation = known.size_hw, known.orientation
        if self._decoder.index is None or not self._decoder.complete:
            try:
                self._set_size(self._first_frame())
            except BaseException:
                self.close()
                raise

    @property
    def num_decoded(self) -> int:
        """Frames decoded so far: the cost of reading."""
        return self._decoder.num_decoded

    def __len__(self) -> int:
        if self._num_frames is None:
            self._require_open()
            try:
                self._num_frames = self._find_length()
            except WrongIndexError:
                self._forget_index()
                self._num_frames = self._find_length()
        return self._num_frames

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width of the frames, in pixels, as they are meant to be shown (rotated)."""
        if self._size_hw is None:
            self._require_open()
            self._set_size(self._first_frame())
        assert self._size_hw is not None
        return self._size_hw

    def read(self, indices: Sequence[int]) -> Frames:
        """Decode the frames of these indices: see `VideoReader.read`."""
        return self._read(super().read, indices)

    def read_images(self, indices: Sequence[int]) -> list[np.ndarray]:
        """Decode the frames of these indices: see `VideoReader.read_images`."""
        return self._read(super().read_images, indices)

    def visit_frames(
        self, indices: Sequence[int], visit: Callable[[int, SourceFrame], object]
    ) -> None:
        """Decode the frames of these indices one by one: see `VideoReader.visit_frames`."""
        self._read(partial(super().visit_frames, visit=visit), indices)

    def _read(self, read: Callable[[Sequence[int]], T], indices: Sequence[int]) -> T:
        self._require_open()
        len(self)  # counting may not skip frames
        self._decoder.want(operator.index(index) for index in indices)
        try:
            return read(indices)
        except WrongIndexError:
            self._forget_index()
            return read(indices)
        finally:
            self._decoder.want(None)

    def close(self) -> None:
        """Close the file and the decoder."""
        self._frames = iter(())
        self._held = None
        self._decoder.close()
        self._closed = True

    def _require_open(self) -> None:
        if self._closed:
            raise VideoError(f"{self.path}: the reader is closed; open the video again")

    def _forget_index(self) -> None:
        """Drop the index: decode from the start and number the frames as they come."""
        self._decoder.index = self._num_frames = None
        self.numbering += 1
        self._restart()

    def _first_frame(self) -> av.VideoFrame:
        try:
            frame = self._frame_at(0)
        except WrongIndexError:
            self._forget_index()
            frame = self._frame_at(0)
        if frame is None:
            raise self._no_frame_error()
        return frame

    def _set_size(self, frame: av.VideoFrame) -> None:
        self._orientation = frame_orientation(frame, self.path)
        self._size_hw = self._orientation.size_hw(frame.height, frame.width)

    def _image_at(self, index: int) -> tuple[np.ndarray, float]:
        return self._source_frame_at(index).image, self.seconds_at(index)

    def _source_frame_at(self, index: int) -> PlanarFrame:
        frame = self._frame_at(index)
        if frame is None:
            if self._decoder.index is not None:
                raise WrongIndexError
            self._note_end()
            raise VideoError(f"{self.path}: frame {index} cannot be decoded anymore")
        return self._source_frame(frame, index)

    def _image_or_end(self, index: int, *, seek: bool = False) -> tuple[np.ndarray, float] | None:
        self._require_open()
        try:
            frame = self._frame_at(index, skip_groups=seek)
        except WrongIndexError:
            self._forget_index()
            frame = self._frame_at(index)
        if frame is None:
            self._note_end()
            return None
        image = self._source_frame(frame, index).image
        return np.ascontiguousarray(image), self.seconds_at(index)

    def _source_frame(self, frame: av.VideoFrame, index: int) -> PlanarFrame:
        if self._size_hw is None:
            self._set_size(frame)
        shown = PlanarFrame(frame, self._converter, self._orientation)
        self._require_one_size(shown.size_hw, index)
        return shown

    def seconds_at(self, index: int) -> float:
        """Return when a frame is shown: see `VideoReader.seconds_at`."""
        if self._decoder.index is not None and self._decoder.times_are_believed:
            pts, base = self._decoder.index.display_pts, as_fraction(self._decoder.stream.time_base)
            return (pts[index] - pts[0]) * base.numerator / base.denominator
        return index / self.fps if self._seconds is None else float(self._seconds[index])

    def _frame_at(self, index: int, *, skip_groups: bool = True) -> av.VideoFrame | None:
        """Decode forwards to frame `index`; None if the video ends before it.

        Args:
            index: number of the frame.
            skip_groups: skip entire groups of frames by seeking.
        """
        if self._held is not None and self._held_index == index:
            return self._held
        start = self._decoder.index.start_before(index) if self._decoder.index is not None else None
        first = start.rank if start is not None else 0
        if index < self._next_index or (skip_groups and first > self._next_index):
            self._restart(start)
        while self._next_index <= index:
            rank, frame = next(self._frames, (index, None))
            if frame is None:
                return None
            if rank > index:
                raise WrongIndexError
            if self._decoder.index is None and self._next_index == len(self._times):
                base = self._decoder.stream.time_base
                self._times.append(
                    None if frame.pts is None else float(frame.pts * as_fraction(base))
                )
            self._held, self._held_index = frame, rank
            self._next_index = rank + 1
        return self._held

    def _note_end(self) -> None:
        """Store the length: the frames were counted up to the end."""
        if self._next_index == 0:
            raise self._no_frame_error()
        self._num_frames = self._next_index
        if self._decoder.index is None and self._decoder.times_are_believed:
            self._seconds = frame_seconds(self._times, self.fps)
        if self._given_length not in (None, self._num_frames):
            raise self._length_error(self._num_frames, self._given_length)

    def _no_frame_error(self) -> VideoError:
        return VideoError(f"{self.path}: no frame of this video can be decoded")

    def _find_length(self) -> int:
        index = self._decoder.index
        if self._given_length is not None and not self._doubtful:
            return self._given_length
        if index is not None and self._decoder.complete:
            return len(index.display_pts)
        if index is not None:
            self._restart(index.starts[-1])
        self._frame_at(sys.maxsize - 1, skip_groups=False)
        self._note_end()
        return self._next_index

    def _restart(self, start: Start | None = None) -> None:
        """Continue `_frames` with the frame at `start`, or with the first one."""
        self._held = None
        if self._decoder.index is not None:
            start = start or self._decoder.index.starts[0]
        self._frames = self._decoder.frames_from(start)
        self._next_index = start.rank if start is not None else 0
