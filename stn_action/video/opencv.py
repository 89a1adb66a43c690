"""The OpenCV backend: exact, by reading forwards only."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np

from stn_action.video.reader import VideoError, VideoReader, frame_seconds


class OpenCVReader(VideoReader):
    """A reader that decodes from the start, because OpenCV's own seeking by number is not exact.

    Its number of frames is an estimate too, so the first use decodes the video once to count.
    """

    backend = "opencv"

    def __init__(self, path: Path, num_frames: int | None = None):
        self.path = path
        self._given_length = num_frames
        self._capture = _open(path)
        self._next_index, self._ended = 0, False
        self._reported: list[float] = []
        self._seconds: np.ndarray | None = None
        self._held: tuple[int, np.ndarray] | None = None
        self._closed = False
        self.fps = self._capture.get(cv2.CAP_PROP_FPS) or 25.0
        if not self._advance(0):
            self.close()
            raise VideoError(f"{path}: no frame of this video can be decoded")
        height, width = self._retrieved().shape[:2]
        self._size_hw = height, width

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width of the frames, in pixels."""
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
        """Convert the last grabbed frame to RGB."""
        _, image = self._capture.retrieve()
        return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)

    def _advance(self, index: int) -> bool:
        """Grab forwards up to frame `index`; False if the video ends before it."""
        if self._seconds is not None and index >= len(self._seconds):
            return self._check_length(self._seconds)
        if index < self._next_index - 1 or self._ended:
            self._restart()
        while self._next_index <= index:
            if not self._capture.grab():
                self._seconds = frame_seconds(self._reported, self.fps)
                self._ended = True
                return self._check_length(self._seconds)
            if self._next_index == len(self._reported):
                self._reported.append(self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000)
            self._next_index += 1
        return True

    def _check_length(self, seconds: np.ndarray) -> bool:
        if self._given_length not in (None, len(seconds)):
            raise self._length_error(len(seconds), self._given_length)
        return False

    def _restart(self) -> None:
        self._capture.release()
        self._capture = _open(self.path)
        self._next_index, self._ended = 0, False


def _open(path: Path) -> cv2.VideoCapture:
    with _silent():
        one_thread = [cv2.CAP_PROP_N_THREADS, 1]
        capture = cv2.VideoCapture(str(path.absolute()), cv2.CAP_FFMPEG, one_thread)
    if not capture.isOpened():
        raise VideoError(f"{path}: is not a readable video (OpenCV cannot open it)")
    capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)
    return capture


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
