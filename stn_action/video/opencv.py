"""The OpenCV backend: exact, by reading forwards only."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from stn_action.video.reader import (
    RefusedVideoError,
    VideoError,
    VideoReader,
    frame_seconds,
    too_large_error,
)
from stn_action.video.video_choices import MAX_PIXELS

if TYPE_CHECKING:
    from stn_action.video.header import VideoHeader


class OpenCVReader(VideoReader):
    """A reader that decodes from the start, because OpenCV's own seeking by number is not exact.

    Its number of frames is an estimate too, so the first use decodes the video once to count. The
    rate, how frames are turned and how many packets there are is read with PyAV: OpenCV takes a
    mirrored video for a turned one, and a damaged packet for the end. Without PyAV it is believed.
    """

    backend = "opencv"

    def __init__(
        self, path: Path, num_frames: int | None = None, max_pixels: int = MAX_PIXELS
    ) -> None:
        self.path = path
        self._given_length = num_frames
        self._header = _header(path, max_pixels)
        self._next_index, self._failures, self._ended = 0, 0, False
        self._reported: list[float | None] = []
        self._seconds: np.ndarray | None = None
        self._held: tuple[int, np.ndarray] | None = None
        self._closed = False
        self._size_hw: tuple[int, int] | None = None
        self._capture = self._opened()
        size_hw = (
            int(self._capture.get(cv2.CAP_PROP_FRAME_HEIGHT)),
            int(self._capture.get(cv2.CAP_PROP_FRAME_WIDTH)),
        )
        header_fps = self._capture.get(cv2.CAP_PROP_FPS) or 25.0
        self.fps = header_fps if self._header is None else self._header.fps
        try:
            if size_hw[0] * size_hw[1] > max_pixels:
                raise too_large_error(path, size_hw, max_pixels)
            if not self._advance(0):
                raise VideoError(f"{path}: no frame of this video can be decoded")
            self._retrieved()
        except BaseException:
            self.close()
            raise

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width of the frames, in pixels."""
        assert self._size_hw is not None  # the first frame was decoded when the file was opened
        return self._size_hw

    def __len__(self) -> int:
        self._require_open()
        if self._seconds is None and self._given_length is not None:
            return self._given_length
        if self._seconds is None:
            self._advance(sys.maxsize)
        assert self._seconds is not None
        return len(self._seconds)

    def close(self) -> None:
        """Close the file and the decoder."""
        self._capture.release()
        self._held = None
        self._closed = True

    def _require_open(self) -> None:
        if self._closed:
            raise VideoError(f"{self.path}: the reader is closed; open the video again")

    def _image_at(self, index: int) -> tuple[np.ndarray, float]:
        if self._held is None or self._held[0] != index:
            if not self._advance(index):
                raise VideoError(f"{self.path}: frame {index} cannot be decoded anymore")
            self._held = index, self._retrieved()
        return self._held[1], self.seconds_at(index)

    def _image_or_end(self, index: int, *, seek: bool = False) -> tuple[np.ndarray, float] | None:
        self._require_open()
        if not self._advance(index):
            return None
        return self._retrieved(), self.seconds_at(index)

    def seconds_at(self, index: int) -> float:
        """Return when a frame is shown: see `VideoReader.seconds_at`."""
        return index / self.fps if self._seconds is None else float(self._seconds[index])

    def _retrieved(self) -> np.ndarray:
        """Convert the last grabbed frame to RGB, mirrored and turned as it is meant to be shown."""
        found, image = self._capture.retrieve()
        index = self._next_index - 1
        if not found:
            raise VideoError(f"{self.path}: frame {index} cannot be converted to RGB by OpenCV")
        image = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
        if self._header is not None:
            image = np.ascontiguousarray(self._header.orientation.shown(image))
        self._size_hw = self._size_hw or (image.shape[0], image.shape[1])
        return self._of_one_size(image, index)

    def _advance(self, index: int) -> bool:
        """Grab forwards up to frame `index`; False if the video ends before it."""
        if self._seconds is not None and index >= len(self._seconds):
            return self._check_length(self._seconds)
        if index < self._next_index - 1 or self._ended:
            self._restart()
        while self._next_index <= index:
            if not self._grabbed():
                self._seconds = frame_seconds(self._reported, self.fps)
                self._ended = True
                return self._check_length(self._seconds)
            if self._next_index == len(self._reported):
                self._reported.append(self._reported_seconds())
            self._next_index += 1
        return True

    def _grabbed(self) -> bool:
        """Decode the next frame; False at the end.

        OpenCV reports a packet that it cannot decode as it reports the end of the video.
        """
        num_packets = 0 if self._header is None else self._header.num_packets
        while not self._capture.grab():
            self._failures += 1
            if self._next_index + self._failures > num_packets:
                return False
        return True

    def _reported_seconds(self) -> float | None:
        if self._header is not None and not self._header.times_are_believed:
            return None
        return self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000

    def _check_length(self, seconds: np.ndarray) -> bool:
        if self._given_length not in (None, len(seconds)):
            raise self._length_error(len(seconds), self._given_length)
        return False

    def _restart(self) -> None:
        self._capture.release()
        self._capture = self._opened()
        self._next_index, self._failures, self._ended = 0, 0, False

    def _opened(self) -> cv2.VideoCapture:
        one_thread = [cv2.CAP_PROP_N_THREADS, 1]
        with _silent():
            capture = cv2.VideoCapture(str(self.path.absolute()), cv2.CAP_FFMPEG, one_thread)
        if not capture.isOpened():
            raise VideoError(f"{self.path}: is not a readable video (OpenCV cannot open it)")
        capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, int(self._header is None))
        return capture


def _header(path: Path, max_pixels: int) -> "VideoHeader | None":
    """Read what FFmpeg finds; None where PyAV is not installed or cannot open the file.

    Raises:
        VideoError: no reader may open the file, or OpenCV opens another of its video streams.
    """
    try:
        from stn_action.video.header import read_header

        header = read_header(path, max_pixels)
    except RefusedVideoError:
        raise
    except (ImportError, VideoError):
        return None
    if header.stream_number > 0:
        raise VideoError(
            f"{path}: OpenCV would read the first of its {header.num_streams} video streams, "
            f"expected number {header.stream_number + 1}; use data.reader=pyav"
        )
    return header


@contextmanager
def _silent() -> Iterator[None]:
    """Silence OpenCV and its FFmpeg about files that they cannot open."""
    name = "OPENCV_FFMPEG_LOGLEVEL"  # read when the process opens its first video
    level, given = cv2.utils.logging.getLogLevel(), os.environ.get(name)
    os.environ.setdefault(name, "-8")
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        cv2.utils.logging.setLogLevel(level)
        if given is None:
            del os.environ[name]
