"""A slice of a video file, read like a file of its own."""

import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import count
from typing import TypeVar

import numpy as np

from stn_action.video.frames import Frames
from stn_action.video.reader import VideoError, VideoReader
from stn_action.video.source_frame import SourceFrame

T = TypeVar("T")


class SliceReader(VideoReader):
    """The frames of another reader that are shown in a time span; frame 0 is the first of them.

    It seeks and decodes as the other reader does. A file without a packet index (raw streams, AVI
    with B-frames, transport streams; with OpenCV any file) is decoded to its end once when the
    slice is opened, because only then all times are known.
    """

    part = "slice"

    def __init__(
        self,
        video: VideoReader,
        start_seconds: float | None,
        end_seconds: float | None,
        num_frames: int | None = None,
    ):
        """Find the frames of the slice.

        Args:
            video: reader of all of the file, opened without `num_frames`; closed with the slice.
            start_seconds: see `open_video`.
            end_seconds: see `open_video`.
            num_frames: see `open_video`.

        Raises:
            VideoError: no frame is shown in the slice, or not `num_frames`.
        """
        self.video = video
        self.backend, self.path, self.fps = video.backend, video.path, video.fps
        self.refused_fps = video.refused_fps
        self._span = start_seconds, end_seconds
        self._known: tuple[int, int] | None = None
        self._file_frames, self._first_seconds = range(0), 0.0
        frames = self.file_frames
        if not frames:
            raise self._empty_error(len(video), video.seconds_at(len(video) - 1))
        if num_frames not in (None, len(frames)):
            for _ in video.stream(sys.maxsize):  # to the end once: damage shows now
                pass
            frames = self.file_frames
        if num_frames not in (None, len(frames)):
            raise self._length_error(len(frames), num_frames)

    @property
    def file_frames(self) -> range:
        """Numbers of the slice's frames in the file."""
        state = self.video.numbering, len(self.video)
        if state != self._known:
            self._file_frames = self.video.frame_range(*self._span)
            if self._file_frames:
                self._first_seconds = self.video.seconds_at(self._file_frames.start)
            self._known = self.video.numbering, len(self.video)
        return self._file_frames

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width of the frames, in pixels, as they are meant to be shown (rotated)."""
        return self.video.size_hw

    def __len__(self) -> int:
        return len(self.file_frames)

    def close(self) -> None:
        """Close the reader of the file."""
        self.video.close()

    def seconds_at(self, index: int) -> float:
        """Return when a frame is shown, in seconds from the slice's first frame."""
        frames = self.file_frames
        return self.video.seconds_at(frames[index]) - self._first_seconds

    def read(self, indices: Sequence[int]) -> Frames:
        """Decode the frames of these indices: see `VideoReader.read`."""
        frames = self._read(self.video.read, indices)
        return Frames(frames.data, frames.seconds - self._first_seconds)

    def read_images(self, indices: Sequence[int]) -> list[np.ndarray]:
        """Decode the frames of these indices: see `VideoReader.read_images`."""
        return self._read(self.video.read_images, indices)

    def visit_frames(
        self, indices: Sequence[int], visit: Callable[[int, SourceFrame], object]
    ) -> None:
        """Decode the frames of these indices one by one: see `VideoReader.visit_frames`."""
        self._read(partial(self.video.visit_frames, visit=visit), indices)

    def _read(self, read: Callable[[Sequence[int]], T], indices: Sequence[int]) -> T:
        frames = self.file_frames
        wanted = self._checked(indices)
        try:
            found = read([frames[index] for index in wanted])
        except VideoError:
            if self.file_frames == frames:
                raise
        else:
            if self.file_frames == frames:
                return found
        # Damage was found, and the frames of the file were renumbered.
        frames = self.file_frames
        return read([frames[index] for index in self._checked(wanted)])

    def _image_at(self, index: int) -> tuple[np.ndarray, float]:
        image, seconds = self.video._image_at(self.file_frames[index])
        return image, seconds - self._first_seconds

    def _stream_frames(self, every: int) -> Iterator[tuple[int, np.ndarray, float]]:
        for index in count(0, every):
            image = self._streamed(index)
            if image is None:
                return
            yield index, image, self.seconds_at(index)

    def _streamed(self, index: int) -> np.ndarray | None:
        while index < len(frames := self.file_frames):
            found = self.video._image_or_end(frames[index], seek=index == 0)
            if self.file_frames == frames:  # else damage was found
                return None if found is None else found[0]
        return None

    def _empty_error(self, num_frames: int, last_seconds: float) -> VideoError:
        start, end = (None if bound is None else f"{bound:g} s" for bound in self._span)
        return VideoError(
            f"{self.path}: no frame is shown from {start or 'the start'} to {end or 'the end'}, "
            f"expected a slice of its {num_frames} frames, shown from 0 to {last_seconds:g} s; "
            "correct start_seconds and end_seconds, counted from the file's first frame"
        )
