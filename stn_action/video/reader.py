"""The interface of all video readers: frames by index, whichever library decodes them."""

import operator
from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Self

import numpy as np
import torch

from stn_action.errors import InputError
from stn_action.video.frames import Frames, gather_frames
from stn_action.video.source_frame import SourceFrame

FLOAT32_ERROR = 2.0**-23
"""Relative error of times that a decoder reports as float32 (decord)."""

TIME_RESOLUTION = 1e-6
"""Seconds; times closer than this are the same."""


class VideoError(InputError):
    """A video that cannot be used; the message gives the file and the reason.

    The reason may be its file, or what is known of the file: boxes or a manifest that do not belong
    to it. A run survives it: the video is replaced in training and counts as wrong in a test.
    """


class RefusedVideoError(VideoError):
    """A video that no reader may open, whatever its library is able to do."""


def too_large_error(path: Path, size_hw: tuple[int, int], max_pixels: int) -> RefusedVideoError:
    """Return the error about frames with more pixels than `open_video` allows."""
    return RefusedVideoError(
        f"{path}: its frames are {size_hw[1]}x{size_hw[0]}, more than the {max_pixels:,} pixels "
        "that data.max_pixels allows; re-encode the video smaller, or raise data.max_pixels"
    )


class VideoReader(ABC):
    """An open video whose frames are read by index. Open and close it in the same process.

    Frame i is the i-th frame of decoding the file from its start.
    """

    backend: str
    """Name of the library that decodes."""

    path: Path
    """The file."""

    fps: float
    """Frames per second of the file on average; 25 if the file does not give it."""

    refused_fps: float = 0.0
    """The rate by the file's times, if it is absurd and `fps` is 25 for that reason; else 0."""

    part: str = "video"
    """What is read: a video or a slice of one; for messages."""

    numbering: int = 0
    """How often the frames were renumbered because of damage."""

    @property
    @abstractmethod
    def size_hw(self) -> tuple[int, int]:
        """Height and width of the frames, in pixels, as they are meant to be shown (rotated)."""

    @abstractmethod
    def __len__(self) -> int:
        """Count the frames that decode; may need to decode the video once."""

    @abstractmethod
    def close(self) -> None:
        """Close the file and the decoder. Closing twice is allowed."""

    @abstractmethod
    def seconds_at(self, index: int) -> float:
        """Return when a frame is shown, in seconds from the first frame; see `Frames.seconds`."""

    @abstractmethod
    def _image_at(self, index: int) -> tuple[np.ndarray, float]:
        """Decode frame `index` to uint8 (H, W, 3) RGB and its time in seconds."""

    def _source_frame_at(self, index: int) -> SourceFrame:
        """Decode frame `index`; nothing of it need be converted yet."""
        return SourceFrame(self._image_at(index)[0])

    def read(self, indices: Sequence[int]) -> Frames:
        """Decode the frames of these indices.

        Args:
            indices: T frame indices, in any order, repeats allowed. Frames are
                decoded in ascending order, and only these are converted to RGB.

        Returns:
            T frames in the order of `indices`.

        Raises:
            VideoError: an index is outside the video, or the file is damaged there.
            TypeError: an index is not a whole number.
        """
        wanted = self._checked(indices)
        if not wanted:
            none = torch.empty((0, 3, *self.size_hw), dtype=torch.uint8)
            return Frames(none, torch.empty(0, dtype=torch.float64))
        return gather_frames(wanted, self._image_at)

    def read_images(self, indices: Sequence[int]) -> list[np.ndarray]:
        """Decode the frames of these indices without copying them into one array.

        Args:
            indices: as for `read`.

        Returns:
            T images uint8 (H, W, 3) RGB, the same as from `read`. They may share memory and
            have strided rows: do not write to them.

        Raises:
            VideoError, TypeError: as `read`.
        """
        wanted = self._checked(indices)
        found = {index: self._image_at(index)[0] for index in sorted(set(wanted))}
        return [found[index] for index in wanted]

    def visit_images(
        self, indices: Sequence[int], visit: Callable[[int, np.ndarray], object]
    ) -> None:
        """Decode the frames of these indices one by one, without keeping any.

        Args:
            indices: in ascending order.
            visit: called with the place of each in `indices` and its image, as from `read_images`.
                Where damage is found, which renumbers the frames, it is called for all again.

        Raises:
            VideoError, TypeError: as `read`.
        """
        self.visit_frames(indices, lambda place, frame: visit(place, frame.image))

    def visit_frames(
        self, indices: Sequence[int], visit: Callable[[int, SourceFrame], object]
    ) -> None:
        """Decode the frames of these indices one by one, and convert only what `visit` asks for.

        Args:
            indices: in ascending order.
            visit: as for `visit_images`, but called with frames.

        Raises:
            VideoError, TypeError: as `read`.
        """
        for place, index in enumerate(self._checked(indices)):
            visit(place, self._source_frame_at(index))

    def frame_range(self, start_seconds: float | None, end_seconds: float | None) -> range:
        """Find the frames shown in a span of time; may need to decode the video once.

        Args:
            start_seconds: frames from this time on, counted from the first frame; None: from the
                first.
            end_seconds: frames before this time; None: to the last.

        Returns:
            The indices of these frames. A time within a microsecond (and a float32 rounding
            error) below a bound counts as at the bound, so that rounded times change no frame.
        """
        num_frames = len(self)

        def first_from(bound: float) -> int:
            return bisect_left(
                range(num_frames),
                bound,
                key=lambda index: self.seconds_at(index) * (1 + FLOAT32_ERROR) + TIME_RESOLUTION,
            )

        start = 0 if start_seconds is None else first_from(start_seconds)
        return range(start, num_frames if end_seconds is None else first_from(end_seconds))

    def _checked(self, indices: Sequence[int]) -> list[int]:
        wanted = [operator.index(index) for index in indices]
        num_frames = len(self)
        for index in wanted:
            if not 0 <= index < num_frames:
                raise VideoError(
                    f"{self.path}: frame {index} does not exist: the {self.part} has {num_frames} "
                    f"frames that can be decoded, numbered from 0"
                )
        return wanted

    def stream(self, every: int = 1) -> Iterator[tuple[int, np.ndarray, float]]:
        """Decode once from the first frame to the last, and yield every n-th frame.

        The video's end is found by reaching it, without counting first; afterwards `len` is free.
        Frames between are decoded but not converted to RGB. Reading by index during a stream is
        allowed; the stream then decodes some frames again.

        Args:
            every: n; frames 0, n, 2n, ... are yielded.

        Yields:
            The frame's index, the same uint8 (H, W, 3) RGB image as from `read`, owned by the
            caller, and its time in seconds. If only a complete pass shows whether the file's times
            are reliable (raw and transport streams, AVI with B-frames; with OpenCV any file) and
            there was none yet, the time is index / fps.

        Raises:
            ValueError: `every` is below 1.
            VideoError: the rest of the file cannot be read, or the reader is closed.
        """
        if every < 1:
            raise ValueError(f"every must be at least 1, got {every}")
        return self._stream_frames(every)

    def _stream_frames(self, every: int) -> Iterator[tuple[int, np.ndarray, float]]:
        index = 0
        while (found := self._image_or_end(index)) is not None:
            yield index, *found
            index += every

    def _image_or_end(self, index: int, *, seek: bool = False) -> tuple[np.ndarray, float] | None:
        """Decode an image that the caller owns, as `_image_at`; None if the video ends before it.

        Args:
            index: of the frame.
            seek: the frames before it may be skipped without decoding them.
        """
        return self._image_at(index) if index < len(self) else None

    def _of_one_size(self, image: np.ndarray, index: int) -> np.ndarray:
        """Return an image that has the size of the others.

        Raises:
            VideoError: it has not; the file was put together from several.
        """
        height, width = image.shape[:2]
        self._require_one_size((height, width), index)
        return image

    def _require_one_size(self, size_hw: tuple[int, int], index: int) -> None:
        """Require that a frame has the size of the others.

        Raises:
            VideoError: it has not; the file was put together from several.
        """
        if size_hw != self.size_hw:
            raise VideoError(
                f"{self.path}: frame {index} is {size_hw[0]}x{size_hw[1]} pixels, the "
                f"first {self.size_hw[0]}x{self.size_hw[1]}; re-encode the video to one size"
            )

    def _length_error(self, found: int, given: int) -> "VideoError":
        return VideoError(
            f"{self.path}: the {self.part} has {found} frames that can be decoded, not {given} "
            f"as given when it was opened; correct that number or omit it"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def frame_seconds(times: Sequence[float | None], fps: float) -> np.ndarray:
    """Compute presentation times from the first frame on, from the times that a decoder reports.

    AVI and raw streams store no presentation times, and the times that decoders make up for
    reordered frames are not monotonic; such frames are assumed to be equally spaced.

    Args:
        times: the decoder's time of each of T frames, in seconds, None where it has none.
        fps: frames per second, for the equal spacing.

    Returns:
        float64 (T,), in seconds.

    >>> frame_seconds([0.5, 1.5, 3.5], fps=25)
    array([0., 1., 3.])
    >>> frame_seconds([0.5, 3.5, 1.5], fps=25)
    array([0.  , 0.04, 0.08])
    """
    known = [time for time in times if time is not None]
    seconds = np.asarray(known, dtype=np.float64)
    if len(known) < len(times) or bool((np.diff(seconds) <= 0).any()):
        return np.arange(len(times), dtype=np.float64) / fps
    return seconds - seconds[:1]
